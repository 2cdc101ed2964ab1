"""Who gets in, and who never does."""

import hashlib
import json
import time
from typing import Any

import pytest

from gateway import clock
from gateway.errors import ConfigError, Unauthenticated
from gateway.http import Outward
from gateway.identity import Authenticator
from gateway.identity.jwks import key_ring
from gateway.identity.profiles import IssuerProfile, profile
from gateway.identity.tokens import TokenAuthenticator
from gateway.model import Bearer
from tests.identity.hostile import HOSTILE, Forge
from tests.identity.server import GATEWAY, Idp, Loopback, Request, jwk, sign
from tests.identity.server import idp as running

PUBLIC = str(Unauthenticated())


async def refused(gate: Authenticator, token: str) -> str:
    """The private reason; fails when the token is let in or answered in another way."""
    with pytest.raises(Unauthenticated) as caught:
        await gate.authenticate(Bearer(token))
    assert type(caught.value) is Unauthenticated
    assert caught.value.presented
    assert PUBLIC == str(caught.value) == caught.value.public
    assert caught.value.rules == ()
    return caught.value.private


async def test_a_good_token_names_its_caller(gate: TokenAuthenticator, idp: Idp) -> None:
    """Every field of the caller comes from the verified claims."""
    token = idp.mint(
        groups=["staff", "hr, or not"],
        act={"sub": "robot", "act": {"sub": "earlier"}},
        email="ana@corp.test",
        email_verified=True,
        acr="urn:corp:mfa",
        amr=["pwd", "otp"],
        auth_time=1_700_000_000,
    )

    caller = await gate.authenticate(Bearer(token))

    assert (idp.issuer, "ana", "assistant") == caller.key
    assert {"jira:read", "jira:write"} == caller.scopes
    assert {"staff", "hr, or not"} == caller.claimed_groups
    assert (caller.token_id, caller.actor, caller.assurance) == ("t-1", "robot", "asserted")
    assert (caller.email, caller.acr) == ("ana@corp.test", "urn:corp:mfa")
    assert {"pwd", "otp"} == caller.amr
    assert caller.auth_time == 1_700_000_000
    assert token == caller.token.reveal()
    assert token not in repr(caller)


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_token_is_refused_like_any_other(
    gate: TokenAuthenticator, idp: Idp, name: str
) -> None:
    """Same type, same public text, for its own private reason, and nothing in it is ever fetched."""
    shared = {"kty": "oct", "kid": "shared", "k": "c2hhcmVk"}

    async def nobody(request: Request, writer: object) -> None:
        raise AssertionError("somebody called the address in the token")

    async with Loopback(nobody) as trap:
        forge = Forge(idp, trap.url("").rstrip("/"))
        await gate.authenticate(Bearer(forge.token()))
        idp.published = [*json.loads(json.dumps(_published(idp))), shared]
        build, reason = HOSTILE[name]

        assert reason in await refused(gate, build(forge))

        assert trap.connections == 0
        assert {"/jwks", "/.well-known/openid-configuration"} >= {r.path for r in idp.requests}
        assert idp.fetches <= 2


def _published(idp: Idp) -> list[dict[str, object]]:
    return [jwk(key, kid) for kid, key in idp.keys.items()]


def test_the_corpus_is_as_large_as_promised() -> None:
    """At least 60 hostile tokens."""
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("kid", ["ec", "rsa"])
@pytest.mark.parametrize("audience", [GATEWAY, [GATEWAY], [GATEWAY, GATEWAY]])
async def test_our_audience_alone_is_fine(
    gate: TokenAuthenticator, idp: Idp, kid: str, audience: object
) -> None:
    """As a text or as a list that names nobody else (RFC 7519 §4.1.3)."""
    assert (await gate.authenticate(Bearer(idp.mint(kid, aud=audience)))).subject == "ana"


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
async def test_a_media_type_is_compared_as_one(gate: TokenAuthenticator, idp: Idp, typ: str) -> None:
    """Without regard to case, with or without `application/` (RFC 7515 §4.1.9)."""
    assert await gate.authenticate(Bearer(idp.mint(header={"typ": typ})))


@pytest.mark.parametrize(
    ("claim", "at", "good"),
    [
        ("exp", -29, True),
        ("exp", -31, False),
        ("nbf", 29, True),
        ("nbf", 31, False),
        ("iat", 29, True),
        ("iat", 31, False),
    ],
)
async def test_the_leeway_is_thirty_seconds(
    gate: TokenAuthenticator, idp: Idp, claim: str, at: int, good: bool
) -> None:
    """±29 s of skew are forgiven and ±31 s are not, fresh and remembered alike."""
    now = clock.wall()
    claims: dict[str, Any] = {"iat": now - 100, "exp": now + 100, claim: now + at}
    token = Bearer(idp.mint(**claims))

    if good:
        assert await gate.authenticate(token)
        assert await gate.authenticate(token)
    else:
        assert claim in await refused(gate, token)


async def test_times_may_have_fractions(gate: TokenAuthenticator, idp: Idp) -> None:
    """NumericDate allows them (RFC 7519 §2)."""
    assert await gate.authenticate(Bearer(idp.mint(exp=time.time() + 60.5, iat=time.time() - 0.5)))


