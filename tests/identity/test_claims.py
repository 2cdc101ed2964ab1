"""Each provider's tokens, as their documents show them."""

import time
from typing import Any

import pytest

from gateway.errors import ConfigError, Unauthenticated
from gateway.identity.claims import (
    PROFILES,
    IssuerProfile,
    caller_from,
    check_header,
    profile,
    trusted,
    verified_claims,
)
from gateway.model import Bearer, Caller

NOW = time.time()
US = "https://gateway.test/mcp"
COMMON: dict[str, Any] = {"aud": US, "iat": NOW - 5, "exp": NOW + 300}
TENANT = "11111111-2222-3333-4444-555555555555"

ISSUERS = {
    "rfc9068": "https://as.test",
    "keycloak": "https://kc.test/realms/corp",
    "okta": "https://corp.okta.test/oauth2/aus1",
    "entra": f"https://login.microsoftonline.test/{TENANT}/v2.0",
    "auth0": "https://corp.auth0.test/",
}
HEADERS: dict[str, dict[str, Any]] = {
    "rfc9068": {"typ": "at+jwt"},
    "keycloak": {"typ": "JWT"},
    "okta": {},
    "entra": {"typ": "JWT", "x5t": "abc"},
    "auth0": {"typ": "JWT"},
}
TOKENS: dict[str, dict[str, Any]] = {
    "rfc9068": {"sub": "ana", "client_id": "cli", "scope": "jira:read", "jti": "1", "groups": ["staff"]},
    "keycloak": {
        "sub": "f1-ana",
        "typ": "Bearer",
        "azp": "cli",
        "scope": "jira:read",
        "jti": "1",
        "sid": "s",
        "groups": ["staff"],
    },
    "okta": {
        "sub": "ana@corp.test",
        "uid": "00u-ana",
        "cid": "cli",
        "scp": ["jira:read"],
        "jti": "AT.1",
        "ver": 1,
        "groups": ["staff"],
    },
    "entra": {
        "sub": "pairwise",
        "tid": TENANT,
        "oid": "o-ana",
        "azp": "cli",
        "scp": "jira:read",
        "uti": "1",
        "ver": "2.0",
        "groups": ["staff"],
    },
    "auth0": {
        "aud": [US, "https://corp.auth0.test/userinfo"],
        "sub": "auth0|ana",
        "azp": "cli",
        "scope": "jira:read",
        "groups": ["staff"],
    },
}
SUBJECTS = {
    "rfc9068": "ana",
    "keycloak": "f1-ana",
    "okta": "00u-ana",
    "entra": f"{TENANT}:o-ana",
    "auth0": "auth0|ana",
}


