"""Where a provider's endpoints are, by its own metadata (OpenID Connect Discovery §3, RFC 8414), and what its
userinfo says of a person.

What carries our secret or a person's token goes only to the provider's own origin, or to one that the
settings name (`key_origins`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any
from urllib.parse import urlsplit

import orjson

from gateway import clock, limits
from gateway.errors import Unavailable
from gateway.http import Ask, Outward, OutwardError
from gateway.identity.discovery import Unusable, document
from gateway.identity.profiles import trusted
from gateway.model import Secret

_NEEDED = ("authorization", "token")
_BESIDES = ("userinfo", "end_session", "revocation")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What we read of a provider's metadata. A place that it does not have is empty."""

    authorization: str
    token: str
    userinfo: str
    end_session: str
    revocation: str
    """RFC 7009."""
    names_itself: bool
    """Whether it puts `iss` into its answers (RFC 9207 §3)."""


class Endpoints:
    """The endpoints of one provider. `origins` are those besides its own that its metadata may name."""

    def __init__(self, issuer: str, origins: frozenset[str], outward: Outward) -> None:
        self._issuer = issuer
        self._allowed = {_origin(issuer), *origins}
        self._outward = outward
        self._known: Metadata | None = None
        self._asked = -inf

    async def metadata(self) -> Metadata:
        """Fetched once an hour; the last good one serves while the provider does not answer. Raises `Unavailable`."""
        if clock.mono() - self._asked >= limits.METADATA_FRESH_SECONDS:
            place = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                self._known = self._believed(await document(place, self._outward))
                self._asked = clock.mono()
            except Unusable as why:
                if self._known is None:
                    raise unreachable(str(why)) from None
        assert self._known is not None
        return self._known

    async def userinfo(self, access: Secret, subject: str) -> tuple[int, Mapping[str, Any]]:
        """What it says of that person (OpenID Connect Core §5.3.2), and with which status: 0 when it did not
        answer, 404 when there is no such endpoint. What it says of somebody else is nothing."""
        metadata = await self.metadata()
        if not metadata.userinfo:
            return 404, {}
        ask = Ask(
            "GET",
            metadata.userinfo,
            {"Authorization": f"Bearer {access.reveal()}", "Accept": "application/json"},
            seconds=limits.JWKS_FETCH_SECONDS,
            max_bytes=limits.JWKS_BYTES,
        )
        try:
            reply = await self._outward.send(ask)
            found = orjson.loads(reply.body) if reply.status == 200 else {}
        except (OutwardError, orjson.JSONDecodeError):
            return 0, {}
        return reply.status, found if isinstance(found, dict) and found.get("sub") == subject else {}

    def _believed(self, found: Mapping[str, object]) -> Metadata:
        """Discovery §4.3: it is that issuer's; and where our secret goes is at that issuer's own place."""
        if found.get("issuer") != self._issuer:
            raise Unusable(f"the metadata is not of the issuer {self._issuer!r}")
        places = {name: self._place(found.get(f"{name}_endpoint")) for name in (*_NEEDED, *_BESIDES)}
        if not all(places[name] for name in _NEEDED):
            raise Unusable(f"{self._issuer}: no usable authorization or token endpoint in its metadata")
        return Metadata(
            **places, names_itself=found.get("authorization_response_iss_parameter_supported") is True
        )

    def _place(self, url: object) -> str:
        """`url`, when it is at an origin of the settings; else empty."""
        return url if isinstance(url, str) and trusted(url) and _origin(url) in self._allowed else ""


def unreachable(private: str) -> Unavailable:
    """The provider cannot be asked."""
    return Unavailable(
        "Your company's sign-in cannot be reached; try again in a minute.", part="identity", private=private
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
