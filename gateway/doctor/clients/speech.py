"""What an assistant says and hears: JSON, forms, and the first word of a challenge."""

import re
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urlencode

import orjson

from gateway.doctor import Line, wrong
from gateway.http import Ask, Outward, OutwardError, Reply

_TAG = re.compile(r"<[^>]*>")
_PARAMETER = re.compile(r'([a-z_]+)="([^"]*)"')


class Stopped(Exception):
    """The assistant would stop here: `line` says why."""

    def __init__(self, line: Line) -> None:
        super().__init__(line.what)
        self.line = line


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, JSON object (empty without one) and the reply itself."""

    status: int
    body: dict[str, Any]
    reply: Reply

    @property
    def said(self) -> str:
        """For people: the status, and the error of an OAuth endpoint or what its page says to developers."""
        error = " ".join(str(self.body[name]) for name in ("error", "error_description") if name in self.body)
        page = self.reply.body.decode("utf-8", "replace").partition('id="developer"')[2]
        text = unescape(" ".join(_TAG.sub(" ", page.partition("</section>")[0]).lstrip(" >").split()))
        return f"status {self.status} {error or text}".strip()

    @property
    def challenge(self) -> dict[str, str]:
        """The parameters of its Bearer challenge (RFC 6750 §3); empty without one."""
        header = self.reply.said("WWW-Authenticate")
        return dict(_PARAMETER.findall(header)) if header.lower().startswith("bearer") else {}


async def say(http: Outward, what: str, ask: Ask) -> Answer:
    """The answer. Raises `Stopped` when there is none."""
    try:
        reply = await http.send(ask)
    except OutwardError as failed:
        raise Stopped(
            wrong(what, failed, "See that the gateway runs and its public_url leads to it.")
        ) from failed
    return Answer(reply.status, _object(reply), reply)


async def get(http: Outward, what: str, url: str) -> Answer:
    """A document."""
    return await say(http, what, Ask("GET", url, {"Accept": "application/json"}))


async def form(
    http: Outward, what: str, url: str, fields: dict[str, str], headers: dict[str, str] | None = None
) -> Answer:
    """A form, as the token endpoint takes it."""
    sent = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        **(headers or {}),
    }
    return await say(http, what, Ask("POST", url, sent, urlencode(fields).encode()))


async def post(
    http: Outward, what: str, url: str, body: Any, headers: dict[str, str] | None = None
) -> Answer:
    """A JSON body."""
    sent = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **(headers or {}),
    }
    return await say(http, what, Ask("POST", url, sent, orjson.dumps(body)))


def _object(reply: Reply) -> dict[str, Any]:
    """Its JSON object, also where it comes as the last event of a stream."""
    text = reply.body
    if reply.said("Content-Type").startswith("text/event-stream"):
        events = [line[5:].strip() for line in text.splitlines() if line.startswith(b"data:")]
        text = events[-1] if events else b""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
