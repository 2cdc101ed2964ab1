"""The built wheel: what a person gets who installs it, and who owns the top-level names in it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Paths inside the wheel, built without network."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        return opened.namelist()


def test_the_top_level_names_are_ours(names: list[str]) -> None:
    """`gateway`, `tools` and `sandbox`, and nothing of tests, bench or data from elsewhere."""
    top = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert top == {"gateway", "tools", "sandbox"}


def test_policies_and_licence_come_with_it(names: list[str]) -> None:
    """The demo and `serve` work from the wheel alone."""
    assert "gateway/shipped/policies/90-guard.cedar" in names
    assert any(n.startswith("gateway/shipped/policies/tests/") for n in names)
    assert any(n.endswith("licenses/LICENSE") for n in names) and any(
        n.endswith("licenses/NOTICE") for n in names
    )
