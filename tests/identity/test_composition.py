"""From the settings to who may call: what a `gateway.toml` says of its providers is what happens."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.cli import main
from gateway.config import load
from gateway.errors import ConfigError, Unauthenticated, Unavailable
from gateway.model import Bearer
from sandbox.run import Sandbox
from tests.identity.opaque import Asked
from tests.identity.server import SECRET

GOOGLE = '\n[[identity.issuers]]\nissuer = "https://accounts.google.com"\nprofile = "google"\n'
LOGIN = '[identity.issuers.login]\nclient_id = "gateway"\nclient_secret = "s"\n'


def written(folder: Path, sandbox: Sandbox, more: str = "", *, roles: bool = True) -> Path:
    """The sandbox's settings, with `more` at the end of its issuer, and with or without its `roles`."""
    text = sandbox.config_toml()
    begin = text.index("roles = [")
    end = text.index("\n]\n", begin) + 3
    file = folder / "gateway.toml"
    file.write_text(text[: end if roles else begin] + more + text[end:])
    return file


def composed(folder: Path, sandbox: Sandbox, more: str = "", *, roles: bool = True) -> Gateway:
    """A gateway of these settings."""
    return Gateway(load(written(folder, sandbox, more, roles=roles), {}))


@pytest.mark.parametrize("table", [True, False])
async def test_groups_of_the_settings_become_roles(tmp_path: Path, table: bool) -> None:
    """By the table; without it the same token gives nothing."""
    async with Sandbox() as sandbox:
        gateway = composed(tmp_path, sandbox, roles=table)
        async with gateway.outward:
            caller = await gateway.providers.verified("/mcp").authenticate(Bearer(sandbox.token("ana")))
    groups = {"staff", "developers", "leads", "finance"}
    assert groups == caller.claimed_groups
    assert (groups if table else set()) == caller.groups


async def test_google_is_only_for_signing_in(tmp_path: Path) -> None:
    """Its tokens are no calls: without a `login` that is a mistake, with one it is simply not accepted."""
    async with Sandbox() as sandbox:
        with pytest.raises(ConfigError, match="only in the gateway's own sign-in"):
            composed(tmp_path, sandbox, GOOGLE)
        file = written(tmp_path, sandbox, GOOGLE + LOGIN)
        issuers = {"GATEWAY__JIRA__CREDENTIAL__ISSUERS": '["127.0.0.1"]'}
        gateway = Gateway(load(file, issuers))
        assert [sandbox.issuer] == [one.issuer for one in gateway.providers.profiles("/mcp")]


async def test_opaque_tokens_are_asked_about_where_the_settings_say_so(tmp_path: Path) -> None:
    """With `[identity.issuers.introspection]`, and only then."""
    async with Sandbox() as sandbox, Asked() as asked:
        asked.tokens = {"opaque": {"iss": sandbox.issuer, "aud": sandbox.gateway_resource}}
        table = (
            f'[identity.issuers.introspection]\nendpoint = "{asked.url("/introspect")}"\n'
            f'client_id = "gate way"\nclient_secret = {json.dumps(SECRET, ensure_ascii=False)}\n'
        )
        for more, good in ((table, True), ("", False)):
            gateway = composed(tmp_path, sandbox, more)
            async with gateway.outward:
                everybody = gateway.providers.verified("/mcp")
                assert (await everybody.authenticate(Bearer(sandbox.token("bo")))).subject == "bo"
                if good:
                    assert (await everybody.authenticate(Bearer("opaque"))).groups == {"staff"}
                    asked.status = 500
                    with pytest.raises(Unavailable):
                        await everybody.authenticate(Bearer("another"))
                    assert "status 500" in gateway.providers.state()[1]  # what `/readyz` shows
                else:
                    with pytest.raises(Unauthenticated):
                        await everybody.authenticate(Bearer("opaque"))
        assert asked.questions == ["opaque"]


async def test_check_notes_a_missing_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The settings are good, and it is told that nobody gets a role by them."""
    monkeypatch.chdir(tmp_path)
    async with Sandbox() as sandbox:
        for roles, notes in ((True, 0), (False, 1)):
            written(tmp_path, sandbox, roles=roles)
            assert await asyncio.to_thread(main, ["check", "--json"]) == 0
            told = json.loads(capsys.readouterr().out)
            assert told["good"] and len(told["notes"]) == notes
            assert await asyncio.to_thread(main, ["check"]) == 0
            assert ("Note: " in capsys.readouterr().out) is bool(notes)
