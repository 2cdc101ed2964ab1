"""The gateway's own door outward, with an ear at it: what a provider answered, and when.

The checks run the gateway's own code, whose errors tell an operator what to do; the answer behind an error
is found here.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway import clock
from gateway.credential.endpoint import Answer
from gateway.http import Ask, Outward, Reply


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer."""

    method: str
    url: str
    reply: Reply = field(repr=False)
    at: float
    """Unix seconds by our clock, halfway between question and answer."""

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object in it; empty without one."""
        try:
            found = orjson.loads(self.reply.body)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def answer(self) -> Answer:
        """As a token endpoint's."""
        return Answer(self.reply.status, self.body)


class Overheard(Outward):
    """An `Outward` that remembers the answers in `heard`. For one command only: they may hold tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Heard] = []

    async def send(self, ask: Ask) -> Reply:
        """The reply, as ever. Raises `OutwardError`."""
        asked = clock.wall()
        reply = await super().send(ask)
        self.heard.append(Heard(ask.method, ask.url, reply, (asked + clock.wall()) / 2))
        return reply

    def last_post(self, since: int) -> Heard | None:
        """The last answer to a POST from `heard[since]` on: that of a token endpoint."""
        return next((one for one in reversed(self.heard[since:]) if one.method == "POST"), None)
