"""Tokens that nobody may get in with, each with a name and the reason for which it must be refused.

The reason is private: it shows that the test refuses the token for what is wrong with it, and not
for something else that was forgotten.
"""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization

from tests.identity.server import GATEWAY, Idp, b64, jwk, private_key, sign


class Forge:
    """Makes tokens that are right but for one thing. `trap` is an address that nobody may ever call."""

    def __init__(self, idp: Idp, trap: str) -> None:
        self.idp = idp
        self.trap = trap

    def token(
        self, head: dict[str, Any] | None = None, key: Any = None, algorithm: str | None = None, **claims: Any
    ) -> str:
        """Good but for the header members `head` and the `claims`; None leaves one out."""
        header = {"alg": "ES256", "typ": "at+jwt", "kid": "ec", **(head or {})}
        header = {name: value for name, value in header.items() if value is not None}
        return sign(header, self.idp.claims(**claims), self.idp.keys["ec"] if key is None else key, algorithm)

    def raw(self, *, header: bytes | None = None, payload: bytes | None = None) -> str:
        """Good but for the bytes of a part."""
        good = json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": "ec"}).encode()
        return sign(header or good, payload or self.payload(), self.idp.keys["ec"])

    def payload(self, more: str = "") -> bytes:
        """Good claims as JSON text, with `more` members at the end."""
        return json.dumps(self.idp.claims()).encode()[:-1] + more.encode() + b"}"

    def rsa_pem(self) -> bytes:
        """The issuer's public RSA key as it may be found in the open."""
        public = self.idp.keys["rsa"].public_key()
        form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return bytes(public.public_bytes(*form))

    def with_signature(self, signature: bytes) -> str:
        """A good head and body under another signature."""
        return self.token().rpartition(".")[0] + "." + b64(signature)


def _flipped(f: Forge) -> str:
    signed, _, signature = f.token().rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[7] ^= 1
    return f"{signed}.{b64(bytes(raw))}"


def _other_payload(f: Forge) -> str:
    header, _, signature = f.token().split(".")
    return f"{header}.{b64(json.dumps(f.idp.claims(sub='bo')).encode())}.{signature}"


def _der(f: Forge) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    signed = f.token().rpartition(".")[0]
    return f"{signed}.{b64(f.idp.keys['ec'].sign(signed.encode(), ec.ECDSA(hashes.SHA256())))}"


STRANGER = ("P-256", 66)
Hostile = Callable[[Forge], str]

FORM: dict[str, tuple[Hostile, str]] = {
    "empty": (lambda f: "", "three"),
    "one part": (lambda f: "token", "three"),
    "two parts": (lambda f: f.token().rpartition(".")[0], "three"),
    "four parts": (lambda f: f.token() + ".AA", "three"),
    "five parts, as if encrypted": (lambda f: f.token() + ".AA.AA", "three"),
    "letters outside base64url": (lambda f: f.token().replace(".", ".!", 1), "three"),
    "padded": (lambda f: f.token() + "==", "three"),
    "a space in front": (lambda f: " " + f.token(), "three"),
    "a line end behind": (lambda f: f.token() + "\n", "three"),
    "full-width letters": (lambda f: f.token() + "Ａ", "ASCII"),
    "a part of an impossible length": (lambda f: "a." + f.token().partition(".")[2], "base64url"),
    "1 MB": (lambda f: f.token(pad="x" * 1_000_000), "large"),
    "one byte too large": (lambda f: "a" * (16 * 1024 + 1), "large"),
    "header not JSON": (lambda f: f.raw(header=b"alg=ES256"), "header is not strict"),
    "header a list": (lambda f: f.raw(header=b'["ES256"]'), "header is not an object"),
    "payload not JSON": (lambda f: f.raw(payload=b"{'sub': 'ana'}"), "payload is not strict"),
    "payload a list": (lambda f: f.raw(payload=b"[]"), "payload is not an object"),
    "payload a text": (lambda f: f.raw(payload=b'"ana"'), "payload is not an object"),
    "payload not UTF-8": (
        lambda f: f.raw(payload=f.payload()[:-1] + b',"x":"\xff"}'),
        "payload is not strict",
    ),
    "payload in UTF-16": (
        lambda f: f.raw(payload=f.payload().decode().encode("utf-16")),
        "payload is not strict",
    ),
    "header with alg twice": (
        lambda f: f.raw(header=b'{"alg":"none","typ":"at+jwt","kid":"ec","alg":"ES256"}'),
        "header is not strict",
    ),
    "payload with sub twice": (lambda f: f.raw(payload=f.payload(', "sub": "bo"')), "payload is not strict"),
    "payload nested 5,000 deep": (
        lambda f: f.raw(payload=f.payload(', "x": ' + "[" * 5000 + "]" * 5000)),
        "payload is not strict",
    ),
    "a number of 5,000 digits": (
        lambda f: f.raw(payload=f.payload(', "x": ' + "9" * 5000)),
        "payload is not strict",
    ),
    "exp NaN": (lambda f: f.raw(payload=f.payload(', "x": NaN')), "payload is not strict"),
}

