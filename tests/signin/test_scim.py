"""SCIM 2.0 as Okta and Entra send it: who has left is refused, everywhere and at once."""

import json
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway import clock, limits
from gateway.credential.sealed import SealedVault
from gateway.credential.vault import LinkKey
from gateway.errors import Unauthenticated, Unavailable
from gateway.identity.revocation import LIFTED, Revocation, Revocations
from gateway.leaving import DEPROVISIONED, KILLED, deprovision, reinstate
from gateway.model import Caller, Secret
from gateway.signin.server.pushed import PushedPeople
from gateway.signin.server.scim import PATH, Scim, subjects
from gateway.store.memory import MemoryStore
from gateway.store.sql import Database
from gateway.transport.web import Guard, create_web
from sandbox.serve import Served, free_port, listen
from tests.credential.sealing import local, tokens
from tests.signin.world import TLS, issuer_settings

ISSUER = "https://corp.okta.com/oauth2/default"
ANA = "00u1ana"
TOKEN = "scim-token"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass
class World:
    """The endpoint, a vault, who is refused."""

    http: httpx2.AsyncClient
    revocations: Revocations
    vault: SealedVault
    left: list[str]
    down: bool = False

    async def push(self, external: str = ANA, **more: Any) -> httpx2.Response:
        """The provider pushes somebody."""
        user = {"schemas": [USER], "userName": f"{external}@corp.com", "externalId": external, **more}
        return await self.http.post("/Users", json=user)

    async def patch(self, id: str, *operations: dict[str, Any]) -> httpx2.Response:
        """The provider changes somebody."""
        body = {"schemas": [PATCH], "Operations": list(operations)}
        return await self.http.patch(f"/Users/{id}", json=body)

    def refused(self, subject: str = ANA) -> bool:
        """Whether a token of that person, issued a moment ago, is refused."""
        caller = Caller(ISSUER, subject, "c", frozenset(), 2e9, Secret("t"), issued_at=clock.wall() + 1)
        try:
            self.revocations.check(caller)
        except Unauthenticated:
            return True
        return False


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Everything running."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(f"sqlite:///{tmp_path}/gateway.db"))
        vault, revocations = SealedVault(database, local()), Revocations(database)
        await vault.start()
        await revocations.load()
        port = free_port("127.0.0.1")
        url = f"http://127.0.0.1:{port}"
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/scim+json"}
        http = httpx2.AsyncClient(base_url=f"{url}{PATH}", headers=headers, verify=TLS, trust_env=False)
        made = World(await stack.enter_async_context(http), revocations, vault, [])

        async def left(issuer: str, subject: str) -> None:
            if made.down:
                raise Unavailable("The database is away.", part="store")
            made.left.append(subject)
            await deprovision(issuer, subject, revocations, vault)

        async def back(issuer: str, subject: str) -> None:
            await reinstate(issuer, subject, revocations)

        scim = Scim(
            PushedPeople(database, ISSUER),
            issuer_settings(ISSUER, "corp", profile="okta"),
            left=left,
            back=back,
            token=TOKEN,
            url=url,
            store=MemoryStore(),
            guard=Guard(url, (), ()),
        )
        await stack.enter_async_context(
            Served(create_web({f"{PATH}/*": scim.app}), listen("127.0.0.1", port))
        )
        yield made


LEAVING: list[dict[str, Any]] = [
    {"op": "replace", "value": {"active": False}},
    {"op": "Replace", "path": "active", "value": "False"},
    {"op": "replace", "path": f"{USER}:active", "value": False},
    {"op": "Add", "path": "active", "value": [{"value": "False"}]},
    {"op": "remove", "path": "active"},
]
"""How vendors say that somebody has left: Okta, Entra, and what the RFC allows besides."""


@pytest.mark.parametrize("operation", LEAVING, ids=json.dumps)
async def test_who_is_deactivated_is_out_at_once(world: World, operation: dict[str, Any]) -> None:
    """Refused from now on, also what would be issued later; every grant destroyed; the answer says inactive."""
    id = (await world.push()).json()["id"]
    for upstream, tenant in (("jira", ""), ("signin/corp", "f1")):
        await world.vault.link(LinkKey(ISSUER, ANA, upstream, tenant), "a", tokens())
    assert not world.refused()
    reply = await world.patch(id, operation)

    assert (reply.status_code, reply.json()["active"]) == (200, False)
    assert world.refused() and not world.refused("00u2bo")
    assert all(head.ended for head in await world.vault.of(ISSUER, ANA))


