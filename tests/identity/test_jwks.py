"""Keys that change, vanish, lie and cannot be had (F11, F12)."""

import asyncio
import json

import pytest

from gateway import clock, limits
from gateway.errors import Unauthenticated, Unavailable
from gateway.http import Outward
from gateway.identity.jwks import IssuerKeys, key_ring
from gateway.identity.profiles import profile
from gateway.identity.tokens import TokenAuthenticator
from gateway.model import Bearer
from tests.identity.server import GATEWAY, Faults, Idp, Loopback, Request, jwk, private_key, respond, sign

AFTER_TTL = limits.JWKS_TTL_SECONDS + 1
AFTER_STALE = limits.JWKS_STALE_SECONDS + 1
AFTER_COOLDOWN = limits.JWKS_COOLDOWN_SECONDS + 1

TOO_LARGE = json.dumps(
    {"keys": [jwk(private_key("P-256", 5), "other")], "pad": "x" * limits.JWKS_BYTES}
).encode()


@pytest.fixture
def keys(idp: Idp, outward: Outward) -> IssuerKeys:
    """The keys of the test provider."""
    return IssuerKeys(profile("rfc9068", issuer=idp.issuer, audience=GATEWAY), outward)


async def lets_in(gate: TokenAuthenticator, token: str) -> bool:
    """Whether the token is accepted."""
    try:
        await gate.authenticate(Bearer(token))
    except Unauthenticated:
        return False
    return True


async def test_two_hundred_at_once_fetch_once(gate: TokenAuthenticator, idp: Idp) -> None:
    """A cold start under load is one fetch."""
    idp.faults.delay = 0.05
    tokens = [Bearer(idp.mint(jti=str(n))) for n in range(200)]

    callers = await asyncio.gather(*map(gate.authenticate, tokens))

    assert {"ana"} == {caller.subject for caller in callers}
    assert idp.fetches == 1


async def test_a_new_key_works_at_its_first_use(gate: TokenAuthenticator, idp: Idp) -> None:
    """Rotation needs no waiting and one fetch, also when many bring the new key at once."""
    assert await lets_in(gate, idp.mint())
    idp.keys["new"] = private_key("P-256", 1)
    idp.faults.delay = 0.05

    assert all(await asyncio.gather(*(lets_in(gate, idp.mint("new", jti=str(n))) for n in range(50))))
    assert idp.fetches == 2


async def test_a_withdrawn_key_dies_within_the_ttl(gate: TokenAuthenticator, idp: Idp) -> None:
    """Remembered tokens die with the key that signed them."""
    token = idp.mint()
    assert await lets_in(gate, token)
    del idp.keys["ec"]

    assert await lets_in(gate, token)
    with clock.shifted(mono=AFTER_TTL):
        assert not await lets_in(gate, token)


async def test_the_same_id_with_another_key(gate: TokenAuthenticator, idp: Idp) -> None:
    """The new key works at its first use, and from then on the old one is dead, remembered or not."""
    old = idp.mint()
    assert await lets_in(gate, old)
    idp.keys["ec"] = private_key("P-256", 2)

    assert await lets_in(gate, idp.mint(jti="new"))
    assert not await lets_in(gate, old)
    assert idp.fetches == 2


@pytest.mark.parametrize(
    "published",
    [
        [],
        [{"kty": "oct", "kid": "ec", "k": "c2hhcmVk"}],
        [{**jwk(private_key("P-256", 3), "ec"), "d": "AAAA"}],
        [jwk(private_key("P-256", n), "twice") for n in (3, 4)],
        [jwk(private_key("P-256", 3), f"k{n}") for n in range(limits.JWKS_KEYS + 1)],
        {"ec": {}},
        None,
        ["ec", 1, None],
        [{**jwk(private_key("P-256", 3), "ec"), "use": "enc"}],
    ],
    ids=["empty", "symmetric", "private", "ambiguous", "too many", "object", "null", "no objects", "enc"],
)
async def test_a_bad_key_set_replaces_nothing(
    gate: TokenAuthenticator, idp: Idp, published: list[object]
) -> None:
    """The old keys stay, and none of the bad ones is loaded."""
    assert await lets_in(gate, idp.mint())
    idp.published = published if published is not None else [None]

    with clock.shifted(mono=AFTER_TTL):
        assert await lets_in(gate, idp.mint(jti="2"))
        assert idp.fetches == 2


@pytest.mark.parametrize(
    "faults",
    [
        Faults(status=500),
        Faults(body=b"<html>maintenance</html>"),
        Faults(status=302, headers={"Location": "/jwks"}),
        Faults(body=TOO_LARGE),
        Faults(body=b"[]"),
    ],
    ids=["500", "html", "redirect", "too large", "a list"],
)
async def test_an_outage_uses_old_keys_for_an_hour(
    gate: TokenAuthenticator, idp: Idp, faults: Faults
) -> None:
    """Stale, then closed: never open, and never another way in."""
    old = idp.mint()
    assert await lets_in(gate, old)
    idp.faults = faults

    with clock.shifted(mono=AFTER_TTL):
        assert await lets_in(gate, old)
        assert await lets_in(gate, idp.mint(jti="2"))
    with clock.shifted(mono=AFTER_STALE):
        for token in (old, idp.mint(jti="3")):
            with pytest.raises(Unavailable) as caught:
                await gate.authenticate(Bearer(token))
            assert caught.value.part == "identity"


