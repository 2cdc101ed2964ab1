"""Groups that a token leaves out: asked of a directory, or nobody gets in."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from gateway import clock, limits
from gateway.credential.client import OAuthClient
from gateway.errors import ConfigError, Unauthenticated, Unavailable
from gateway.http import Outward
from gateway.identity.groups import GroupSource, group_source
from gateway.identity.groups.cached import CachedGroups
from gateway.identity.jwks import key_ring
from gateway.identity.roles import RoleTable
from gateway.identity.tokens import TokenAuthenticator
from gateway.model import Bearer, Person
from gateway.settings import SecretStr
from gateway.settings.identity import RoleRule
from tests.identity.directory import FakeDirectory, entra, google, reader
from tests.identity.server import Idp, private_key
from tests.identity.shapes import claims, reading, recorded, signed

OVERAGE = recorded("entra_overage")["claims"] | {"groups": None}
OID = recorded("entra")["person"]["claims"]["oid"]
EMAIL = "ana@corp.example"
ANA = Person("https://as.test", f"tenant:{OID}", EMAIL)


@pytest.fixture
async def directory() -> AsyncIterator[FakeDirectory]:
    """A running directory that knows ana."""
    async with FakeDirectory() as running:
        running.known = {OID, EMAIL, "108"}
        yield running


def pem() -> str:
    """A service account's private key."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return str(private_key("RSA").private_bytes(*form), "ascii")


@pytest.fixture(params=["entra", "google"])
def source(request: pytest.FixtureRequest, directory: FakeDirectory, outward: Outward) -> GroupSource:
    """Each of the two."""
    order = entra(directory) if request.param == "entra" else google(directory, pem())
    return reader(order, directory.url("/tenant/v2.0"), outward)


def gate(idp: Idp, outward: Outward, directory: FakeDirectory | None) -> TokenAuthenticator:
    """An authenticator for Entra, with a role for one of the groups."""
    rule = RoleRule(group=recorded("graph_members")["groups"][1], role="leads")
    one = reading("entra", jwks_uri=idp.url("/jwks"), roles=RoleTable([rule]))
    directories = {}
    if directory is not None:
        asked = reader(entra(directory), directory.url("/tenant/v2.0"), outward)
        directories[one.issuer] = CachedGroups(asked)
    return TokenAuthenticator([one], key_ring([one], outward), directories=directories)


async def test_overage_is_resolved(idp: Idp, outward: Outward, directory: FakeDirectory) -> None:
    """All pages, groups only, and the roles that they give; the address in the token is never asked."""
    caller = await gate(idp, outward, directory).authenticate(Bearer(signed(idp, "entra", **OVERAGE)))

    assert set(recorded("graph_members")["groups"]) == caller.claimed_groups
    assert {"leads"} == caller.groups
    assert len(directory.asked) == 2 and all(f"/users/{OID}/" in path for path in directory.asked)
    assert directory.tokens == [
        {
            "grant_type": "client_credentials",
            "client_id": "reader",
            "client_secret": "s3cret",
            "scope": "https://graph.microsoft.com/.default",
        }
    ]


@pytest.mark.parametrize("overage", [OVERAGE, {"hasgroups": True, "groups": None}])
async def test_without_a_directory_overage_is_refused(
    idp: Idp, outward: Outward, overage: dict[str, Any]
) -> None:
    """Never fewer groups than somebody has."""
    with pytest.raises(Unauthenticated) as no:
        await gate(idp, outward, None).authenticate(Bearer(signed(idp, "entra", **overage)))
    assert "overage" in no.value.private


async def test_a_token_that_says_nothing_of_groups_leaves_them_out(
    idp: Idp, outward: Outward, directory: FakeDirectory
) -> None:
    """Where a directory is set it is asked; groups that the token has are taken as they are."""
    asking = gate(idp, outward, directory)
    assert (await asking.authenticate(Bearer(signed(idp, "entra", groups=None)))).claimed_groups
    assert len(directory.asked) == 2
    assert (await asking.authenticate(Bearer(signed(idp, "entra")))).claimed_groups
    assert frozenset() == (await asking.authenticate(Bearer(signed(idp, "entra", groups=[])))).claimed_groups
    assert frozenset() == (await asking.authenticate(Bearer(signed(idp, "entra", "program")))).claimed_groups
    assert len(directory.asked) == 2


