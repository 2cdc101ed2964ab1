"""The envelope in which the tokens of a link lie in the database.

sealed    = nonce (12 bytes) || AES-256-GCM of the packed tokens under the link's data key
bound to  = "jiragw-vault/1", kind, tenant, issuer, subject, upstream, generation; each with its length

So a row that was copied to another person, provider, site or generation does not open, nor does one
in which a bit was changed. The data key itself is wrapped beside it (`kek/`).
"""

import secrets
from dataclasses import dataclass, field

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.credential.vault import LinkKey, TokenSet
from gateway.model import Secret

VERSION = 1
LABEL = "jiragw-vault/1"
NONCE_BYTES = 12


class Broken(Exception):
    """What is sealed was changed, or was sealed for another place."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is sealed. The account is in it, so that nobody can say in SQL that it is another one."""

    account: str
    tokens: TokenSet = field(repr=False)


def context(key: LinkKey) -> dict[str, str]:
    """What the data key of a link is bound to; it outlives the generations."""
    return {
        "purpose": LABEL,
        "tenant": key.tenant,
        "issuer": key.issuer,
        "subject": key.subject,
        "upstream": key.upstream,
    }


def seal(data_key: bytes, key: LinkKey, generation: int, contents: Contents) -> bytes:
    """The contents, for this place only."""
    return encrypted(data_key, _packed(contents), _place(key, generation))


def unseal(data_key: bytes, key: LinkKey, generation: int, sealed: bytes) -> Contents:
    """The contents. Raises `Broken`."""
    return _unpacked(decrypted(data_key, sealed, _place(key, generation)))


def framed(*parts: str) -> bytes:
    """The parts, each behind its length, so that no two lists look alike."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(one).to_bytes(4, "big") + one for one in encoded)


def encrypted(key: bytes, plain: bytes, bound: bytes) -> bytes:
    """A fresh nonce and the AES-256-GCM ciphertext; a key sees far fewer than 2**32 of them."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound)


def decrypted(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    """The reverse. Raises `Broken`."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise Broken("it does not open: it was changed, or sealed for another place") from None


def _place(key: LinkKey, generation: int) -> bytes:
    names = ("tokens", key.tenant, key.issuer, key.subject, key.upstream, str(generation))
    return LABEL.encode() + framed(*names)


def _packed(contents: Contents) -> bytes:
    tokens = contents.tokens
    return orjson.dumps(
        {
            "account": contents.account,
            "access": tokens.access.reveal(),
            "refresh": tokens.refresh.reveal() if tokens.refresh else None,
            "expires_at": tokens.expires_at,
            "scopes": sorted(tokens.scopes),
            "id_token": tokens.id_token.reveal() if tokens.id_token else None,
            "ends_at": tokens.ends_at,
        }
    )


def _unpacked(plain: bytes) -> Contents:
    told = orjson.loads(plain)
    refresh, id_token = told["refresh"], told.get("id_token")
    tokens = TokenSet(
        access=Secret(told["access"]),
        refresh=None if refresh is None else Secret(refresh),
        expires_at=told["expires_at"],
        scopes=frozenset(told["scopes"]),
        id_token=None if id_token is None else Secret(id_token),
        ends_at=told.get("ends_at"),
    )
    return Contents(told["account"], tokens)
