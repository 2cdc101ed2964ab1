"""Changing secrets at the providers, by the shapes of their documents; and the commands that do it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.cli import main
from gateway.config import load
from gateway.credential.client import OAuthClient
from gateway.credential.keys import ClientKeys
from gateway.credential.rotation import rotation
from gateway.errors import ConfigError, Unavailable
from gateway.http import Outward
from gateway.settings import ClientSettings
from tests.identity.server import Loopback, Request, respond

ID = "0a1b2c"
ADMIN = "adm1n-secret"


@dataclass
class Provider:
    """An administration API in small: the secrets of one client, the oldest first."""

    web: Loopback
    kind: str
    secrets: list[dict[str, str]] = field(default_factory=list)
    broken: tuple[int, Any] | None = None
    made: int = 0

    async def say(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """One answer."""
        if self.broken:
            respond(writer, self.broken[1], self.broken[0])
        elif request.path == "/token":
            sent = parse_qs(request.body.decode())
            good = (sent["client_id"], sent["client_secret"]) == (["admin"], [ADMIN])
            token = {"access_token": "t0ken", "token_type": "Bearer", "scope": "x", "expires_in": 60}
            respond(writer, token if good else {"error": "invalid_client"}, 200 if good else 401)
        elif request.headers.get("authorization") not in ("Bearer t0ken", f"SSWS {ADMIN}"):
            respond(writer, {"errorCode": "E0000011"}, 401)
        else:
            answer: Callable[..., tuple[int, Any]] = getattr(self, f"_{self.kind}")
            status, body = answer(
                request.method, urlsplit(request.path).path, json.loads(request.body or b"{}")
            )
            respond(writer, b"" if body is None else body, status)

    def _new(self, **more: str) -> dict[str, str]:
        self.made += 1
        return {"id": f"s{self.made}", "secret": f"new-{self.made}", "at": f"2026-11-{self.made:02}", **more}

    def _keycloak(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        base = f"/admin/realms/corp/clients/{ID}/client-secret"
        if (method, path) == ("POST", base):
            self.secrets.append(self._new())
            return 200, {"type": "secret", "value": self.secrets[-1]["secret"]}
        if path != f"{base}/rotated" or len(self.secrets) < 2:
            return 404, {"error": "not found"}
        if method == "DELETE":
            del self.secrets[0]
            return 204, None
        return 200, {"type": "secret", "value": self.secrets[0]["secret"]}

    def _okta(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        base = f"/api/v1/apps/{ID}/credentials/secrets"
        shown = [
            {"id": s["id"], "status": s["status"], "created": s["at"], "client_secret": s["secret"]}
            for s in self.secrets
        ]
        if (method, path) == ("GET", base):
            return 200, shown[::-1]
        if (method, path) == ("POST", base):
            self.secrets.append(self._new(status="ACTIVE"))
            return 201, {"id": self.secrets[-1]["id"], "client_secret": self.secrets[-1]["secret"]}
        found = next(s for s in self.secrets if path.startswith(f"{base}/{s['id']}"))
        if path.endswith("/lifecycle/deactivate"):
            found["status"] = "INACTIVE"
            return 200, {}
        if found["status"] == "ACTIVE":
            return 400, {"errorCode": "E0000001"}
        self.secrets.remove(found)
        return 204, None

    def _entra(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        base = f"/v1.0/applications/{ID}"
        if (method, path) == ("GET", base):
            listed = [
                {"keyId": s["id"], "displayName": s["name"], "startDateTime": s["at"]} for s in self.secrets
            ]
            return 200, {"passwordCredentials": listed[::-1]}
        if path == f"{base}/addPassword":
            self.secrets.append(self._new(name=body["passwordCredential"]["displayName"]))
            return 200, {"keyId": self.secrets[-1]["id"], "secretText": self.secrets[-1]["secret"]}
        self.secrets = [s for s in self.secrets if s["id"] != body["keyId"]]
        return 204, None

    def table(self) -> dict[str, Any]:
        """The `rotation` of the settings."""
        base = {"keycloak": "/admin/realms/corp", "okta": "", "entra": "/v1.0"}[self.kind]
        found = {"provider": self.kind, "api": self.web.url(base), "id": ID, "api_secret": ADMIN}
        if self.kind == "okta":
            found["api"] = self.web.url("").rstrip("/")
        else:
            found |= {"admin_client_id": "admin", "token_endpoint": self.web.url("/token"), "scope": "x"}
        return found

    def client(self, **changes: Any) -> ClientSettings:
        """A client whose secret may be rotated here."""
        given = {"client_id": "gw", "client_secret": "old", "rotation": {**self.table(), **changes}}
        return ClientSettings.model_validate(given)


@pytest.fixture(params=["keycloak", "okta", "entra"])
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    """Each of the three, with a secret that is in use."""
    web = Loopback(lambda asked, writer: made.say(asked, writer))
    made = Provider(web, request.param)
    made.secrets = [made._new(status="ACTIVE", name="jira-agent-gateway")]
    async with web:
        yield made


async def test_a_new_secret_stands_beside_the_old_until_that_is_retired(provider: Provider) -> None:
    """Two are good for a while; then the newest alone."""
    async with Outward() as outward:
        way = await rotation(provider.client(), outward)
        assert (await way.make()).reveal() == "new-2"
        assert [s["secret"] for s in provider.secrets] == ["new-1", "new-2"]
        assert await way.retire() == 1
        assert [s["secret"] for s in provider.secrets] == ["new-2"]
        assert await way.retire() == 0


@pytest.mark.parametrize(
    "broken",
    [(403, {"error": "forbidden"}), (500, b"<html>"), (200, b"<html>"), (200, {}), (200, [])],
    ids=str,
)
async def test_what_the_provider_refuses_changes_nothing(provider: Provider, broken: tuple[int, Any]) -> None:
    """Told in private, without the administrator's secret (F36)."""
    async with Outward() as outward:
        way = await rotation(provider.client(), outward)
        provider.broken = broken
        with pytest.raises(Unavailable) as caught:
            await way.make()
    assert ADMIN not in caught.value.private and "t0ken" not in caught.value.private
    assert len(provider.secrets) == 1


