"""Attacks on sign-in that others fell for, by their numbers in the threat model's list."""

from typing import Any

import pytest

from gateway import clock, limits
from gateway.errors import ConfigError, Unauthenticated, Unavailable
from gateway.http import Outward
from gateway.identity import Authenticator
from gateway.identity.jwks import key_ring
from gateway.identity.profiles import IssuerProfile, profile
from gateway.identity.roles import RoleTable
from gateway.identity.tokens import TokenAuthenticator
from gateway.model import Bearer, Caller
from gateway.settings.identity import RoleRule
from tests.identity.hostile import ALGORITHM, CLAIMS, HEADER, SIGNATURE, Forge
from tests.identity.opaque import GOOD, Asked, guard
from tests.identity.server import GATEWAY, Idp, Loopback, Request, b64, private_key
from tests.identity.server import idp as running
from tests.identity.shapes import reading, recorded, signed

SECOND = f"{GATEWAY}/second"


async def refused(gate: Authenticator, token: str) -> str:
    """The private reason; fails when the token is let in."""
    with pytest.raises(Unauthenticated) as no:
        await gate.authenticate(Bearer(token))
    return no.value.private


def gate_of(outward: Outward, *profiles: IssuerProfile) -> TokenAuthenticator:
    """An authenticator for these."""
    return TokenAuthenticator(profiles, key_ring(profiles, outward))


def leads(issuer: str, **changes: Any) -> IssuerProfile:
    """An issuer whose `jira-admins` lead."""
    table = RoleTable([RoleRule(group="jira-admins", role="leads"), RoleRule(group="staff", role="staff")])
    return profile("rfc9068", issuer=issuer, audience=GATEWAY, roles=table, **changes)


async def test_pitfall_06_algorithm_confusion(gate: TokenAuthenticator, idp: Idp) -> None:
    """None, HMAC with the public key, keys and addresses in the header: refused, and nothing is fetched."""

    async def nobody(request: Request, writer: object) -> None:
        raise AssertionError("somebody called the address in the token")

    async with Loopback(nobody) as trap:
        forge = Forge(idp, trap.url("").rstrip("/"))
        assert await gate.authenticate(Bearer(forge.token()))
        for build, reason in (ALGORITHM | HEADER | SIGNATURE).values():
            assert reason in await refused(gate, build(forge))
        assert trap.connections == 0


