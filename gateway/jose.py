"""The only door to PyJWT: signed tokens (RFC 7515, 7519), public keys (RFC 7517), and our own signatures.

Stricter than the library on purpose: asymmetric algorithms only, no padding, no duplicate names, no
NaN, no private or symmetric keys. It checks form and signature; what the claims mean is
`identity/claims.py`.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidSignatureError, PyJWTError

from gateway import limits

ASYMMETRIC = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Algorithms (RFC 7518 §3.1, RFC 8037) that may ever be allowed: a shared secret is nobody's signature."""

RSA_BITS = range(2048, 8193)
"""bits of an RSA modulus: RFC 7518 §3.3 asks for 2048, and larger than 8192 only costs us time."""

_RSA = frozenset(a for a in ASYMMETRIC if a[:2] in ("RS", "PS"))
_CURVES = {
    ("EC", "P-256"): "ES256",
    ("EC", "P-384"): "ES384",
    ("EC", "P-521"): "ES512",
    ("OKP", "Ed25519"): "EdDSA",
}
_THUMBPRINT = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----\s*", re.DOTALL)
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_jws = PyJWS(algorithms=sorted(ASYMMETRIC))


class JoseError(Exception):
    """The token or key is not of a form that we accept."""


class BadSignature(JoseError):
    """The signature is not by this key."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of an issuer and the algorithms that it may be used with."""

    kid: str
    algorithms: frozenset[str]
    thumbprint: str
    """RFC 7638, so that a replaced key is noticed under an unchanged id."""
    public: Any = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token taken apart. Anybody can write one of these."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def parse(token: str) -> Unverified:
    """The parts of a compact JWS (RFC 7515 §7.1) that holds claims. Raises `JoseError`."""
    parts = _COMPACT.fullmatch(token)
    if parts is None:
        raise JoseError("not three base64url parts")
    return Unverified(
        strict_object(_decoded(parts[1]), "header"), strict_object(_decoded(parts[2]), "payload")
    )


def signed_claims(token: str, key: Key, algorithms: Iterable[str]) -> dict[str, Any]:
    """The claims that `key` signed, with an algorithm of both `algorithms` and the key.

    Raises `BadSignature` or, for any other fault, `JoseError`.
    """
    allowed = sorted(key.algorithms & frozenset(algorithms) & ASYMMETRIC)
    if not allowed:
        raise JoseError("the key is for another algorithm")
    try:
        payload: bytes = _jws.decode_complete(token, key.public, algorithms=allowed)["payload"]
    except InvalidSignatureError:
        raise BadSignature("the signature is wrong") from None
    except (PyJWTError, ValueError, TypeError, NotImplementedError) as wrong:
        raise JoseError(f"not verifiable ({type(wrong).__name__})") from None
    return strict_object(payload, "payload")


