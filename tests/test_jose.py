"""The door to PyJWT: which keys are loaded and which signatures count."""

from typing import Any

import pytest

from gateway.jose import ASYMMETRIC, BadSignature, JoseError, Key, parse, public_key, signed_claims
from tests.identity.server import b64, jwk, private_key, sign

KINDS = {"RS256": "RSA", "PS256": "RSA", "ES256": "P-256", "ES384": "P-384", "EdDSA": "Ed25519"}


def loaded(kind: str, **more: Any) -> Key:
    """The public half of the run's key of that kind."""
    return public_key(jwk(private_key(kind), "k", **more))


@pytest.mark.parametrize(("algorithm", "kind"), KINDS.items())
def test_each_algorithm_verifies(algorithm: str, kind: str) -> None:
    """With a key that does not say which algorithm it is for."""
    token = sign({"alg": algorithm, "kid": "k"}, {"sub": "ana"}, private_key(kind), algorithm)

    assert signed_claims(token, loaded(kind), ASYMMETRIC) == {"sub": "ana"}
    assert {"alg": algorithm, "kid": "k"} == parse(token).header
    assert parse(token).claims == {"sub": "ana"}


@pytest.mark.parametrize(("algorithm", "kind"), KINDS.items())
def test_another_key_does_not(algorithm: str, kind: str) -> None:
    """A key of the same kind is not the key."""
    token = sign({"alg": algorithm, "kid": "k"}, {"sub": "ana"}, private_key(kind, 1), algorithm)
    with pytest.raises(BadSignature):
        signed_claims(token, loaded(kind), ASYMMETRIC)


def test_only_allowed_algorithms_count() -> None:
    """Those of the profile, of the key and of this module, all three."""
    token = sign({"alg": "RS256"}, {}, private_key("RSA"))
    for allowed in (["ES256"], [], ["HS256", "none"]):
        with pytest.raises(JoseError):
            signed_claims(token, loaded("RSA"), allowed)
    with pytest.raises(JoseError):
        signed_claims(token, loaded("RSA", alg="PS256"), ASYMMETRIC)
    assert signed_claims(token, loaded("RSA", alg="RS256"), ["RS256"]) == {}


def test_no_symmetric_algorithm_is_ever_allowed() -> None:
    """Neither in the list nor behind its back."""
    assert not [name for name in ASYMMETRIC if name.startswith("HS") or name == "none"]
    token = sign({"alg": "HS256"}, {}, b"secret")
    with pytest.raises(JoseError):
        signed_claims(token, Key("k", frozenset({"HS256"}), "t", b"secret"), ["HS256"])


@pytest.mark.parametrize(
    "changes",
    [
        {"kid": None},
        {"kid": ""},
        {"kid": 1},
        {"kty": "oct"},
        {"kty": None},
        {"kty": ["EC"]},
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": 1},
        {"alg": "RS256"},
        {"d": "AAAA"},
        {"k": "AAAA"},
        {"crv": "P-384"},
        {"crv": None},
        {"crv": "secp256k1"},
        {"x": "!"},
        {"x": None},
        {"y": "AAAA"},
    ],
    ids=str,
)
def test_a_key_that_is_not_loaded(changes: dict[str, Any]) -> None:
    """Private, symmetric, for another purpose, or not a point on its curve."""
    member = {**jwk(private_key("P-256"), "k"), **changes}
    with pytest.raises(JoseError):
        public_key({name: value for name, value in member.items() if value is not None})


@pytest.mark.parametrize("bits", [512, 1024, 16384])
def test_rsa_keys_have_a_sensible_size(bits: int) -> None:
    """Too small is forgeable, too large is a way to keep us busy."""
    number = (1 << bits) - 1
    member = {"kty": "RSA", "kid": "k", "e": "AQAB", "n": b64(number.to_bytes(bits // 8, "big"))}
    with pytest.raises(JoseError):
        public_key(member)


def test_not_an_object_is_not_a_key() -> None:
    """Whatever stands in a key set."""
    members: list[object] = [None, 1, "k", [], True]
    for member in members:
        with pytest.raises(JoseError):
            public_key(member)


def test_a_replaced_key_is_another_key() -> None:
    """The thumbprint tells them apart under one id; the library's object does not matter."""
    assert loaded("P-256") == loaded("P-256")
    assert loaded("P-256") != public_key(jwk(private_key("P-256", 1), "k"))
    assert loaded("RSA") != loaded("RSA", alg="RS256")


def test_a_thumbprint_is_that_of_the_standard() -> None:
    """The example of RFC 7638 §3.1, in hexadecimal."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM"
        "QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJz"
        "KnqDKgw"
    )
    key = public_key({"kty": "RSA", "kid": "2011-04-29", "alg": "RS256", "n": n, "e": "AQAB"})
    assert b64(bytes.fromhex(key.thumbprint)) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_the_payload_is_read_strictly_after_the_signature_too() -> None:
    """A signed text that is not one object is no set of claims."""
    for payload in (b"[]", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff"):
        token = sign({"alg": "ES256"}, payload, private_key("P-256"))
        with pytest.raises(JoseError):
            signed_claims(token, loaded("P-256"), ASYMMETRIC)
        with pytest.raises(JoseError):
            parse(token)


def test_a_key_says_nothing_of_itself_in_print() -> None:
    """Its object stays out of logs."""
    assert "public" not in repr(loaded("P-256"))