async def test_a_wrong_administrator_is_refused(provider: Provider) -> None:
    """Before anything was changed."""
    async with Outward() as outward:
        with pytest.raises(Unavailable):
            await (await rotation(provider.client(api_secret="wrong"), outward)).make()
    assert len(provider.secrets) == 1


async def test_without_a_table_it_is_done_by_hand() -> None:
    """Atlassian and Data Center have no API for it."""
    client = ClientSettings.model_validate({"client_id": "gw", "client_secret": "old"})
    async with Outward() as outward:
        with pytest.raises(ConfigError, match="by hand"):
            await rotation(client, outward)


async def test_okta_takes_no_third_secret() -> None:
    """The older one is ended first, by whoever knows that it is not in use."""
    web = Loopback(lambda asked, writer: made.say(asked, writer))
    made = Provider(web, "okta")
    made.secrets = [made._new(status="ACTIVE"), made._new(status="ACTIVE")]
    async with web, Outward() as outward:
        with pytest.raises(Unavailable) as caught:
            await (await rotation(made.client(), outward)).make()
    assert "--finish" in caught.value.private


async def test_entra_keeps_secrets_that_are_not_ours() -> None:
    """Those of another name may be somebody else's."""
    web = Loopback(lambda asked, writer: made.say(asked, writer))
    made = Provider(web, "entra")
    made.secrets = [made._new(name="by hand"), made._new(name="jira-agent-gateway")]
    async with web, Outward() as outward:
        way = await rotation(made.client(), outward)
        await way.make()
        assert await way.retire() == 1
    assert [s["name"] for s in made.secrets] == ["by hand", "jira-agent-gateway"]


CONFIG = """
[server]
public_url = "http://127.0.0.1:9"
[[identity.issuers]]
issuer = "https://idp.example.com"
name = "corp"
[identity.issuers.introspection]
endpoint = "https://idp.example.com/introspect"
client_id = "asker"
client_secret = "asker-s3cret"
[jira]
url = "https://jira.example.com"
[[jira.credential]]
token_endpoint = "https://idp.example.com/token"
client_id = "gateway"
client_secret_file = "now"
next_client_secret_file = "next"
audience = "https://jira.example.com"
rotation = {rotation}
[[jira.credential]]
source = "service"
account = "robot"
[jira.credential.client]
client_id = "robot"
client_secret = "robot-s3cret"
token_endpoint = "https://auth.example.com/token"
[audit]
dir = "audit"
second = "checkpoints"
"""


