"""A provider that is looked at: the sandbox's, and settings in which one thing is changed."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.config import load
from gateway.doctor import Line
from gateway.doctor.idp import Report, look
from gateway.model import Bearer
from gateway.settings import Settings
from sandbox.idp import Faults, Lifetimes
from sandbox.idp.faults import lie
from sandbox.run import Sandbox

LOGIN = """
[identity.issuers.login]
client_id = "jira-agent-gateway"
client_secret = "sandbox-only"

[jira]
"""


@dataclass
class Clinic:
    """One sandbox; `changes` are texts of its gateway.toml and what stands there instead."""

    sandbox: Sandbox
    folder: Path
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The settings as a file."""
        text = self.sandbox.config_toml().replace("\n[jira]\n", LOGIN, 1)
        for old, new in {"[policy]\n": '[policy]\ndir = "rules"\n', **self.changes}.items():
            assert old in text, old
            text = text.replace(old, new, 1)
        file = self.folder / "gateway.toml"
        file.write_text(text)
        return file

    def settings(self) -> Settings:
        """The settings, loaded."""
        return load(self.config, {})

    def token(self, user: str = "ana", *, headers: Mapping[str, Any] | None = None, **claims: Any) -> Bearer:
        """A token of an assistant; `claims` replace some, None leaves one out."""
        idp = self.sandbox.idp
        sign_in = idp.sign_in(idp.people[user], "demo-assistant", ("openid", "jira:read", "jira:write"))
        return Bearer(idp.sign(lie(idp.access_claims(sign_in), claims), {"typ": "at+jwt", **(headers or {})}))

    async def report(self, token: str | None = None) -> Report:
        """Of the one provider."""
        (report,) = await look(self.settings(), None, None if token is None else Bearer(token))
        return report

    async def lines(self, token: str | None = None) -> dict[str, Line]:
        """By what was looked at."""
        return {line.what: line for line in (await self.report(token)).lines}


def rules(folder: Path) -> None:
    """The smallest bundle: the one that ships takes most of a test's time to prove itself."""
    small = {
        "10.cedar": '@id("read")\n@reason("r")\npermit (principal in Jira::Group::"staff", action, resource);\n',
        "known.yaml": "groups: [staff]\nprojects: []\ncategories: []\n",
        "agents.yaml": "groups: []\ndefault: {writesPerHour: 5}\nclients: {}\n",
        "clearances.yaml": "{}\n",
        "tests/all.yaml": "people: {default: {groups: [staff]}}\n"
        "cases:\n  - {name: all, person: default, tool: jira_whoami, expect: {decision: allow}}\n",
    }
    for name, text in small.items():
        file = folder / "rules" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def wrong(lines: Mapping[str, Line]) -> set[str]:
    """What is wrong."""
    return {what for what, line in lines.items() if line.state == "wrong"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ward(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clinic]:
    """A sandbox for all tests of a file. Whoever takes it from `clinic` finds all well."""
    folder = tmp_path_factory.mktemp("clinic")
    rules(folder)
    async with Sandbox() as sandbox:
        yield Clinic(sandbox, folder)


@pytest.fixture
def clinic(ward: Clinic) -> Clinic:
    """The ward, made well: no fault, nothing changed, nobody switched off."""
    idp = ward.sandbox.idp
    idp.faults, idp.lifetimes, idp.clock_skew = Faults(), Lifetimes(), 0.0
    idp.disabled.clear()
    idp.counts.clear()
    return Clinic(ward.sandbox, ward.folder)