ALGORITHM: dict[str, tuple[Hostile, str]] = {
    "alg none, no signature": (lambda f: f.token({"alg": "none"}).rpartition(".")[0] + ".", "three"),
    "alg none, any signature": (lambda f: f.token({"alg": "none"}), "alg"),
    "alg nOnE": (lambda f: f.token({"alg": "nOnE"}), "alg"),
    "HS256 with the public key as secret": (
        lambda f: f.token({"alg": "HS256", "kid": "rsa"}, f.rsa_pem()),
        "alg",
    ),
    "HS256 with the public JWK as secret": (
        lambda f: f.token({"alg": "HS256"}, json.dumps(jwk(f.idp.keys["ec"], "ec")).encode()),
        "alg",
    ),
    "HS256 with no secret": (lambda f: f.token({"alg": "HS256"}, b""), "alg"),
    "alg missing": (lambda f: f.token({"alg": None}), "alg"),
    "alg a list": (lambda f: f.token({"alg": ["ES256"]}), "alg"),
    "alg with a space": (lambda f: f.token({"alg": "ES256 "}), "alg"),
    "alg in small letters": (lambda f: f.token({"alg": "es256"}), "alg"),
    "ES384, which the profile does not allow": (
        lambda f: f.token({"alg": "ES384"}, private_key("P-384")),
        "alg",
    ),
    "PS256 with a key for RS256": (
        lambda f: f.token({"alg": "PS256", "kid": "rsa"}, f.idp.keys["rsa"], "PS256"),
        "not verifiable",
    ),
    "RS256 with the id of an EC key": (
        lambda f: f.token({"alg": "RS256", "kid": "ec"}, f.idp.keys["rsa"]),
        "not verifiable",
    ),
}

