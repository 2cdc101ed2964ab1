"""Keycloak's own ways, against the real one: what it answers, and what our messages make of it.

Each row of `REFUSED` is one way in which its token exchange says no. The realm is changed for the length
of a test through the admin API, and put back.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import clock
from gateway.credential import GrantOrder
from gateway.credential.sources.exchange import ExchangeSource
from gateway.errors import ConsentRequired, GatewayError, Unauthenticated, Unavailable
from gateway.model import Caller, Effect, Secret
from tests.providers.browser import code_flow, post_form
from tests.providers.keycloak import GATEWAY, JIRA, Keycloak
from tests.providers.place import Place
from tests.providers.provider import ASSISTANT, READ, WRITE, Refused
from tests.providers.test_acceptance import known
from tests.providers.tokens import unverified

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("provided", ["keycloak"], indirect=True),
]

Change = Callable[[Keycloak], AbstractAsyncContextManager[Any]]
TYPE = "urn:ietf:params:oauth:token-type:"


def keycloak(place: Place) -> Keycloak:
    assert isinstance(place.provider, Keycloak)
    return place.provider


def client(client_id: str, **members: Any) -> Change:
    """That client with other `members`; attributes are added to its own."""

    @asynccontextmanager
    async def change(provider: Keycloak) -> AsyncIterator[None]:
        path = await provider.admin.client(client_id)
        before = await provider.admin.get(path)
        added = members.get("attributes", {})
        attributes = {**before["attributes"], **added}
        await provider.admin.put(path, {**before, **members, "attributes": attributes})
        try:
            yield
        finally:  # an attribute that is left out stays; an empty one goes
            attributes = {**dict.fromkeys(added, ""), **before["attributes"]}
            await provider.admin.put(path, {**before, "attributes": attributes})

    return change


def without_scope(client_id: str, scope: str, kind: str) -> Change:
    """That client without one of its `default` or `optional` client scopes."""

    @asynccontextmanager
    async def change(provider: Keycloak) -> AsyncIterator[None]:
        path = await _scope_path(provider, client_id, scope, kind)
        await provider.admin.delete(path)
        try:
            yield
        finally:
            await provider.admin.put(path)

    return change


@asynccontextmanager
async def without_enforcer(provider: Keycloak) -> AsyncIterator[None]:
    """The realm without its client policies."""
    before = await provider.admin.get("/client-policies/policies")
    off = [{**policy, "enabled": False} for policy in before["policies"]]
    await provider.admin.put("/client-policies/policies", {"policies": off})
    try:
        yield
    finally:
        await provider.admin.put("/client-policies/policies", {"policies": before["policies"]})


async def _scope_path(provider: Keycloak, client_id: str, scope: str, kind: str) -> str:
    scopes = await provider.admin.get("/client-scopes")
    found = next(one["id"] for one in scopes if one["name"] == scope)
    return f"{await provider.admin.client(client_id)}/{kind}-client-scopes/{found}"


def nothing(_: Keycloak) -> AbstractAsyncContextManager[Any]:
    return nullcontext()


@dataclass(frozen=True)
class Row:
    """A refusal: how it comes about, Keycloak's answer, and our error with a part of its texts."""

    answer: tuple[int, str, str]
    error: type[GatewayError]
    tells: str
    """Part of what the person is told, or else of what the operator is."""
    change: Change = nothing
    user: str = "ana"
    scope: str = WRITE
    effect: Effect = Effect.READ
    settings: dict[str, Any] = field(default_factory=dict)
    early: bool = False
    """Whether the token is had before the change, not under it."""


OPERATOR = "tell the operator"
REFUSED = {
    "the assistant's client has no audience mapper": Row(
        (403, "access_denied", "Client is not within the token audience"),
        Unavailable,
        "audience mapper",
        without_scope(ASSISTANT, GATEWAY, "default"),
    ),
    "no such audience": Row(
        (400, "invalid_client", "Audience not found"),
        Unavailable,
        "client id of Jira's client",
        settings={"audience": "nobody"},
    ),
    "Jira's client is switched off": Row(
        (400, "invalid_client", "Client disabled"),
        Unavailable,
        "enable Jira's client",
        client(JIRA, enabled=False),
    ),
    "the person has no role at Jira": Row(
        (400, "invalid_request", "Requested audience not available: jira"),
        ConsentRequired,
        "gives you no access to Jira",
        user="mallory",
    ),
    "a scope that the gateway's client lacks": Row(
        (400, "invalid_scope", "Invalid scopes: jira:read jira:write"),
        Unavailable,
        "optional client scopes",
        without_scope(GATEWAY, "jira:write", "optional"),
        effect=Effect.WRITE,
    ),
    "more scopes than the token has": Row(
        (
            400,
            "invalid_scope",
            "Scopes [jira:write] not present in the initial access token [openid, jira:read]",
        ),
        Unavailable,
        "by the names",
        scope=READ,
        effect=Effect.WRITE,
    ),
    "consent is wanted": Row(
        (400, "invalid_scope", "Missing consents for Token Exchange in client jira-agent-gateway"),
        Unavailable,
        "switch consent off",
        client(GATEWAY, consentRequired=True),
    ),
    "exchange is switched off": Row(
        (400, "invalid_request", "Standard token exchange is not enabled for the requested client"),
        Unavailable,
        "switch it on",
        client(GATEWAY, attributes={"standard.token.exchange.enabled": "false"}),
    ),
    "the gateway's client is public": Row(
        (400, "invalid_client", "Public client is not allowed to exchange token"),
        Unavailable,
        "client authentication",
        client(GATEWAY, publicClient=True),
    ),
    "the gateway's secret is wrong": Row(
        (401, "unauthorized_client", "Invalid client or Invalid client credentials"),
        Unavailable,
        "check the gateway's client",
        client(GATEWAY, secret="another"),
    ),
}