async def test_a_closed_port_and_back(gate: TokenAuthenticator, idp: Idp) -> None:
    """Nobody gets in without keys, and everybody does shortly after the provider is back."""
    await idp.stop()
    with pytest.raises(Unavailable):
        await gate.authenticate(Bearer(idp.mint()))
    await idp.start()

    with pytest.raises(Unavailable):
        await gate.authenticate(Bearer(idp.mint()))
    with clock.shifted(mono=limits.JWKS_RETRY_SECONDS):
        assert await lets_in(gate, idp.mint())


async def test_a_hanging_provider_ends_at_the_deadline(
    gate: TokenAuthenticator, idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody who waits is told together; nobody hangs."""
    monkeypatch.setattr(limits, "JWKS_FETCH_SECONDS", 0.2)
    idp.faults.hang = True

    async with asyncio.timeout(5):
        answers = await asyncio.gather(
            *(gate.authenticate(Bearer(idp.mint(jti=str(n)))) for n in range(20)), return_exceptions=True
        )

    assert {Unavailable} == {type(answer) for answer in answers}


async def test_an_outage_is_not_hammered(gate: TokenAuthenticator, idp: Idp) -> None:
    """With keys in hand the provider is asked again once a cooldown."""
    assert await lets_in(gate, idp.mint())
    idp.faults.status = 503

    with clock.shifted(mono=AFTER_TTL):
        for n in range(50):
            assert await lets_in(gate, idp.mint(jti=str(n)))
    assert idp.fetches == 2


async def test_a_thousand_unknown_kids_are_one_fetch(gate: TokenAuthenticator, idp: Idp) -> None:
    """One fetch a cooldown whatever the flood, and good tokens go on."""
    assert await lets_in(gate, idp.mint())

    for n in range(1000):
        assert not await lets_in(
            gate, sign({"alg": "ES256", "typ": "at+jwt", "kid": f"x{n}"}, idp.claims(), b"")
        )
    assert idp.fetches == 2
    assert await lets_in(gate, idp.mint())

    with clock.shifted(mono=AFTER_COOLDOWN):
        for n in range(1000):
            assert not await lets_in(gate, idp.mint(header={"kid": f"y{n}"}))
    assert idp.fetches == 3


async def test_bad_signatures_do_not_make_us_fetch(gate: TokenAuthenticator, idp: Idp) -> None:
    """A forger with a known key id costs one fetch in two minutes."""
    forged = sign({"alg": "ES256", "typ": "at+jwt", "kid": "ec"}, idp.claims(), private_key("P-256", 9))
    assert await lets_in(gate, idp.mint())

    for step in (0, AFTER_COOLDOWN, 2 * AFTER_COOLDOWN):
        with clock.shifted(mono=step):
            for _ in range(20):
                assert not await lets_in(gate, forged)
    assert idp.fetches == 2


async def test_a_stale_client_does_not_use_up_the_cooldown(gate: TokenAuthenticator, idp: Idp) -> None:
    """Its key id is asked for once, so a real rotation after it is found at once."""
    stale = idp.mint(header={"kid": "gone"})
    assert await lets_in(gate, idp.mint())
    assert not await lets_in(gate, stale)
    idp.keys["new"] = private_key("P-256", 1)

    with clock.shifted(mono=AFTER_COOLDOWN):
        assert not await lets_in(gate, stale)
        assert await lets_in(gate, idp.mint("new"))
    assert idp.fetches == 3


async def test_an_unknown_kid_at_cold_start_is_one_fetch(keys: IssuerKeys, idp: Idp) -> None:
    """Keys that came a moment ago are not fetched again."""
    assert await keys.key("nobody") is None
    assert idp.fetches == 1


async def test_the_negative_cache_is_bounded(keys: IssuerKeys) -> None:
    """Unknown ids are forgotten, oldest first."""
    await keys.key("ec")
    for n in range(limits.JWKS_NEGATIVE_KEPT + 10):
        with clock.shifted(mono=n * AFTER_COOLDOWN):
            keys._flight.start("", _nothing)
            await keys.key(f"x{n}")

    assert len(keys._unknown) <= limits.JWKS_NEGATIVE_KEPT


async def _nothing() -> None:
    await asyncio.sleep(0)


async def test_a_cancelled_waiter_leaves_the_fetch_to_the_others(keys: IssuerKeys, idp: Idp) -> None:
    """Who goes away takes nothing along."""
    idp.faults.delay = 0.1
    first, second = (asyncio.create_task(keys.key("ec")) for _ in range(2))
    await asyncio.sleep(0.02)
    first.cancel()

    assert await second is not None
    assert first.cancelled()
    assert idp.fetches == 1


async def test_a_stepped_wall_clock_changes_nothing(gate: TokenAuthenticator, idp: Idp) -> None:
    """Waiting is measured on the monotonic clock."""
    assert await lets_in(gate, idp.mint())
    with clock.shifted(wall=-3600):
        now = clock.wall()
        assert await lets_in(gate, idp.mint(iat=now, exp=now + 60))
    assert idp.fetches == 1


async def test_keys_that_are_not_ours_to_use_are_passed_over(keys: IssuerKeys, idp: Idp) -> None:
    """Symmetric, private, small, foreign and unsigned-use keys are not loaded; good ones beside them are."""
    good = jwk(private_key("P-256"), "good")
    idp.published = [
        {"kty": "oct", "kid": "oct", "k": "c2hhcmVk"},
        {**good, "kid": "private", "d": "AAAA"},
        {**good, "kid": "hs", "alg": "HS256"},
        {**good, "kid": "curve", "crv": "secp256k1"},
        {**good, "kid": "off", "y": good["x"]},
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": "ops", "key_ops": ["sign"]},
        {"kty": "RSA", "kid": "small", "n": "AQAB", "e": "AQAB"},
        good,
    ]

    loaded = [await keys.key(str(member["kid"])) for member in idp.published]

    assert loaded[:-1] == [None] * 8
    assert loaded[-1] is not None


async def test_state_names_the_trouble_and_heals(keys: IssuerKeys, idp: Idp) -> None:
    """Asking for the state of an issuer without keys makes it try, so a replica recovers without traffic."""
    idp.faults.status = 500
    assert (True, f"{idp.issuer}: 0 keys") == keys.state()
    await asyncio.sleep(0.1)
    ready, line = keys.state()
    assert not ready
    assert "status 500" in line

    idp.faults.status = None
    with clock.shifted(mono=limits.JWKS_RETRY_SECONDS):
        keys.state()
        await asyncio.sleep(0.1)
        assert keys.state()[0]


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"issuer": "https://other.test"}, "its issuer is not"),
        ({"issuer": None}, "its issuer is not"),
        ({"jwks_uri": None}, "no usable jwks_uri"),
        ({"jwks_uri": "file:///etc/passwd"}, "no usable jwks_uri"),
        ({"jwks_uri": "http://169.254.169.254/keys"}, "no usable jwks_uri"),
        ({"jwks_uri": "https://u@127.0.0.1/keys"}, "no usable jwks_uri"),
        ({"jwks_uri": "https://keys.test/keys"}, "not allowed"),
    ],
)
async def test_pitfall_11_metadata_that_is_not_believed(
    gate: TokenAuthenticator, idp: Idp, metadata: dict[str, object], why: str
) -> None:
    """The issuer must name itself, and its keys must be on its own origin (RFC 8414 §3.3)."""
    idp.faults.metadata = metadata
    with pytest.raises(Unavailable) as caught:
        await gate.authenticate(Bearer(idp.mint()))
    assert why in caught.value.private
    assert idp.fetches == 0


async def test_keys_on_an_allowed_origin(idp: Idp, outward: Outward) -> None:
    """The settings may name a second origin for keys, and no other works."""

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        respond(writer, {"keys": [jwk(idp.keys["ec"], "ec")]})

    async with Loopback(serve) as elsewhere:
        idp.faults.metadata = {"jwks_uri": elsewhere.url("/k")}
        allowed = frozenset({elsewhere.url("").rstrip("/")})
        one = profile("rfc9068", issuer=idp.issuer, audience=GATEWAY, key_origins=allowed)
        gate = TokenAuthenticator([one], key_ring([one], outward))

        assert await lets_in(gate, idp.mint())
        assert [r.path for r in elsewhere.requests] == ["/k"]


async def test_rfc_8414_metadata_is_found(outward: Outward) -> None:
    """An authorization server without OpenID Connect, with a path in its issuer (RFC 8414 §3.1)."""
    key = private_key("P-256")

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        documents = {
            "/.well-known/oauth-authorization-server/tenant": {
                "issuer": server.url("/tenant"),
                "jwks_uri": server.url("/tenant/keys"),
            },
            "/tenant/keys": {"keys": [jwk(key, "ec")]},
        }
        found = documents.get(request.path)
        respond(writer, found or {}, 200 if found else 404)

    async with Loopback(serve) as server:
        keys = IssuerKeys(profile("rfc9068", issuer=server.url("/tenant"), audience=GATEWAY), outward)
        assert await keys.key("ec") is not None


async def test_a_configured_address_needs_no_metadata(idp: Idp, outward: Outward) -> None:
    """With `jwks_uri` in the settings nothing else is asked."""
    one = profile("rfc9068", issuer=idp.issuer, audience=GATEWAY, jwks_uri=idp.url("/jwks"))
    assert await IssuerKeys(one, outward).key("ec") is not None
    assert [r.path for r in idp.requests] == ["/jwks"]