def public_key(jwk: Any) -> Key:
    """The verification key in one member of a key set (RFC 7517 §4). Raises `JoseError`."""
    if not isinstance(jwk, Mapping):
        raise JoseError("not a key object")
    kid, kind = jwk.get("kid"), jwk.get("kty")
    if not isinstance(kid, str) or not kid:
        raise JoseError("no key id")
    if _PRIVATE & jwk.keys() or not isinstance(kind, str) or kind not in _THUMBPRINT:
        raise JoseError("not a public key")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise JoseError("not a key for signatures")
    algorithms = (
        _RSA if kind == "RSA" else frozenset(filter(None, [_CURVES.get((kind, str(jwk.get("crv"))))]))
    )
    if "alg" in jwk:
        algorithms &= {jwk["alg"]} if isinstance(jwk["alg"], str) else set()
    if not algorithms:
        raise JoseError("no algorithm that we accept")
    try:
        public = PyJWK(dict(jwk), algorithm=min(algorithms)).key
    except (PyJWTError, ValueError, TypeError) as wrong:
        raise JoseError(f"unusable key ({type(wrong).__name__})") from None
    if kind == "RSA" and public.key_size not in RSA_BITS:
        raise JoseError(f"an RSA key of {public.key_size} bits")
    return Key(kid, algorithms, _thumbprint(kind, jwk), public)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key of ours for ES256. Its id is its RFC 7638 thumbprint."""

    kid: str
    pem: bytes = field(repr=False)
    _private: Any = field(repr=False, compare=False)

    def sign(self, claims: Mapping[str, Any], *, typ: str = "JWT") -> str:
        """`claims` as a compact JWS."""
        payload = json.dumps(dict(claims), separators=(",", ":")).encode()
        return _jws.encode(payload, self._private, algorithm="ES256", headers={"kid": self.kid, "typ": typ})

    def jwk(self) -> dict[str, Any]:
        """The public half, as a member of a key set."""
        return {**_public_jwk(self._private), "kid": self.kid, "alg": "ES256", "use": "sig"}


def signing_keys(pem: bytes) -> tuple[SigningKey, ...]:
    """The EC P-256 keys in `pem`, in their order. Raises ValueError when there is none or another kind."""
    found = []
    for match in _PEM.finditer(pem):
        try:
            private = load_pem_private_key(match[0], password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as wrong:
            raise ValueError("not a PEM private key") from wrong
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
            raise ValueError(f"a {type(private).__name__}; EC keys of the curve P-256 are needed")
        found.append(SigningKey(_thumbprint("EC", _public_jwk(private)), match[0], private))
    if not found:
        raise ValueError("holds no PEM private key")
    return tuple(found)


def new_signing_key() -> SigningKey:
    """A fresh one."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return signing_keys(pem)[0]


def _public_jwk(private: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    found = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {name: found[name] for name in _THUMBPRINT["EC"]}


def _thumbprint(kind: str, jwk: Mapping[str, Any]) -> str:
    members = {name: jwk[name] for name in _THUMBPRINT[kind]}
    return hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).hexdigest()


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise JoseError("not base64url") from None


def strict_object(text: bytes, what: str) -> dict[str, Any]:
    """The JSON object in `text`: UTF-8, no name twice, not nested beyond `limits.JSON_DEPTH`. Raises `JoseError`."""
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise JoseError(f"the {what} is not strict JSON") from None
    if not isinstance(found, dict):
        raise JoseError(f"the {what} is not an object")
    if _deep(found):
        raise JoseError(f"the {what} is nested too deeply")
    return found


def lasting_object(text: bytes, what: str) -> dict[str, Any]:
    """The same, for what is kept: nothing in it that cannot be written again, as half a character or a number
    beyond 64 bits. Raises `JoseError`."""
    found = strict_object(text, what)
    try:
        orjson.dumps(found)
    except TypeError:
        raise JoseError(f"the {what} holds half a character, or a number beyond 64 bits") from None
    return found


def _deep(found: Any) -> bool:
    """Whether JSON nests beyond `limits.JSON_DEPTH`; level by level, so that no depth can exhaust us."""
    level = [found]
    for _ in range(limits.JSON_DEPTH):
        level = [
            below
            for node in level
            for below in (node.values() if isinstance(node, dict) else node)
            if isinstance(below, dict | list)
        ]
    return bool(level)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def rs256(claims: Mapping[str, Any], pem: str, *, kid: str = "") -> str:
    """`claims` signed with an RSA key that a provider gave us (Google's service accounts). Raises ValueError."""
    try:
        private = load_pem_private_key(pem.encode(), password=None)
        payload = json.dumps(dict(claims), separators=(",", ":")).encode()
        headers = {"kid": kid} if kid else None
        # That the key is RSA is found out by signing with it; another kind is a TypeError.
        return _jws.encode(payload, private, algorithm="RS256", headers=headers)  # type: ignore[arg-type]
    except (PyJWTError, TypeError, ValueError) as wrong:
        raise ValueError(f"no RSA private key in PEM ({type(wrong).__name__})") from None