HEADER: dict[str, tuple[Hostile, str]] = {
    "jku": (lambda f: f.token({"jku": f.trap + "/jwks"}, private_key(*STRANGER)), "jku"),
    "x5u": (lambda f: f.token({"x5u": f.trap + "/cert"}, private_key(*STRANGER)), "x5u"),
    "jwk": (lambda f: f.token({"jwk": jwk(private_key(*STRANGER), "ec")}, private_key(*STRANGER)), "jwk"),
    "x5c": (lambda f: f.token({"x5c": ["MIIB"]}, private_key(*STRANGER)), "x5c"),
    "jku on a token that is good otherwise": (lambda f: f.token({"jku": f.trap + "/jwks"}), "jku"),
    "crit unknown": (lambda f: f.token({"crit": ["exp"], "exp": 1}), "crit"),
    "crit empty": (lambda f: f.token({"crit": []}), "crit"),
    "b64 false": (lambda f: f.token({"b64": False}), "b64"),
    "zip": (lambda f: f.token({"zip": "DEF"}), "zip"),
    "enc": (lambda f: f.token({"enc": "A128GCM"}), "enc"),
    "cty, a token in a token": (lambda f: f.token({"cty": "JWT"}), "cty"),
    "kid missing": (lambda f: f.token({"kid": None}), "kid"),
    "kid a number": (lambda f: f.token({"kid": 1}), "kid"),
    "kid a list": (lambda f: f.token({"kid": ["ec"]}), "kid"),
    "kid empty": (lambda f: f.token({"kid": ""}), "kid"),
    "kid of 10 KB": (lambda f: f.token({"kid": "k" * 10_000}), "kid"),
    "kid with NUL": (lambda f: f.token({"kid": "ec\0"}), "kid"),
    "kid a path": (lambda f: f.token({"kid": "../../../../dev/null"}), "key that"),
    "kid an address": (lambda f: f.token({"kid": f.trap + "/jwks"}), "key that"),
    "kid SQL": (lambda f: f.token({"kid": "' UNION SELECT 'key' --"}), "key that"),
    "kid of nobody": (lambda f: f.token({"kid": "nobody"}), "key that"),
    "kid of a symmetric key in the set": (lambda f: f.token({"kid": "shared"}), "key that"),
    "typ JWT, as an ID token": (lambda f: f.token({"typ": "JWT"}), "typ"),
    "typ dpop+jwt": (lambda f: f.token({"typ": "dpop+jwt"}), "typ"),
    "typ logout+jwt": (lambda f: f.token({"typ": "logout+jwt"}), "typ"),
    "typ secevent+jwt": (lambda f: f.token({"typ": "secevent+jwt"}), "typ"),
    "typ oauth-id-jag+jwt": (lambda f: f.token({"typ": "oauth-id-jag+jwt"}), "typ"),
    "typ missing": (lambda f: f.token({"typ": None}), "typ"),
    "typ a number": (lambda f: f.token({"typ": 1}), "typ"),
    "typ absent, spelt out": (lambda f: f.token({"typ": "absent"}), "typ"),
}

SIGNATURE: dict[str, tuple[Hostile, str]] = {
    "signed by a stranger": (lambda f: f.token(key=private_key(*STRANGER)), "signature"),
    "one bit flipped": (_flipped, "signature"),
    "the signature of another token": (lambda f: f.with_signature(b"\x11" * 64), "signature"),
    "a signature of zeros": (lambda f: f.with_signature(b"\0" * 64), "signature"),
    "a signature that is too short": (lambda f: f.with_signature(b"\x01"), "signature"),
    "the payload exchanged": (_other_payload, "signature"),
    "the signature in DER": (_der, "signature"),
}


def now() -> int:
    """The moment of the test, not of the collection minutes before it."""
    return int(time.time())