def source(place: Place, **changes: Any) -> ExchangeSource:
    """The gateway's own source with some settings changed, and nothing kept."""
    own = place.exchange
    settings = own._settings.model_copy(update=changes)
    return ExchangeSource(settings, own._issuer, own._endpoint, own._verify, vendor="keycloak")


async def raw(place: Place, token: str, scope: str, **changes: str) -> dict[str, Any]:
    """The exchange as the gateway sends it. Raises `Refused`."""
    told = place.provider.settings()
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token,
        "subject_token_type": TYPE + "access_token",
        "requested_token_type": TYPE + "access_token",
        "audience": told.jira_audience,
        "scope": scope,
        **changes,
    }
    return await post_form(told.token_endpoint, form, auth=(told.client_id, told.client_secret))


async def caller(place: Place, user: str, scope: str = WRITE) -> Caller:
    """A caller whom the gateway would let in."""
    return await known(place, (await place.provider.token(user, scope)).access)


@pytest.mark.parametrize("why", REFUSED)
async def test_each_refusal_has_a_clear_message(place: Place, why: str) -> None:
    """What Keycloak answers is what is written here; the person or the operator learns what to change."""
    row = REFUSED[why]
    place.forget(row.user)
    good = await caller(place, row.user, row.scope)
    asked = row.settings.get("audience", JIRA)
    scope = "jira:read" if row.effect is Effect.READ else "jira:read jira:write"
    async with row.change(keycloak(place)):
        token = (await place.provider.token(row.user, row.scope)).access
        with pytest.raises(Refused) as answer:
            await raw(place, token, scope, audience=asked)
        ours = source(place, **row.settings)
        with pytest.raises(GatewayError) as told:
            await ours.grant(GrantOrder(replace(good, token=Secret(token)), row.effect))
    said = answer.value
    assert (said.status, said.error, said.description) == row.answer
    assert type(told.value) is row.error
    assert row.tells.lower() in (told.value.public + told.value.private).lower()
    assert token not in told.value.private
    assert (OPERATOR in told.value.public) is (row.error is Unavailable)


@pytest.mark.parametrize("how", ["expired or forged", "signed out", "switched off"])
async def test_a_token_that_is_dead_at_keycloak_is_dead_here(place: Place, how: str) -> None:
    """One answer for all of these; the assistant is sent to sign in again, with 401."""
    tokens = await place.provider.token("hana")
    person, token = await known(place, tokens.access), tokens.access
    if how == "expired or forged":
        token = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    elif how == "signed out":
        await place.provider.sign_out("hana")
    else:
        await place.provider.disable("hana")
    try:
        place.forget("hana")
        with pytest.raises(Refused) as answer:
            await raw(place, token, "jira:read")
        with pytest.raises(Unauthenticated):
            await place.exchange.grant(GrantOrder(replace(person, token=Secret(token)), Effect.READ))
        said = (answer.value.status, answer.value.error, answer.value.description)
        assert said == (400, "invalid_request", "Invalid token")
    finally:
        await place.provider.enable("hana")


async def test_only_an_access_token_is_given_for_an_access_token(place: Place) -> None:
    """Other types are refused in words of Keycloak's own; the gateway never asks for them."""
    tokens = await place.provider.token("ana")
    told = []
    for changes in (
        {"requested_token_type": TYPE + "refresh_token"},
        {"requested_token_type": TYPE + "saml2"},
        {"subject_token_type": TYPE + "id_token", "subject_token": tokens.id},
    ):
        with pytest.raises(Refused) as answer:
            await raw(place, tokens.access, "jira:read", **changes)
        told.append((answer.value.status, answer.value.error, answer.value.description))
    assert told == [
        (400, "invalid_request", "requested_token_type unsupported"),
        (400, "invalid_request", "requested_token_type unsupported"),
        (400, "invalid_request", "Parameter 'subject_token' supports access tokens only"),
    ]


