"""The OAuth clients of the SDKs and of FastMCP: from the address alone they sign in, call, refresh and step up."""

import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

from sandbox.people import PEOPLE
from tests.clients.conftest import Show
from tests.clients.place import Place
from tests.clients.programs import INTO, Failed, Told, node, version

pytestmark = pytest.mark.asyncio(loop_scope="session")

HERE = Path(__file__).parent
V1, V2 = "@modelcontextprotocol/sdk", "@modelcontextprotocol/client"


@dataclass(frozen=True)
class Kind:
    """One client; `listens`: it hears the redirect itself, on a port of its own."""

    title: str
    package: str
    listens: bool = False

    @property
    def version(self) -> str:
        return metadata.version("mcp") if self.package == "mcp" else version(self.package)

    def command(self, url: str, document: str = "") -> list[str | Path]:
        more = [url, *([document] if document else [])]
        if self.package == "mcp":
            return [sys.executable, HERE / "python_client.py", *more]
        if self.package == "fastmcp":
            return [INTO / "fastmcp/bin/python", HERE / "fastmcp_client.py", *more]
        return [node(), INTO / "sdk.mjs", self.package, *more]


KINDS = [
    Kind("Python SDK", "mcp"),
    Kind("TypeScript SDK 1", V1),
    Kind("TypeScript SDK 2", V2),
    Kind("FastMCP client", "fastmcp", listens=True),
]
BY_TITLE = [pytest.param(kind, id=kind.title) for kind in KINDS]


def told(place: Place, kind: Kind, user: str, document: str = "") -> Told:
    """It, and that person at its browser."""
    return Told(kind.command(place.url, document), place.at(user), listens=kind.listens)


@pytest.mark.parametrize("kind", BY_TITLE)
async def test_it_registers_signs_in_calls_and_refreshes(place: Place, show: Show, kind: Kind) -> None:
    """One sign-in; the calls are the person's; an ended access token is replaced without a browser."""
    async with told(place, kind, "bo") as one:
        assert (await one.call("jira_whoami"))["email"] == PEOPLE["bo"].email
        assert "issues" in await one.call("jira_search", jql="updated >= -52w")
        assert len(one.opened) == 1 and not one.client.startswith("https://")
        show(kind.title, kind.version, "real", "discover", "register", "sign in", "call")
        first = one.tokens
        await one.do("spoil")
        assert (await one.call("jira_whoami"))["email"] == PEOPLE["bo"].email
        assert len(one.opened) == 1 and one.tokens["refresh_token"] != first["refresh_token"]
        show(kind.title, kind.version, "real", "refresh")


@pytest.mark.parametrize("kind", BY_TITLE)
async def test_its_document_is_its_id(place: Place, kind: Kind) -> None:
    """Where it is given the address of its document it does not register."""
    document = place.document(
        f"/{kind.package.rpartition('/')[2]}.json",
        {
            "client_name": kind.title,
            "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
            "token_endpoint_auth_method": "none",
        },
    )
    async with told(place, kind, "ana", document) as one:
        assert (await one.call("jira_whoami"))["email"] == PEOPLE["ana"].email
        assert one.client == document and len(one.opened) == 1


async def reading(place: Place, one: Told) -> None:
    """From now on it holds a token for reading only."""
    await one.call("jira_whoami")
    await one.do("hold", tokens=await place.granted("ana", one.client, one.opened[0], scope="jira:read"))
    await one.call("jira_whoami")
    assert len(one.opened) == 1


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.title) for kind in KINDS if kind.package != V1])
async def test_it_steps_up(place: Place, show: Show, kind: Kind) -> None:
    """With a token for reading it meets our 403 and asks for the scopes named there; the write is done."""
    async with told(place, kind, "ana") as one:
        await reading(place, one)
        await one.call("jira_comment", key="OPEN-2", body=f"Stepped up by {kind.title}.")
        assert len(one.opened) == 2 and "jira%3Awrite" in one.opened[1]
        show(kind.title, kind.version, "real", "step up")


async def test_the_first_typescript_sdk_refreshes_where_it_should_ask(place: Place, show: Show) -> None:
    """At our 403 it refreshes, which never widens a grant, and gives up; its second major version asks."""
    [kind] = [kind for kind in KINDS if kind.package == V1]
    async with told(place, kind, "ana") as one:
        await reading(place, one)
        with pytest.raises(Failed, match="403 after trying upscoping"):
            await one.call("jira_comment", key="OPEN-2", body="Never written.")
        assert len(one.opened) == 1
        show(kind.title, kind.version, "real: refreshes and gives up", "step up")


@pytest.mark.parametrize("kind", BY_TITLE)
async def test_it_signs_in_again_after_the_family_was_ended(place: Place, show: Show, kind: Kind) -> None:
    """A revoked grant: its refresh is refused, and it sends the person to sign in instead of failing."""
    async with told(place, kind, "bo") as one:
        await one.call("jira_whoami")
        assert (await place.revoke(one.client, one.tokens["refresh_token"])).status_code == 200
        await one.do("spoil")
        await one.call("jira_whoami")
        assert len(one.opened) == 2
        show(kind.title, kind.version, "real", "revoke")