async def test_a_program_is_in_no_directory_of_people(
    idp: Idp, outward: Outward, directory: FakeDirectory
) -> None:
    """Nobody is asked about it, and its groups are those of its token."""
    one = reading("keycloak", jwks_uri=idp.url("/jwks"))
    asked = CachedGroups(reader(google(directory, pem()), one.issuer, outward))
    asking = TokenAuthenticator([one], key_ring([one], outward), directories={one.issuer: asked})
    program = Bearer(signed(idp, "keycloak", "program", email=EMAIL, email_verified=True))
    assert (await asking.authenticate(program)).service
    assert not directory.requests


@pytest.mark.parametrize("fault", ["status", "html", "down", "hangs"])
async def test_a_directory_that_is_away_lets_nobody_in(
    idp: Idp, outward: Outward, directory: FakeDirectory, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Unavailable`, with the part that is down, and afterwards everything works."""
    monkeypatch.setattr(limits, "DIRECTORY_SECONDS", 0.3 if fault == "hangs" else 10.0)
    asking, token = gate(idp, outward, directory), Bearer(signed(idp, "entra", **OVERAGE))
    if fault == "down":
        await directory.stop()
    directory.delay = 60.0 if fault == "hangs" else 0.0
    directory.status = 503 if fault == "status" else None
    directory.body = b"<html>" if fault == "html" else None
    with pytest.raises(Unavailable) as down:
        await asking.authenticate(token)
    assert down.value.part == "identity"

    directory.status = directory.body = None
    directory.delay = 0.0
    monkeypatch.setattr(limits, "DIRECTORY_SECONDS", 10.0)
    if fault == "down":
        await directory.start()
    assert (await asking.authenticate(token)).groups


async def test_what_a_directory_said_has_an_end(idp: Idp, outward: Outward, directory: FakeDirectory) -> None:
    """Kept for five minutes for all tokens of a person; a remembered token holds its groups no longer."""
    asking, token = gate(idp, outward, directory), Bearer(signed(idp, "entra", **OVERAGE))
    await asking.authenticate(token)
    await asking.authenticate(Bearer(signed(idp, "entra", **OVERAGE, uti="another")))
    assert len(directory.asked) == 2

    directory.known = set()
    later = Bearer(signed(idp, "entra", **OVERAGE, exp=claims("entra")["exp"] + 600))
    assert (await asking.authenticate(later)).groups
    with clock.shifted(wall=limits.GROUPS_SECONDS + 1), pytest.raises(Unauthenticated) as no:
        await asking.authenticate(later)
    assert "does not know" in no.value.private


async def test_many_at_once_ask_once(source: GroupSource, directory: FakeDirectory) -> None:
    """One question about one person, one token for all."""
    cached = CachedGroups(source)
    answers = await asyncio.gather(*(cached.of(ANA) for _ in range(50)))
    assert len(set(answers)) == 1 and len(directory.asked) == 2 and len(directory.tokens) == 1


async def test_both_pages_are_read(source: GroupSource) -> None:
    """Nobody has half of their groups."""
    found = await source.groups(ANA)
    assert found in [set(recorded(name)["groups"]) for name in ("graph_members", "google_groups")]


async def test_somebody_whom_the_directory_does_not_know(
    source: GroupSource, directory: FakeDirectory
) -> None:
    """Refused: it cannot be said in which groups they are not."""
    directory.known = set()
    with pytest.raises(Unauthenticated, match="Sign in again"):
        await source.groups(ANA)


async def test_pages_without_end_have_one(source: GroupSource, directory: FakeDirectory) -> None:
    """A directory that always has a next page is not read for ever."""
    directory.endless = True
    with pytest.raises(Unauthenticated):
        await source.groups(ANA)
    assert len(directory.asked) == limits.DIRECTORY_PAGES


async def test_too_many_groups_are_none(
    source: GroupSource, directory: FakeDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than are read: refused, not cut."""
    monkeypatch.setattr(limits, "GROUPS_READ", 1)
    with pytest.raises(Unauthenticated):
        await source.groups(ANA)


async def test_our_token_stays_at_the_directory(outward: Outward, directory: FakeDirectory) -> None:
    """A next page somewhere else is not followed."""
    async with FakeDirectory() as other:
        directory.elsewhere = other.url("")
        source = reader(entra(directory), directory.url("/tenant/v2.0"), outward)
        with pytest.raises(Unavailable):
            await source.groups(ANA)
        assert other.connections == 0


async def test_a_token_that_was_withdrawn_is_replaced(source: GroupSource, directory: FakeDirectory) -> None:
    """The next question brings another."""
    await source.groups(ANA)
    directory.accepted = "another"
    with pytest.raises(Unavailable):
        await source.groups(ANA)
    assert await source.groups(ANA)
    assert len(directory.tokens) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"value": [1], "groups": [1]}',
        b'{"value": [{"@odata.type": "#microsoft.graph.group"}], "kind": "admin#directory#groups", "groups": [{}]}',
        b'{"value": "x", "kind": "admin#directory#groups", "groups": "x"}',
    ],
)
async def test_an_answer_of_another_form_is_none(
    source: GroupSource, directory: FakeDirectory, body: bytes
) -> None:
    """Something else than groups is not no groups."""
    await source.groups(ANA)
    directory.body = body
    with pytest.raises(Unavailable):
        await source.groups(ANA)


async def test_google_is_asked_in_an_administrators_name(outward: Outward, directory: FakeDirectory) -> None:
    """A signed assertion, read-only scope; by the verified address, or by Google's own id of the person."""
    source = reader(google(directory, pem()), "https://kc.test", outward)
    assert await source.groups(ANA)
    assert await source.groups(Person("https://accounts.google.com", "108"))
    assert [f"userKey={who}" in path for who, path in zip(
        ("ana%40corp.example", "ana%40corp.example", "108", "108"), directory.asked, strict=True
    )] == [True] * 4  # fmt: skip
    form = directory.tokens[0]
    said = json.loads(base64.urlsafe_b64decode(form["assertion"].split(".")[1] + "=="))
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert said["sub"] == "admin@corp.example" and said["aud"] == directory.url("/token")
    assert said["scope"].endswith("admin.directory.group.readonly")


async def test_google_cannot_be_asked_without_a_verified_address(
    outward: Outward, directory: FakeDirectory
) -> None:
    """A claim that anybody may have set does not borrow somebody's groups."""
    source = reader(google(directory, pem()), "https://kc.test", outward)
    with pytest.raises(Unauthenticated):
        await source.groups(Person("https://kc.test", "ana", None))
    assert not directory.asked


async def test_somebody_in_no_group_has_none(outward: Outward, directory: FakeDirectory) -> None:
    """Google then leaves the list out."""
    source = reader(google(directory, pem()), "https://kc.test", outward)
    await source.groups(ANA)
    directory.body = json.dumps(recorded("google_groups")["none"]).encode()
    assert frozenset() == await source.groups(ANA)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"client_secret": "-----BEGIN"}, "JSON key file"),
        ({"client_secret": "{}"}, "JSON key file"),
        (
            {"client_secret": '{"client_email": "a", "token_uri": "https://x.test", "private_key": "b"}'},
            "JSON",
        ),
        ({"subject": ""}, "`subject` is missing"),
    ],
)
def test_google_settings_that_cannot_work(
    outward: Outward, directory: FakeDirectory, changes: dict[str, Any], told: str
) -> None:
    """Named at start."""
    fields = {**google(directory, pem()).model_dump(), **changes}
    order = google(directory, pem()).__class__.model_validate(fields)
    with pytest.raises(ConfigError, match=told):
        reader(order, "https://kc.test", outward)


def test_entra_needs_a_client(outward: Outward, directory: FakeDirectory) -> None:
    """Named at start."""
    with pytest.raises(ConfigError, match="client_id"):
        reader(entra(directory).model_copy(update={"client_id": ""}), "https://as.test", outward)


async def test_a_directorys_next_secret_is_used_when_the_first_is_refused(
    outward: Outward, directory: FakeDirectory
) -> None:
    """A secret is changed at Entra without a moment at which groups cannot be read; the good one comes first then."""
    order = entra(directory).model_copy(update={"next_client_secret": SecretStr("n3xt")})
    client = OAuthClient(order)
    source = group_source(order, directory.url("/tenant/v2.0"), outward, client)
    directory.known = {OID}
    directory.refuses = lambda form: form["client_secret"] == "s3cret"
    assert await source.groups(ANA)
    assert [form["client_secret"] for form in directory.tokens] == ["s3cret", "n3xt"]
    assert client.in_use() == "next"


async def test_googles_next_key_is_used_when_the_first_was_withdrawn(
    outward: Outward, directory: FakeDirectory
) -> None:
    """The whole JSON file of the next key: each assertion names its own."""
    order = google(directory, pem())
    following = json.loads(order.client_secret.get_secret_value()) | {"private_key_id": "k2"}
    order = order.model_copy(update={"next_client_secret": SecretStr(json.dumps(following))})
    directory.known = {EMAIL}
    directory.refuses = lambda form: (
        b'"k1"' in base64.urlsafe_b64decode(form["assertion"].split(".")[0] + "==")
    )
    assert await reader(order, "https://kc.test", outward).groups(ANA)
    assert len(directory.tokens) == 2
