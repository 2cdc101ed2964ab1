"""Documents cannot drift: what they say of settings, tools, commands, errors and tests is compared with the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__, errors
from gateway.cli import _parser
from gateway.cli.tools import lock
from gateway.config import TOOL_MODULES
from gateway.policy.schema import cedar_schema
from gateway.tool import Registry

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "policies" / "README.md"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_generated_pages_are_fresh() -> None:
    """docs/settings.md and docs/tools.md are what the code says."""
    ran = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


def test_the_tools_lock_lists_every_digest() -> None:
    """A changed description or schema is a reviewed change: `jira-agent-gateway tools --lock > tools.lock`."""
    assert read("tools.lock") == lock(Registry.load(TOOL_MODULES))


def test_the_cedar_schema_is_fresh() -> None:
    """Every tool is an action: `jira-agent-gateway tools --cedar-schema > policies/schema.cedarschema`."""
    assert read("policies/schema.cedarschema") == cedar_schema(Registry.load(TOOL_MODULES).actions())


def test_every_error_code_is_documented() -> None:
    """docs/the-line.md tells what each code means and what to do."""
    page = read("docs/the-line.md")
    codes = {
        e.code for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.GatewayError)
    }
    assert not [code for code in codes if f"`{code}`" not in page]


def test_every_audit_field_is_documented() -> None:
    """docs/audit.md names every field that a record may have."""
    page = read("docs/audit.md")
    source = read("gateway/audit/record.py")
    fields = set(re.findall(r'^\s+"([a-z_]+)":', source, re.MULTILINE))
    assert len(fields) > 20
    assert not sorted(f for f in fields if f"`{f}`" not in page)


def test_the_readme_shows_the_help_of_today() -> None:
    """The block between the marks is what `--help` prints."""
    shown = read("README.md").split("<!-- help -->")[1].split("<!-- /help -->")[0]
    assert _parser().format_help().strip() in shown


def test_each_promise_names_tests_that_exist() -> None:
    """The ten promises of the README stand beside tests."""
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", read("README.md"), re.MULTILINE)
    assert [number for number, _ in rows] == [str(n) for n in range(1, 11)]
    for _, held in rows:
        files = re.findall(r"`(tests/[\w/.]+)`", held)
        assert files and all((ROOT / f).exists() for f in files), held


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_one_version() -> None:
    """The package and its metadata have the same version."""
    assert f'version = "{__version__}"' in read("pyproject.toml")


def test_every_decision_is_in_the_list() -> None:
    """docs/adr/README.md lists each ADR."""
    listed = read("docs/adr/README.md")
    assert not [p.name for p in (ROOT / "docs/adr").glob("0*.md") if f"({p.name})" not in listed]