def read(kind: str, header: dict[str, Any] | None = None, **changes: Any) -> Caller:
    """The caller of that provider's usual token with changes; None leaves a claim out."""
    one = profile(kind, issuer=ISSUERS[kind], audience=US)
    check_header({"alg": "RS256", "kid": "k", **(HEADERS[kind] if header is None else header)}, one)
    claims = {"iss": one.issuer, **COMMON, **TOKENS[kind], **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return caller_from(verified_claims(kept, one, NOW), one, Bearer("token"))


@pytest.mark.parametrize("kind", PROFILES)
def test_the_usual_token_of_a_provider(kind: str) -> None:
    """Subject, client, scopes and groups are read from where this provider puts them."""
    caller = read(kind)

    assert (ISSUERS[kind], SUBJECTS[kind], "cli") == caller.key
    assert {"jira:read"} == caller.scopes
    assert {"staff"} == caller.groups


@pytest.mark.parametrize(
    ("kind", "header", "changes"),
    [
        ("keycloak", None, {"typ": "ID"}),
        ("keycloak", None, {"typ": "Refresh"}),
        ("keycloak", None, {"typ": None}),
        ("okta", None, {"uid": None, "cid": None, "scp": None, "nonce": "n"}),
        ("okta", None, {"uid": None}),
        ("okta", None, {"scp": "jira:read"}),
        ("okta", {"typ": "JWT"}, {}),
        ("entra", None, {"scp": None, "nonce": None}),
        ("entra", None, {"tid": "99999999-2222-3333-4444-555555555555"}),
        ("entra", None, {"oid": None}),
        ("entra", None, {"oid": "a:b"}),
        ("entra", {}, {}),
        ("entra", None, {"_claim_names": {"groups": "src1"}, "groups": None}),
        ("auth0", None, {"scope": None, "azp": None}),
        ("auth0", None, {"aud": [US, "https://corp.auth0.test/api/v2/"]}),
        ("rfc9068", {"typ": "JWT"}, {}),
        ("rfc9068", None, {"jti": None}),
        ("rfc9068", None, {"iss": "https://as.test/"}),
        ("rfc9068", None, {"iss": None}),
    ],
)
def test_other_tokens_of_the_same_provider(
    kind: str, header: dict[str, Any] | None, changes: dict[str, Any]
) -> None:
    """ID tokens, other tenants, left-out groups and unstable subjects are refused."""
    with pytest.raises(Unauthenticated):
        read(kind, header, **changes)


def test_a_keycloak_role_as_group() -> None:
    """The path of the groups is a setting."""
    one = profile("keycloak", issuer=ISSUERS["keycloak"], audience=US, groups=("realm_access", "roles"))
    claims = {"iss": one.issuer, **COMMON, **TOKENS["keycloak"], "realm_access": {"roles": ["admin"]}}
    caller = caller_from(verified_claims(claims, one, NOW), one, Bearer("token"))
    assert {"admin"} == caller.groups


def test_without_a_groups_path_overage_does_not_matter() -> None:
    """Nobody is refused for groups that no policy reads."""
    one = profile("entra", issuer=ISSUERS["entra"], audience=US, groups=())
    claims = {"iss": one.issuer, **COMMON, **TOKENS["entra"], "_claim_names": {"groups": "src1"}}
    assert frozenset() == caller_from(verified_claims(claims, one, NOW), one, Bearer("token")).groups


def test_towards_another_audience_nothing_stands_beside_it() -> None:
    """What an exchange returns is for Jira alone."""
    one = profile("auth0", issuer=ISSUERS["auth0"], audience=US).towards("https://jira.test")
    assert ("https://jira.test", frozenset()) == (one.audience, one.beside)


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithms": frozenset({"HS256"})},
        {"algorithms": frozenset({"RS256", "none"})},
        {"algorithms": frozenset()},
        {"types": frozenset()},
        {"subject": ()},
        {"client": ()},
        {"audience": ""},
        {"issuer": "http://as.test"},
        {"issuer": ""},
        {"jwks_uri": "http://as.test/keys"},
        {"jwks_uri": "ftp://as.test/keys"},
    ],
)
def test_an_unsafe_profile_is_no_profile(changes: dict[str, Any]) -> None:
    """Shared secrets, no algorithm, any audience, plain http: refused at start."""
    with pytest.raises(ConfigError):
        IssuerProfile(**{"issuer": "https://as.test", "audience": US, **changes})


def test_an_unknown_kind_of_provider_is_named() -> None:
    """With the choice there is."""
    with pytest.raises(ConfigError, match="keycloak"):
        profile("keyclok", issuer="https://as.test", audience=US)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://as.test/k", True),
        ("http://127.0.0.1:9/k", True),
        ("http://localhost:9/k", True),
        ("http://[::1]:9/k", True),
        ("http://as.test/k", False),
        ("http://127.0.0.1.evil.test/k", False),
        ("http://localhost@evil.test/k", False),
        ("https://user@as.test/k", False),
        ("https://as.test/k#f", False),
        ("file:///etc/passwd", False),
        ("//as.test", False),
        ("", False),
    ],
)
def test_which_addresses_may_be_fetched(url: str, good: bool) -> None:
    """https, or http on loopback by its exact names."""
    assert good is trusted(url)