async def test_a_remembered_token_ends_on_time(gate: TokenAuthenticator, idp: Idp) -> None:
    """The cache checks the end at each use."""
    token = Bearer(idp.mint())
    await gate.authenticate(token)

    with clock.shifted(wall=329):
        assert await gate.authenticate(token)
    with clock.shifted(wall=331):
        await refused(gate, token)


async def test_a_remembered_token_is_not_verified_again(
    gate: TokenAuthenticator, idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time costs a digest and two look-ups."""
    token = Bearer(idp.mint())
    first = await gate.authenticate(token)
    monkeypatch.setattr("gateway.identity.tokens.parse", lambda _: pytest.fail("verified again"))

    assert first is await gate.authenticate(token)


async def test_only_the_very_token_is_remembered(gate: TokenAuthenticator, idp: Idp) -> None:
    """Claims and signature of two good tokens do not combine."""
    ana, bo = idp.mint(), idp.mint(sub="bo")
    await gate.authenticate(Bearer(ana))
    await gate.authenticate(Bearer(bo))

    mixed = ".".join([*ana.split(".")[:2], bo.split(".")[2]])

    assert "signature" in await refused(gate, mixed)


async def test_a_refused_token_is_not_remembered_as_good(gate: TokenAuthenticator, idp: Idp) -> None:
    """Refused once, refused again."""
    token = idp.mint(aud="https://other.test")
    assert [await refused(gate, token) for _ in range(3)] == ["aud is somebody else"] * 3


async def test_the_cache_is_bounded(idp: Idp, outward: Outward) -> None:
    """It keeps as many tokens as it was told."""
    profiles = [profile("rfc9068", issuer=idp.issuer, audience=GATEWAY)]
    gate = TokenAuthenticator(profiles, key_ring(profiles, outward), cached=3)
    for number in range(10):
        await gate.authenticate(Bearer(idp.mint(jti=str(number))))

    assert len(gate._verified) == 3


async def test_the_cache_holds_digests_not_tokens(gate: TokenAuthenticator, idp: Idp) -> None:
    """A token is found by its SHA-256."""
    token = idp.mint()
    await gate.authenticate(Bearer(token))

    assert gate._verified.get(hashlib.sha256(token.encode()).digest()) is not None


async def test_the_same_subject_of_two_issuers_is_two_people(idp: Idp, outward: Outward) -> None:
    """The identity key is (issuer, subject), and each issuer signs for itself only."""
    async with running() as other:
        profiles = [profile("rfc9068", issuer=one.issuer, audience=GATEWAY) for one in (idp, other)]
        gate = TokenAuthenticator(profiles, key_ring(profiles, outward))
        other.keys = {"theirs": other.keys["ec"]}

        here = await gate.authenticate(Bearer(idp.mint()))
        there = await gate.authenticate(Bearer(other.mint("theirs")))

        assert here.key != there.key
        assert "key that" in await refused(gate, other.mint("theirs", iss=idp.issuer))


async def test_an_unverified_email_is_not_told(gate: TokenAuthenticator, idp: Idp) -> None:
    """Only an address that the issuer calls verified is one."""
    for verified in (None, False, "true", 1):
        token = idp.mint(email="ana@corp.test", email_verified=verified)
        assert (await gate.authenticate(Bearer(token))).email is None


@pytest.mark.parametrize(
    "groups", ["jira-admins", "a,b", {"a": 1}, [1], ["ok", 1], ["x\u202e"], [["a"]], None]
)
async def test_groups_of_unknown_form_are_no_groups(
    gate: TokenAuthenticator, idp: Idp, groups: object
) -> None:
    """A role is never guessed."""
    assert frozenset() == (await gate.authenticate(Bearer(idp.mint(groups=groups)))).claimed_groups


async def test_a_client_with_a_key_is_attested(idp: Idp, outward: Outward) -> None:
    """Of a public client the name is only a claim."""
    profiles = [
        profile("rfc9068", issuer=idp.issuer, audience=GATEWAY, attested_clients=frozenset({"server"}))
    ]
    gate = TokenAuthenticator(profiles, key_ring(profiles, outward))

    assert (await gate.authenticate(Bearer(idp.mint(client_id="server")))).assurance == "attested"
    assert (await gate.authenticate(Bearer(idp.mint()))).assurance == "asserted"


def test_no_issuer_or_one_twice_is_refused(idp: Idp, outward: Outward) -> None:
    """An empty guard is no guard, and two profiles of one issuer would be a choice for the token."""
    one = IssuerProfile(issuer="https://a.test", audience=GATEWAY)
    for profiles in ([], [one, one]):
        with pytest.raises(ConfigError):
            TokenAuthenticator(profiles, key_ring(profiles, outward))


async def test_a_bare_signature_is_not_enough(gate: TokenAuthenticator, idp: Idp) -> None:
    """An object that the issuer signed for another purpose has none of the claims."""
    token = sign({"alg": "ES256", "typ": "at+jwt", "kid": "ec"}, {"iss": idp.issuer}, idp.keys["ec"])
    assert "aud" in await refused(gate, token)
