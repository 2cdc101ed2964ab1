"""Tokens of the providers that are not what they should be, and settings that cannot work."""

import time
from typing import Any

import pytest

from gateway.errors import ConfigError, Unauthenticated
from gateway.identity.claims import caller_from, check_header, verified_claims
from gateway.identity.profiles import IssuerProfile, profile, trusted
from gateway.model import Bearer, Caller
from tests.identity.server import GATEWAY
from tests.identity.shapes import claims, reading, recorded

US = GATEWAY
TENANT = "11111111-2222-3333-4444-555555555555"


def read(kind: str, header: dict[str, Any] | None = None, **changes: Any) -> Caller:
    """The caller of that provider's usual token with changes; None leaves a claim out."""
    one = reading(kind)
    usual = recorded(kind)["person"]["header"]
    check_header({**(usual if header is None else header), "alg": "RS256", "kid": "k"}, one)
    return read_by(one, claims(kind, **changes))


def read_by(one: IssuerProfile, kept: dict[str, Any]) -> Caller:
    """The caller of these claims."""
    return caller_from(verified_claims(kept, one, time.time()), one, Bearer("token"))


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
        ("entra", None, {"ver": "1.0"}),
        ("entra", None, {"azp": None, "appid": "cli"}),
        ("entra_v1", None, {"ver": "2.0"}),
        ("entra_v1", None, {"appid": None, "azp": "cli"}),
        ("entra_v1", None, {"tid": "99999999-2222-3333-4444-555555555555"}),
        ("ping", None, {"scope": None}),
        ("ping", None, {"client_id": None}),
        ("ping", None, {"nonce": "n"}),
        ("entra", None, {"_claim_names": {"groups": "src1"}, "groups": None}),
        ("auth0", None, {"scope": None, "azp": None}),
        ("auth0", None, {"aud": [US, "https://corp.eu.auth0.com/api/v2/"]}),
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


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (("groups",), {"/staff", "/staff/leads"}),
        (("realm_access", "roles"), {"offline_access", "jira-user"}),
        (("resource_access", "mcp-gateway", "roles"), {"reader"}),
        (("resource_access", "other", "roles"), set()),
    ],
)
def test_where_keycloak_has_groups_and_roles(path: tuple[str, ...], names: set[str]) -> None:
    """The path of the groups is a setting; a group of Keycloak keeps its leading slash."""
    assert names == read_by(reading("keycloak", groups=path), claims("keycloak")).claimed_groups


def test_without_a_groups_path_overage_does_not_matter() -> None:
    """Nobody is refused for groups that no policy reads."""
    kept = claims("entra", **recorded("entra_overage")["claims"])
    assert frozenset() == read_by(reading("entra", groups=()), kept).claimed_groups


def test_towards_another_audience_nothing_stands_beside_it() -> None:
    """What an exchange returns is for Jira alone."""
    one = reading("auth0").towards("https://jira.test")
    assert ("https://jira.test", frozenset()) == (one.audience, one.beside)
    assert read_by(
        reading("entra").towards("https://jira.test"),
        claims("entra", aud="https://jira.test", hasgroups=True),
    )


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


@pytest.mark.parametrize(
    ("kind", "issuer", "told"),
    [
        ("google", "https://accounts.google.com", "ID token is read only in the gateway's own sign-in"),
        ("okta_org", "https://corp.okta.com", "custom authorization server"),
        ("okta", "https://corp.okta.com", "custom authorization server"),
        ("entra", "https://login.microsoftonline.com/common/v2.0", "your own tenant"),
        ("entra", "https://login.microsoftonline.com/organizations/v2.0", "your own tenant"),
        ("entra", f"https://sts.windows.net/{TENANT}/", "/v2.0"),
        ("entra", f"https://login.microsoftonline.com/{TENANT}/v2.0/", "/v2.0"),
        ("entra_v1", f"https://login.microsoftonline.com/{TENANT}/v2.0", "sts.windows.net"),
        ("entra_v1", f"https://sts.windows.net/{TENANT}", "sts.windows.net"),
    ],
)
def test_an_issuer_that_cannot_work_says_what_to_do(kind: str, issuer: str, told: str) -> None:
    """Tokens that are not for us, all tenants at once, another version's address: refused at start."""
    with pytest.raises(ConfigError, match=told):
        profile(kind, issuer=issuer, audience=US)


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
