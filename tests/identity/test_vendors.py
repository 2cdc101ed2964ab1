"""Each provider's tokens in the shape that its documents show: who must be read from them."""

from typing import Any

import pytest

from gateway.errors import Unauthenticated
from gateway.http import Outward
from gateway.identity.jwks import key_ring
from gateway.identity.profiles import PROFILES
from gateway.identity.tokens import TokenAuthenticator
from gateway.jose import parse
from gateway.model import Bearer
from tests.identity.server import Idp
from tests.identity.shapes import reading, recorded, signed


def guard(idp: Idp, outward: Outward, *kinds: str) -> TokenAuthenticator:
    """An authenticator for these providers, all with the test provider's keys."""
    profiles = [reading(kind, jwks_uri=idp.url("/jwks")) for kind in kinds]
    return TokenAuthenticator(profiles, key_ring(profiles, outward))


@pytest.mark.parametrize("kind", PROFILES)
async def test_a_person(idp: Idp, outward: Outward, kind: str) -> None:
    """Subject, client, scopes, session and groups are read from where this provider puts them."""
    shape = recorded(kind)
    token, bearer = shape["person"], signed(idp, kind)

    caller = await guard(idp, outward, kind).authenticate(Bearer(bearer))

    assert (shape["issuer"], token["subject"], token["client"]) == caller.key
    assert set(token["scopes"]) == caller.scopes
    assert set(shape["groups"]) == caller.claimed_groups
    assert frozenset() == caller.groups
    assert token.get("session", "") == caller.session
    assert parse(bearer).claims["iat"] == caller.issued_at
    assert not caller.service


@pytest.mark.parametrize("kind", PROFILES)
async def test_a_program(idp: Idp, outward: Outward, kind: str) -> None:
    """A token by client credentials is a program's own, and no group of people is read from it."""
    token = recorded(kind)["program"]

    caller = await guard(idp, outward, kind).authenticate(Bearer(signed(idp, kind, "program")))

    assert caller.service
    assert (token["subject"], token["client"]) == (caller.subject, caller.client)
    assert set(token["scopes"]) == caller.scopes
    assert frozenset() == caller.claimed_groups == caller.groups


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("okta", {"sub": "ana@corp.example"}),
        ("okta", {"scp": None}),
        ("entra", {"idtyp": None, "sub": "pairwise"}),
        ("entra", {"idtyp": None, "roles": None}),
        ("entra", {"idtyp": None, "preferred_username": "ana@corp.example"}),
        ("entra", {"idtyp": "user"}),
        ("entra", {"azp": None}),
        ("entra", {"roles": None}),
        ("entra_v1", {"sub": "pairwise"}),
        ("entra_v1", {"upn": "ana@corp.example"}),
        ("auth0", {"scope": None}),
    ],
)
async def test_a_doubtful_program_is_nobody(
    idp: Idp, outward: Outward, kind: str, changes: dict[str, Any]
) -> None:
    """What is not surely a program's and is not a person's either is refused, as an ID token is."""
    gate = guard(idp, outward, kind)
    with pytest.raises(Unauthenticated):
        await gate.authenticate(Bearer(signed(idp, kind, "program", **changes)))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("rfc9068", {"sub": "ana"}),
        ("keycloak", {"preferred_username": "service-account-other"}),
        ("keycloak", {"preferred_username": "ana"}),
        ("keycloak", {"client_id": None}),
        ("keycloak", {"client_id": "other"}),
        ("okta", {"uid": "00u1"}),
        ("entra", {"scp": "jira.read"}),
        ("auth0", {"gty": None}),
        ("auth0", {"sub": "other@clients"}),
        ("ping", {"sub": "ana"}),
    ],
)
async def test_without_a_sure_mark_it_is_a_person(
    idp: Idp, outward: Outward, kind: str, changes: dict[str, Any]
) -> None:
    """One mark that does not hold, and no source for programs serves the caller."""
    caller = await guard(idp, outward, kind).authenticate(Bearer(signed(idp, kind, "program", **changes)))
    assert not caller.service


async def test_a_client_named_none_is_no_mark(idp: Idp, outward: Outward) -> None:
    """A missing client does not stand for its name in a mark."""
    changes: dict[str, Any] = {"azp": None, "client_id": "x", "sub": "None@clients"}
    caller = await guard(idp, outward, "auth0").authenticate(
        Bearer(signed(idp, "auth0", "program", **changes))
    )
    assert not caller.service


async def test_all_of_them_at_once(idp: Idp, outward: Outward) -> None:
    """Each token is read as its own issuer's, whoever else is configured."""
    gate = guard(idp, outward, *PROFILES)
    seen = {(await gate.authenticate(Bearer(signed(idp, kind)))).key[:2] for kind in PROFILES}
    assert len(seen) == len(PROFILES)
