"""Questions to a provider or its directory that are answered with a JSON object."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from gateway.errors import Unavailable
from gateway.http import Ask, Outward, OutwardError


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