async def test_a_put_or_delete_says_so_too(world: World) -> None:
    """A whole user that is inactive, and one that is deleted and then not shown any more."""
    ana, bo = (await world.push()).json(), (await world.push("00u2bo")).json()
    await world.http.put(f"/Users/{ana['id']}", json={**ana, "active": False})
    reply = await world.http.delete(f"/Users/{bo['id']}")

    assert reply.status_code == 204 and reply.content == b""
    assert world.refused() and world.refused("00u2bo")
    assert (await world.http.get(f"/Users/{bo['id']}")).status_code == 404


async def test_somebody_who_was_never_here_is_refused_all_the_same(world: World) -> None:
    """The first that we hear of them is that they have left."""
    reply = await world.push(active=False)
    assert reply.status_code == 201
    assert world.refused()


async def test_who_comes_back_may_sign_in_anew(world: World) -> None:
    """Activated again, or pushed again after a deletion; what was issued before stays refused."""
    id = (await world.push()).json()["id"]
    before = Caller(ISSUER, ANA, "c", frozenset(), 2e9, Secret("t"), issued_at=clock.wall() - 5)
    await world.patch(id, LEAVING[0])
    await world.patch(id, {"op": "replace", "value": {"active": True}})
    assert not world.refused()
    with pytest.raises(Unauthenticated):
        world.revocations.check(before)

    await world.http.delete(f"/Users/{id}")
    assert world.refused()
    assert (await world.push()).json()["id"] == id
    assert not world.refused()


async def test_who_was_killed_here_is_not_let_in_by_the_provider(world: World) -> None:
    """`kill --keep-out` stands until an administrator here lifts it."""
    id = (await world.push()).json()["id"]
    await world.revocations.add(Revocation("user", math.inf, ISSUER, ANA, reason=KILLED))
    await world.patch(id, LEAVING[0])
    await world.patch(id, {"op": "replace", "value": {"active": True}})
    assert world.refused()

    await world.revocations.add(Revocation("user", clock.wall(), ISSUER, ANA, reason=LIFTED))
    assert not world.refused()


async def test_a_routine_update_lets_nobody_in(world: World) -> None:
    """Providers send everybody again every half hour: only who was inactive here comes back."""
    id = (await world.push()).json()["id"]
    await world.revocations.add(Revocation("user", math.inf, ISSUER, ANA, reason="credential-compromise"))
    for _ in range(2):
        await world.patch(id, {"op": "replace", "value": {"active": True, "displayName": "Ana"}})

    assert world.refused()


async def test_what_could_not_be_done_is_sent_again(world: World) -> None:
    """503, and the person is still shown as active: the provider tries again, and then it is done."""
    id = (await world.push()).json()["id"]
    world.down = True
    reply = await world.patch(id, LEAVING[0])
    assert (reply.status_code, "database" in reply.text) == (503, False)
    assert (await world.http.get(f"/Users/{id}")).json()["active"] is True

    world.down = False
    assert (await world.patch(id, LEAVING[0])).status_code == 200
    assert world.left == [ANA]


async def test_the_tests_that_vendors_make_first(world: World) -> None:
    """Entra looks for a user that is not there; Okta reads the configuration and a page."""
    absent = await world.http.get("/Users", params={"filter": 'userName eq "no-such-user"'})
    assert absent.status_code == 200 and absent.json()["totalResults"] == 0
    await world.push()
    page = (await world.http.get("/Users", params={"startIndex": 1, "count": 1})).json()
    assert (page["totalResults"], page["itemsPerPage"], page["Resources"][0]["externalId"]) == (1, 1, ANA)
    assert (await world.http.get("/ServiceProviderConfig")).json()["patch"] == {"supported": True}
    for kind in ("ResourceTypes", "Schemas", "Groups"):
        reply = await world.http.get(f"/{kind}")
        assert reply.status_code == 200 and reply.headers["content-type"] == "application/scim+json"
    assert (await world.http.get(f"/Schemas/{USER}")).json()["id"] == USER


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        (f'externalId eq "{ANA}"', 1),
        (f'userName eq "{ANA.upper()}@CORP.com"', 1),
        (f'EXTERNALID Eq "{ANA.upper()}"', 0),
        ('userName eq "\\" or 1=1"', 0),
    ],
)
async def test_people_are_found_by_name_and_id(world: World, asked: str, count: int) -> None:
    """Names whatever their case, ids exactly."""
    await world.push()
    assert (await world.http.get("/Users", params={"filter": asked})).json()["totalResults"] == count


