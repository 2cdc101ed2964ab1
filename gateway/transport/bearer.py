"""The access token of a request (RFC 6750 §2.1): in the Authorization header, nowhere else."""

from urllib.parse import parse_qsl

from gateway import limits
from gateway.model import Bearer
from gateway.transport.asgi import Headers

_UNREADABLE = Bearer("unreadable")
"""Stands for what cannot be a token, so that the line refuses and counts it like any bad token."""


def bearer_of(headers: Headers) -> Bearer | None:
    """The token as presented; None when no Bearer credentials came at all."""
    given = headers.get("authorization")
    if given is None:
        return None
    if "authorization" in headers.repeated:
        return _UNREADABLE
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    if not token or len(token) > limits.TOKEN_BYTES or " " in token or "\t" in token or not token.isascii():
        return _UNREADABLE
    return Bearer(token)


def token_in_query(query: bytes) -> bool:
    """Whether the URL carries a token (RFC 6750 §2.3, which MCP forbids)."""
    if not query:
        return False
    names = {name.lower() for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)}
    return bool(names & {"access_token", "token"})
