"""Questions to a provider or its directory that are answered with a JSON object."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

import orjson

from gateway.errors import Unavailable
from gateway.http import Ask, Outward, OutwardError
from gateway.model import Secret


class Proof(Protocol):
    """What one request carries to show who asks."""

    @property
    def form(self) -> Sequence[tuple[str, str]]: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def secret(self) -> Secret | None: ...


class Client(Protocol):
    """The gateway as a client of the provider; there may be two secrets, so that one can be changed."""

    def proofs(self) -> Sequence[Proof]:
        """What to try, in this order; the second only when the provider refuses the first."""

    def accepted(self, proof: Any) -> None:
        """The provider took this one."""

    def state(self) -> tuple[bool, str]:
        """(ready, what there is to say of the secret)."""


async def told(outward: Outward, ask: Ask, what: str) -> tuple[int, dict[str, Any]]:
    """Status and object of the answer, whatever the status; without one, Raises `Unavailable` about `what`."""
    try:
        reply = await outward.send(ask)
    except OutwardError as failed:
        raise silent(what, str(failed)) from None
    try:
        found = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise silent(what, f"status {reply.status}, and no JSON object")
    return reply.status, found


def silent(what: str, why: str) -> Unavailable:
    """The answer when `what` (of the operator's log) cannot be had."""
    return Unavailable(
        "The identity provider cannot be reached; try again in a minute.",
        part="identity",
        private=f"{what}: {why}",
    )


def form(pairs: Sequence[tuple[str, str]]) -> bytes:
    """`application/x-www-form-urlencoded`."""
    return urlencode(pairs).encode("ascii")