def settings(folder: Path, table: dict[str, Any]) -> Path:
    """A settings file with a current and an empty next secret."""
    inline = ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items())
    (folder / "now").write_text("old\n")
    (folder / "next").write_text("")
    (folder / "gateway.toml").write_text(CONFIG.replace("{rotation}", f"{{ {inline} }}"))
    return folder / "gateway.toml"


async def command(*words: str) -> int:
    """The command line, beside the provider that it talks to."""
    return await asyncio.to_thread(main, ["secrets", *words])


async def test_two_commands_change_a_secret(
    provider: Provider, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """First into the next file, then into the current one, and the old one ends; no secret is printed."""
    file = settings(tmp_path, provider.table())
    both = ("--config", str(file))
    assert await command("rotate", "jira.exchange", "--finish", *both) == 3
    assert "without `--finish` first" in capsys.readouterr().err

    assert await command("rotate", "jira.exchange", *both) == 0
    assert ((tmp_path / "now").read_text(), (tmp_path / "next").read_text()) == ("old\n", "new-2\n")
    client = load(file, {}).jira[0].credential[0]
    assert isinstance(client, ClientSettings)
    assert [held.reveal() for held in OAuthClient(client).secrets()] == ["old", "new-2"]

    assert await command("rotate", "jira.exchange", "--finish", *both) == 0
    assert ((tmp_path / "now").read_text(), len(provider.secrets)) == ("new-2\n", 1)
    client = load(file, {}).jira[0].credential[0]
    assert isinstance(client, ClientSettings)
    assert [held.reveal() for held in OAuthClient(client).secrets()] == ["new-2"]
    told = capsys.readouterr()
    assert "new-2" not in told.out + told.err and ADMIN not in told.out + told.err


async def test_a_refused_rotation_leaves_the_files(
    provider: Provider, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, and what to look at."""
    file = settings(tmp_path, provider.table())
    provider.broken = (503, b"")
    assert await command("rotate", "jira.exchange", "--config", str(file)) == 1
    assert ((tmp_path / "now").read_text(), (tmp_path / "next").read_text()) == ("old\n", "")
    assert "503" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "told"), [("nobody", "jira.exchange"), ("jira.service.client", "in its file")]
)
def test_a_wrong_name_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    """With those that there are; and a secret in no file cannot be changed."""
    table = {"provider": "okta", "api": "https://okta.test", "id": ID, "api_secret": ADMIN}
    file = settings(tmp_path, table)
    assert main(["secrets", "rotate", name, "--config", str(file)]) == 3
    assert told in capsys.readouterr().err


def test_status_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Age, method and use of each client; no secret; exit 1 when one is old."""
    import os
    import time

    table = {"provider": "okta", "api": "https://okta.test", "id": ID, "api_secret": ADMIN}
    file = settings(tmp_path, table)
    assert main(["secrets", "status", "--json", "--config", str(file)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in told["clients"]] == [
        "corp.introspection",
        "jira.exchange",
        "jira.service.client",
    ]
    assert told["clients"][1]["in_use"].startswith("unknown")
    assert told["key"]["published"] == 2

    old = time.time() - 24 * 86_400
    os.utime(tmp_path / "now", (old, old))
    assert main(["secrets", "status", "--config", str(file)]) == 1
    shown = capsys.readouterr()
    assert "jira.exchange" in shown.out and "24 days old: rotate it" in shown.err
    assert "s3cret" not in shown.out + shown.err


def test_roll_key_signs_with_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file beside the record, unless set otherwise."""
    table = {"provider": "okta", "api": "https://okta.test", "id": ID, "api_secret": ADMIN}
    file = settings(tmp_path, table)
    before = [jwk["kid"] for jwk in ClientKeys(tmp_path / "audit" / "client-keys.pem").jwks()["keys"]]
    assert main(["secrets", "roll-key", "--json", "--config", str(file)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["signing"] == before[1] and told["next"] not in before