CLAIMS: dict[str, tuple[Hostile, str]] = {
    "iss missing": (lambda f: f.token(iss=None), "iss"),
    "iss another": (lambda f: f.token(iss=f.trap), "iss"),
    "iss a prefix": (lambda f: f.token(iss=f.idp.issuer[:-1]), "iss"),
    "iss with a slash": (lambda f: f.token(iss=f.idp.issuer + "/"), "iss"),
    "iss in capitals": (lambda f: f.token(iss=f.idp.issuer.upper()), "iss"),
    "iss a list": (lambda f: f.token(iss=[f.idp.issuer]), "iss"),
    "aud missing": (lambda f: f.token(aud=None), "aud"),
    "aud another": (lambda f: f.token(aud="https://jira.test"), "aud"),
    "aud a prefix": (lambda f: f.token(aud=GATEWAY[:-1]), "aud"),
    "aud with a slash": (lambda f: f.token(aud=GATEWAY + "/"), "aud"),
    "aud another mount of the same host": (lambda f: f.token(aud=GATEWAY + "/b"), "aud"),
    "aud us and another": (lambda f: f.token(aud=[GATEWAY, "https://other.test"]), "aud"),
    "aud an empty list": (lambda f: f.token(aud=[]), "aud"),
    "aud a list with a number": (lambda f: f.token(aud=[GATEWAY, 1]), "aud"),
    "aud an object": (lambda f: f.token(aud={GATEWAY: True}), "aud"),
    "exp missing": (lambda f: f.token(exp=None), "exp"),
    "exp passed": (lambda f: f.token(iat=now() - 900, exp=now() - 600), "exp"),
    "exp a text": (lambda f: f.token(exp=str(now() + 300)), "exp"),
    "exp true": (lambda f: f.token(exp=True), "exp"),
    "exp null": (lambda f: f.raw(payload=json.dumps({**f.idp.claims(), "exp": None}).encode()), "exp"),
    "exp 1e400": (
        lambda f: f.raw(payload=json.dumps(f.idp.claims(exp=None)).encode()[:-1] + b', "exp": 1e400}'),
        "exp",
    ),
    "exp of 400 digits": (lambda f: f.token(exp=10**400), "exp"),
    "exp a list": (lambda f: f.token(exp=[now() + 300]), "exp"),
    "exp in ten years": (lambda f: f.token(exp=now() + 10 * 365 * 86400), "long"),
    "exp before iat": (lambda f: f.token(iat=now() + 10, exp=now() + 5), "long"),
    "nbf in the future": (lambda f: f.token(nbf=now() + 600), "nbf"),
    "nbf a text": (lambda f: f.token(nbf="0"), "nbf"),
    "nbf false": (lambda f: f.token(nbf=False), "nbf"),
    "iat missing": (lambda f: f.token(iat=None), "iat"),
    "iat in the future": (lambda f: f.token(iat=now() + 600, exp=now() + 900), "iat"),
    "iat true": (lambda f: f.token(iat=True), "iat"),
    "auth_time in the future": (lambda f: f.token(auth_time=now() + 600), "auth_time"),
    "auth_time a text": (lambda f: f.token(auth_time="now"), "auth_time"),
    "sub missing": (lambda f: f.token(sub=None), "sub"),
    "sub empty": (lambda f: f.token(sub=""), "sub"),
    "sub a number": (lambda f: f.token(sub=7), "sub"),
    "sub a list": (lambda f: f.token(sub=["ana"]), "sub"),
    "sub with NUL": (lambda f: f.token(sub="ana\0"), "sub"),
    "sub with a direction mark": (lambda f: f.token(sub="ana\u202e"), "sub"),
    "sub with a lone surrogate": (lambda f: f.token(sub="ana\ud800"), "sub"),
    "sub of 257 characters": (lambda f: f.token(sub="a" * 257), "sub"),
    "client missing": (lambda f: f.token(client_id=None), "client"),
    "client only as azp": (lambda f: f.token(client_id=None, azp="assistant"), "client"),
    "client a number": (lambda f: f.token(client_id=1), "client"),
    "client empty": (lambda f: f.token(client_id=""), "client"),
    "jti missing": (lambda f: f.token(jti=None), "jti"),
    "jti empty": (lambda f: f.token(jti=""), "jti"),
    "jti an object": (lambda f: f.token(jti={"a": 1}), "jti"),
    "cnf with a DPoP key": (
        lambda f: f.token(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        "cnf",
    ),
    "cnf with a certificate": (
        lambda f: f.token(cnf={"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        "cnf",
    ),
    "cnf empty": (lambda f: f.token(cnf={}), "cnf"),
    "nonce, as in ID tokens": (lambda f: f.token(nonce="n"), "nonce"),
    "at_hash, as in ID tokens": (lambda f: f.token(at_hash="h"), "at_hash"),
    "events, as in logout tokens": (lambda f: f.token(events={}), "events"),
    "scope a list": (lambda f: f.token(scope=["jira:read"]), "scope"),
    "scope a number": (lambda f: f.token(scope=1), "scope"),
    "scope with a control character": (lambda f: f.token(scope="jira:read\tjira:write"), "scope"),
    "act a text": (lambda f: f.token(act="robot"), "act"),
    "act without sub": (lambda f: f.token(act={"act": {"sub": "robot"}}), "act"),
    "act.sub a number": (lambda f: f.token(act={"sub": 1}), "act"),
    "groups elsewhere (overage)": (
        lambda f: f.token(_claim_names={"groups": "src1"}, _claim_sources={"src1": {"endpoint": f.trap}}),
        "overage",
    ),
    "hasgroups": (lambda f: f.token(hasgroups=True), "overage"),
    "_claim_names a text": (lambda f: f.token(_claim_names="groups"), "overage"),
}

HOSTILE = {**FORM, **ALGORITHM, **HEADER, **SIGNATURE, **CLAIMS}