async def test_a_name_changes_and_the_person_stays(world: World) -> None:
    """Marriage is no new person; another `externalId` would be."""
    made = (await world.push()).json()
    rename = {"op": "Replace", "path": "userName", "value": "ana.new@corp.com"}
    reply = await world.patch(made["id"], rename, {"op": "add", "path": "name.givenName", "value": "Ana"})
    assert reply.json()["userName"] == "ana.new@corp.com"
    other = await world.patch(made["id"], {"op": "replace", "path": "externalId", "value": "00u2bo"})
    assert (other.status_code, other.json()["scimType"]) == (400, "mutability")
    assert (await world.push()).json()["scimType"] == "uniqueness"


BAD: list[tuple[str, str, Any, int]] = [
    ("POST", "/Users", {"userName": "a"}, 400),
    ("POST", "/Users", {"externalId": "a"}, 400),
    ("POST", "/Users", {"userName": "a", "externalId": "a\u202e"}, 400),
    ("POST", "/Users", {"userName": "a", "externalId": "a", "active": "perhaps"}, 400),
    ("POST", "/Users", [], 400),
    ("POST", "/Users", {"userName": "x" * limits.SCIM_BYTES, "externalId": "a"}, 413),
    ("GET", '/Users?filter=userName%20sw%20"a"', None, 400),
    ("GET", "/Users/nobody", None, 404),
    ("GET", "/Elsewhere", None, 404),
    ("DELETE", "/Users", None, 405),
    ("POST", "/Groups", {}, 405),
    ("PATCH", "/Users/{id}", {"Operations": "x"}, 400),
    ("PATCH", "/Users/{id}", {"Operations": [{"op": "move"}]}, 400),
    ("PATCH", "/Users/{id}", {"Operations": [{"op": "replace", "value": "x"}]}, 400),
    ("PATCH", "/Users/{id}", {"Operations": [{"op": "replace", "path": 7, "value": "x"}]}, 400),
    ("PATCH", "/Users/{id}", {"Operations": [{"op": "replace", "path": "active", "value": None}]}, 400),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD)
async def test_bad_requests_are_errors_of_the_standard(
    world: World, method: str, path: str, body: Any, status: int
) -> None:
    """RFC 7644 §3.12, and nobody is refused or let in by them."""
    id = (await world.push()).json()["id"]
    reply = await world.http.request(method, path.replace("{id}", id), json=body)

    assert reply.status_code == status
    if status != 200:
        assert reply.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert reply.json()["status"] == str(status)
    assert not world.refused() and world.left == []


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"])
async def test_without_the_token_nothing_is_told(world: World, given: str) -> None:
    """401 for everything, also for what is not there."""
    for path in ("/Users", "/ServiceProviderConfig", "/Elsewhere"):
        reply = await world.http.get(path, headers={"authorization": given})
        assert reply.status_code == 401


async def test_guessing_the_token_is_slow(world: World) -> None:
    """Beyond the limit nobody of that address is answered, until they have it right."""
    wrong = {"authorization": "Bearer wrong"}
    for _ in range(limits.SCIM_FAILURES_PER_MINUTE):
        await world.http.get("/Users", headers=wrong)
    assert (await world.http.get("/Users", headers=wrong)).status_code == 429
    assert (await world.http.get("/Users")).status_code == 200


def test_entra_must_send_the_object_id() -> None:
    """Its default, the mail nickname, names nobody in its tokens: the push is refused, with what to do."""
    tenant, oid = "11111111-2222-4333-8444-555555555555", "AAAAAAAA-bbbb-4ccc-8ddd-eeeeeeeeeeee"
    for issuer, profile in (
        (f"https://login.microsoftonline.com/{tenant}/v2.0", "entra"),
        (f"https://sts.windows.net/{tenant}/", "entra_v1"),
    ):
        subject = subjects(issuer_settings(issuer, "corp", profile=profile))
        assert subject(oid) == f"{tenant}:{oid.lower()}"
        with pytest.raises(ValueError, match="objectId"):
            subject("ana")


async def test_the_record_says_why(world: World) -> None:
    """A row of its own reason, for `explain`."""
    await world.push(active=False)
    rows = [row for row in await world.revocations.all() if row.subject == ANA]
    assert [(row.kind, row.reason, row.not_before) for row in rows] == [("user", DEPROVISIONED, math.inf)]
