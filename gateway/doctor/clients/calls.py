"""What an assistant does with its token: calls, what it hears when the token is not good, and more scopes."""

import itertools
from collections.abc import Callable
from typing import Any

from gateway.doctor import Line, good, note, wrong
from gateway.doctor.clients import Profile
from gateway.doctor.clients.discover import hello
from gateway.doctor.clients.speech import Answer, post
from gateway.http import Outward

CALL = "call"
STEP_UP = "step up"
NO_ISSUE = "NOSUCHPROJECT-1"
"""What the probing write is about: even where it were carried out, nothing would change."""


class Session:
    """One session with the endpoint (MCP handshake era), with whatever token it is given."""

    def __init__(self, http: Outward, profile: Profile, url: str) -> None:
        self._http = http
        self._profile = profile
        self._url = url
        self._ids = itertools.count(1)

    async def open(self, access: str) -> Answer:
        """The handshake."""
        answer = await self._post(access, hello(self._profile.protocol, self._profile.title))
        if answer.status == 200:
            await self._post(access, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    async def tool(self, access: str, name: str, **arguments: Any) -> Answer:
        """One tools/call."""
        return await self.ask(access, "tools/call", {"name": name, "arguments": arguments})

    async def ask(self, access: str, method: str, params: dict[str, Any]) -> Answer:
        """One request."""
        return await self._post(
            access, {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        )

    async def _post(self, access: str, message: dict[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {access}", "MCP-Protocol-Version": self._profile.protocol}
        return await post(self._http, CALL, self._url, message, headers)


async def call(session: Session, access: str) -> list[Line]:
    """Handshake, the list, whoami, a search; then a token that is not good."""
    opened = await session.open(access)
    if opened.status != 200:
        return [wrong(f"{CALL}: handshake", opened.said, "The log of the gateway says why.")]
    listed = await session.ask(access, "tools/list", {})
    tools = listed.body.get("result", {}).get("tools", [])
    lines = [
        good(f"{CALL}: tools", f"{len(tools)}")
        if tools
        else wrong(f"{CALL}: tools", "none is listed", "See which groups the person's roles come from.")
    ]
    whoami = _answered(f"{CALL}: jira_whoami", await session.tool(access, "jira_whoami"), wrong)
    found = await session.tool(access, "jira_search", jql="updated >= -52w order by updated")
    lines += [whoami, _answered(f"{CALL}: jira_search", found, note)]
    return [*lines, _ended(await session.tool(f"{access[:-6]}AAAAAA", "jira_whoami"))]


def _answered(what: str, answer: Answer, refusal: Callable[[str, object, str], Line]) -> Line:
    """`refusal` makes the line of a tool that says no: everybody may ask who they are, not everybody may search."""
    result = answer.body.get("result", {})
    if answer.status == 200 and result and not result.get("isError"):
        return good(what, "answered")
    text = " ".join(str(part.get("text", "")) for part in result.get("content", []))
    if text:
        return refusal(
            what, f"refused: {text}", "The way to Jira, the person or the rules; not the assistant."
        )
    return wrong(what, answer.said, "The log of the gateway says why.")


def _ended(answer: Answer) -> Line:
    """A token that is not good, as one that is over: 401 with a challenge, so that the assistant refreshes (A15)."""
    what = f"{CALL}: a token that is not good"
    if answer.status == 401 and "resource_metadata" in answer.challenge:
        return good(what, "401 with a challenge: it refreshes")
    return wrong(what, answer.said, "It must be 401 with WWW-Authenticate, through every proxy.")


async def needs_more(session: Session, access: str) -> tuple[str, Line]:
    """A write with a token that may only read; (the scopes that the 403 names, the line)."""
    answer = await session.tool(access, "jira_comment", key=NO_ISSUE, body="doctor --client")
    found = answer.challenge
    wanted = found.get("scope", "")
    if answer.status == 403 and found.get("error") == "insufficient_scope" and "jira:write" in wanted.split():
        return wanted, good(f"{STEP_UP}: 403", f"insufficient_scope, and it names {wanted}")
    do = "A proxy before the gateway must pass 403 and WWW-Authenticate through."
    return "", wrong(f"{STEP_UP}: 403", f"{answer.said}, challenge {sorted(found) or 'none'}", do)