@pytest.mark.parametrize(
    ("kind", "header", "changes"),
    [
        ("rfc9068", {"typ": "JWT"}, {"nonce": "n", "at_hash": "h"}),
        ("rfc9068", {"typ": "oauth-id-jag+jwt"}, {}),
        ("rfc9068", {"typ": "logout+jwt"}, {"events": {}}),
        ("rfc9068", {"typ": "dpop+jwt"}, {"htm": "POST", "htu": GATEWAY}),
        ("rfc9068", {"typ": "secevent+jwt"}, {"events": {}}),
        ("rfc9068", {}, {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
        ("keycloak", {}, {"typ": "ID", "at_hash": "h", "scope": None}),
        ("keycloak", {}, {"typ": "Refresh"}),
        ("keycloak", {}, {"typ": "Logout"}),
        ("okta", {}, {"uid": None, "cid": None, "scp": None, "nonce": "n", "amr": ["pwd"]}),
        ("entra", {}, {"scp": None, "azp": None, "azpacr": None, "nonce": "n"}),
        ("entra", {}, {"scp": None}),
        ("entra_v1", {}, {"scp": None, "appid": None, "appidacr": None}),
        ("auth0", {}, {"scope": None, "azp": None, "nonce": "n", "sid": "s"}),
        ("ping", {}, {"scope": None, "client_id": None, "at_hash": "h"}),
    ],
)
async def test_pitfall_07_another_kind_of_token(
    idp: Idp, outward: Outward, kind: str, header: dict[str, str], changes: dict[str, Any]
) -> None:
    """ID tokens, assertions, logout tokens, proofs and events of each provider are no access tokens."""
    gate = gate_of(outward, reading(kind, jwks_uri=idp.url("/jwks")))
    assert await gate.authenticate(Bearer(signed(idp, kind)))
    await refused(gate, signed(idp, kind, header=header, **changes))


async def test_pitfall_08_a_bound_token_as_a_bearer(
    gate: TokenAuthenticator, idp: Idp, outward: Outward
) -> None:
    """A token that is bound to a key is refused, signed or asked about."""
    for bound in ({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, {"x5t#S256": "bwcK0esc3ACC"}, {}):
        assert "cnf" in await refused(gate, idp.mint(cnf=bound))
    async with Asked() as asked:
        asked.tokens[GOOD] = {"cnf": {"jkt": "x"}}
        assert "cnf" in await refused(guard(outward, asked), GOOD)
        asked.tokens["dpop"] = {"token_type": "DPoP"}
        assert "token_type" in await refused(guard(outward, asked), "dpop")


async def test_pitfall_09_a_flood_of_key_ids(gate: TokenAuthenticator, idp: Idp) -> None:
    """Ten thousand unknown keys are one fetch in a cooldown, and good tokens go on."""
    await gate.authenticate(Bearer(idp.mint()))
    signed_part = idp.mint().partition(".")[2]
    for number in range(10_000):
        header = b64(f'{{"alg":"ES256","typ":"at+jwt","kid":"unknown-{number}"}}'.encode())
        assert "key that" in await refused(gate, f"{header}.{signed_part}")
        if number % 1000 == 0:
            assert await gate.authenticate(Bearer(idp.mint(jti=str(number))))
    assert idp.fetches == 2


async def test_pitfall_10_keys_that_rotate_vanish_or_lie(gate: TokenAuthenticator, idp: Idp) -> None:
    """A new key works at once, a withdrawn one dies in minutes, an outage closes after an hour."""
    old = Bearer(idp.mint())
    await gate.authenticate(old)
    idp.keys["new"] = private_key("P-256", 1)
    assert await gate.authenticate(Bearer(idp.mint("new")))

    del idp.keys["ec"]
    with clock.shifted(mono=limits.JWKS_TTL_SECONDS + 1):
        assert "key that" in await refused(gate, old)
    idp.faults.status = 500
    with clock.shifted(mono=2 * limits.JWKS_TTL_SECONDS + 2):
        assert await gate.authenticate(Bearer(idp.mint("new", jti="2")))
    with (
        clock.shifted(mono=limits.JWKS_TTL_SECONDS + limits.JWKS_STALE_SECONDS + 2),
        pytest.raises(Unavailable),
    ):
        await gate.authenticate(Bearer(idp.mint("new", jti="3")))


async def test_pitfall_17_the_same_subject_at_two_issuers(outward: Outward) -> None:
    """Two people, whatever e-mail the second issuer claims and whatever its groups are called."""
    async with running() as ours, running() as theirs:
        theirs.keys = {"theirs": private_key("P-256", 7)}
        gate = gate_of(
            outward, leads(ours.issuer), profile("rfc9068", issuer=theirs.issuer, audience=GATEWAY)
        )
        victim: dict[str, Any] = {"sub": "ana", "email": "ana@corp.example", "groups": ["jira-admins"]}

        ana = await gate.authenticate(Bearer(ours.mint(**victim, email_verified=True)))
        other = await gate.authenticate(Bearer(theirs.mint("theirs", **victim, email_verified=False)))
        claimed = await gate.authenticate(Bearer(theirs.mint("theirs", **victim, email_verified="true")))

        assert ana.email == "ana@corp.example" and {"leads"} == ana.groups
        for caller in (other, claimed):
            assert ana.key != caller.key and (ana.issuer, ana.subject) != (caller.issuer, caller.subject)
            assert caller.email is None and caller.groups == frozenset()
        assert "key that" in await refused(gate, theirs.mint("theirs", iss=ours.issuer))


@pytest.mark.parametrize("kind", ["entra", "entra_v1"])
async def test_pitfall_18_another_tenant_with_microsofts_signature(
    idp: Idp, outward: Outward, kind: str
) -> None:
    """The keys are the same for all tenants: the tenant's id decides, and nobody can configure all tenants."""
    gate = gate_of(outward, reading(kind, jwks_uri=idp.url("/jwks")))
    evil = "66666666-2222-3333-4444-555555555555"
    assert await gate.authenticate(Bearer(signed(idp, kind)))

    assert "tid" in await refused(gate, signed(idp, kind, tid=evil))
    assert "tid" in await refused(gate, signed(idp, kind, "program", tid=evil))
    issuer = recorded(kind)["issuer"].replace("11111111-2222-3333-4444-555555555555", evil)
    assert "iss" in await refused(gate, signed(idp, kind, iss=issuer, tid=evil))
    for everybody in ("common", "organizations", "consumers"):
        with pytest.raises(ConfigError):
            reading_of(kind, recorded(kind)["issuer"].replace(_tenant(kind), everybody))


def _tenant(kind: str) -> str:
    return str(recorded(kind)["person"]["claims"]["tid"])


def reading_of(kind: str, issuer: str) -> IssuerProfile:
    """The profile of that issuer."""
    return profile(kind, issuer=issuer, audience=GATEWAY)


async def test_pitfall_19_groups_left_out_or_smuggled_in(outward: Outward) -> None:
    """Overage is refused; a name is one group, whatever stands in it; an unmapped issuer gives no role."""
    async with running() as ours, running() as theirs:
        theirs.keys = {"theirs": private_key("P-256", 7)}
        unmapped = profile("rfc9068", issuer=theirs.issuer, audience=GATEWAY)
        gate = gate_of(outward, leads(ours.issuer), unmapped)

        async def roles(*groups: str, by: Idp = ours, kid: str = "ec") -> frozenset[str]:
            caller: Caller = await gate.authenticate(Bearer(by.mint(kid, groups=list(groups))))
            assert set(groups) == caller.claimed_groups
            return caller.groups

        for overage in ({"_claim_names": {"groups": "src1"}}, {"hasgroups": True}):
            assert "overage" in await refused(gate, ours.mint(groups=["staff"], **overage))
        assert {"leads", "staff"} == await roles("jira-admins", "staff")
        for name in (
            "jira-admins,staff",
            "jira-admins staff",
            " jira-admins",
            "jira-admins ",
            "x,jira-admins",
        ):
            assert frozenset() == await roles(name)
        assert frozenset() == await roles("jira-admins", "leads", by=theirs, kid="theirs")
        text = await gate.authenticate(Bearer(ours.mint(groups="jira-admins,staff")))
        assert frozenset() == text.groups == text.claimed_groups


async def test_pitfall_28_a_token_of_one_mount_at_another(idp: Idp, outward: Outward) -> None:
    """Each address is an audience of its own, though the mounts share their keys, also for opaque tokens."""
    mounts = {place: profile("rfc9068", issuer=idp.issuer, audience=place) for place in (GATEWAY, SECOND)}
    keys = key_ring(mounts.values(), outward)
    gates = {place: TokenAuthenticator([one], keys) for place, one in mounts.items()}
    for place, other in ((GATEWAY, SECOND), (SECOND, GATEWAY)):
        token = idp.mint(aud=place)
        assert await gates[place].authenticate(Bearer(token))
        assert "aud" in await refused(gates[other], token)
        assert "aud" in await refused(gates[place], idp.mint(aud=[GATEWAY, SECOND]))
    async with Asked() as asked:
        asked.tokens[GOOD] = {"aud": SECOND}
        assert "aud" in await refused(guard(outward, asked), GOOD)


@pytest.mark.parametrize(
    ("claim", "at", "good"),
    [
        ("exp", -29.5, True),
        ("exp", -30, False),
        ("exp", -31, False),
        ("nbf", 30, True),
        ("nbf", 31, False),
        ("iat", 30, True),
        ("iat", 31, False),
        ("exp", "300", False),
        ("exp", 300.5, True),
        ("exp", True, False),
        ("nbf", "0", False),
        ("nbf", False, False),
        ("iat", True, False),
    ],
)
async def test_pitfall_30_clocks_and_times_that_are_none(
    gate: TokenAuthenticator,
    idp: Idp,
    outward: Outward,
    monkeypatch: pytest.MonkeyPatch,
    claim: str,
    at: Any,
    good: bool,
) -> None:
    """Thirty seconds of skew, no more; a time is a number; for signed and for opaque tokens alike."""
    now = float(int(clock.wall()))
    monkeypatch.setattr(clock, "wall", lambda: now)
    value = now + at if type(at) in (int, float) else at
    times: dict[str, Any] = {"iat": now - 100, "exp": now + 400, claim: value}
    async with Asked() as asked:
        asked.tokens[GOOD] = times
        for one, token in ((gate, idp.mint(**times)), (guard(outward, asked), GOOD)):
            if good:
                assert await one.authenticate(Bearer(token))
            else:
                assert claim in await refused(one, token)


@pytest.mark.parametrize(
    "name", [name for name in CLAIMS if name.startswith(("exp", "nbf", "iat", "auth_time"))]
)
async def test_pitfall_30_times_beyond_sense(gate: TokenAuthenticator, idp: Idp, name: str) -> None:
    """1e400, four hundred digits, lists, texts, truth values, ten years."""
    build, reason = CLAIMS[name]
    assert reason in await refused(gate, build(Forge(idp, "http://127.0.0.1:9")))
