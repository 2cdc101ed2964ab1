"""Signing keys: one that signs, older ones that are still published, and verification with those."""

import secrets
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class BadToken(Exception):
    """The token is not one that these keys signed for this purpose and time."""


class SigningKey:
    """A private key with its algorithm (`ES256` or `RS256`) and `kid`."""

    def __init__(self, alg: str = "ES256") -> None:
        self.alg = alg
        self.kid = secrets.token_hex(6)
        self.private: PrivateKey
        if alg == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        elif alg == "RS256":
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        else:
            raise ValueError(f"The sandbox signs with ES256 or RS256, not {alg}.")
        self.public = self.private.public_key()

    def sign(self, claims: Mapping[str, Any], headers: Mapping[str, Any]) -> str:
        """`claims` as a compact JWS. A header whose value is None is left out."""
        return jwt.encode(
            dict(claims), self.private, algorithm=self.alg, headers={"kid": self.kid, **headers}
        )

    def jwk(self) -> dict[str, Any]:
        """The public half (RFC 7517)."""
        public = jwt.get_algorithm_by_name(self.alg).to_jwk(self.public, as_dict=True)
        public.pop("key_ops", None)
        return {**public, "kid": self.kid, "alg": self.alg, "use": "sig"}


class KeyRing:
    """The keys of one provider. The first signs; all are published."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys) or [SigningKey()]

    @property
    def current(self) -> SigningKey:
        return self.keys[0]

    def rotate(self, alg: str = "ES256") -> SigningKey:
        """Sign with a new key from now on; the older ones stay published."""
        self.keys.insert(0, SigningKey(alg))
        return self.current

    def withdraw_old(self) -> None:
        """Publish the current key only: tokens of the older ones stop being good."""
        del self.keys[1:]

    def jwks(self) -> dict[str, Any]:
        """The JWK set."""
        return {"keys": [key.jwk() for key in self.keys]}

    def verify(self, token: str, *, issuer: str, audience: str, now: float) -> dict[str, Any]:
        """The claims of our access token (RFC 9068 §4) for `audience`, valid at `now`. Raises `BadToken`."""
        try:
            header = jwt.get_unverified_header(token)
            key = next((key for key in self.keys if key.kid == header.get("kid")), None)
            if key is None or str(header.get("typ", "")).lower() not in {"at+jwt", "application/at+jwt"}:
                raise BadToken("its key or type is not ours")
            claims = jwt.decode(
                token,
                key.public,
                algorithms=[key.alg],
                issuer=issuer,
                audience=audience,
                options={
                    "require": ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"],
                    "verify_exp": False,  # by `now` below: PyJWT reads a clock that tests cannot move
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError) as bad:
            raise BadToken(type(bad).__name__) from bad
        if not isinstance(claims["exp"], int) or claims["exp"] <= now:
            raise BadToken("it has expired")
        return claims