async def test_a_token_bound_to_a_key_is_refused_by_both(place: Place) -> None:
    """DPoP (RFC 9449): Keycloak exchanges it for nobody else, and the gateway never takes it as a bearer."""
    metadata = place.provider.metadata
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.get_algorithm_by_name("ES256").to_jwk(key.public_key(), as_dict=True)
    public = {name: jwk[name] for name in ("kty", "crv", "x", "y")}
    proof = jwt.encode(
        {"jti": "one", "htm": "POST", "htu": metadata["token_endpoint"], "iat": int(clock.wall())},
        key,
        algorithm="ES256",
        headers={"typ": "dpop+jwt", "jwk": public},
    )
    binding = client(ASSISTANT, attributes={"dpop.bound.access.tokens": "true"})
    async with binding(keycloak(place)):
        bound = await code_flow(
            keycloak(place).parties.people["ana"],
            metadata,
            client=ASSISTANT,
            scope=READ,
            headers={"DPoP": proof},
        )
    assert "jkt" in unverified(bound.access)["cnf"]
    with pytest.raises(Refused) as answer:
        await raw(place, bound.access, "jira:read")
    assert (answer.value.status, answer.value.error) == (400, "invalid_request")
    assert answer.value.description == (
        "Sender-constrained token exchange rejected as the token was not issued for the requesting client"
    )
    assert (await place.call(bound.access, "jira_whoami")).status == 401


async def test_pitfall_20_without_the_enforcer_an_exchange_gains_scopes(place: Place) -> None:
    """Which is why the realm has it; our own checks stand all the same."""
    reading = await place.provider.token("bo", READ)
    async with without_enforcer(keycloak(place)):
        gained = await raw(place, reading.access, "jira:read jira:write")
        assert set(gained["scope"].split()) == {"jira:read", "jira:write"}
        place.forget("bo")
        write = await place.call(reading.access, "jira_comment", key="OPEN-2", body="x")
        assert write.status == 403
        assert (await place.call(reading.access, "jira_whoami")).result


async def test_scopes_that_keycloak_adds_unasked_are_thrown_away(place: Place) -> None:
    """A default scope on the gateway's client makes every read a writing one: such an answer is not used."""
    provider = keycloak(place)
    added = await _scope_path(provider, GATEWAY, "jira:write", "default")
    person = await caller(place, "bo", WRITE)
    async with without_scope(GATEWAY, "jira:write", "optional")(provider):
        await provider.admin.put(added)
        try:
            place.forget("bo")
            assert "jira:write" in (await raw(place, person.token.reveal(), "jira:read"))["scope"].split()
            with pytest.raises(Unavailable) as told:
                await place.exchange.grant(GrantOrder(person, Effect.READ))
        finally:
            await provider.admin.delete(added)
    assert "scope is more than was asked" in told.value.private


async def test_an_exchanged_token_may_outlive_its_subject_but_is_not_used_longer(place: Place) -> None:
    """Keycloak gives it its client's own life; `outlives` says how much of that is believed."""
    short = client(ASSISTANT, attributes={"access.token.lifespan": "40"})
    async with short(keycloak(place)):
        person = await caller(place, "bo")
    place.forget("bo")
    grant = await place.exchange.grant(GrantOrder(person, Effect.READ))
    assert unverified(grant.secret.reveal())["exp"] > person.expires_at
    assert grant.expires_at == person.expires_at
    place.forget("bo")
    with pytest.raises(Unavailable) as told:
        await source(place, outlives=0.0).grant(GrantOrder(person, Effect.READ))
    assert "exp is beyond" in told.value.private


async def test_the_tokens_that_the_realm_gives(place: Place) -> None:
    """`at+jwt` because the clients ask for it, one audience, no `act`; without that attribute `JWT` is taken too."""
    tokens = await place.provider.token("ana")
    grant = await place.exchange.grant(GrantOrder(await known(place, tokens.access), Effect.READ))
    for token, audience in ((tokens.access, GATEWAY), (grant.secret.reveal(), JIRA)):
        assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
        assert unverified(token)["aud"] == audience
        assert "act" not in unverified(token)
    plain = client(ASSISTANT, attributes={"access.token.header.type.rfc9068": "false"})
    async with plain(keycloak(place)):
        older = await place.provider.token("ana")
    assert jwt.get_unverified_header(older.access)["typ"] == "JWT"
    assert (await place.call(older.access, "jira_whoami")).result
    assert (await place.call(older.id, "jira_whoami")).status == 401
