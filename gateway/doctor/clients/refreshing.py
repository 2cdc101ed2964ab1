"""Refresh tokens as assistants use them: once, twice from two addresses, by several sessions at once; revocation.

An authorization server that takes the second use for theft ends the family, and the person signs in again
each hour. The same old token must bring the same successor for a while (A13).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.doctor import Line, good, note, wrong
from gateway.doctor.clients import Profile
from gateway.doctor.clients.calls import Session
from gateway.doctor.clients.discover import Found
from gateway.doctor.clients.signing import Registered, Tokens, token, tokens
from gateway.doctor.clients.speech import Answer, form
from gateway.http import Outward

REFRESH = "refresh"
REVOKE = "revoke"
DO = "See signin.grace_seconds, and that all replicas have one database."


@dataclass(frozen=True, slots=True)
class Refreshing:
    """One assistant with two doors outward: hosted ones come from several addresses."""

    doors: tuple[Outward, Outward]
    profile: Profile
    found: Found
    client: Registered

    async def ask(self, door: Outward, refresh: str, what: str = REFRESH) -> Answer:
        """One refresh with that token."""
        fields = {"grant_type": "refresh_token", "refresh_token": refresh}
        return await token(door, what, self.profile, self.found, self.client, fields)

    async def run(self, held: Tokens, session: Session) -> tuple[Tokens, list[Line]]:
        """As its habits are. (what it holds after, lines). Raises `Stopped` when the first one fails."""
        first = tokens(REFRESH, await self.ask(self.doors[0], held.refresh))
        lines = [good(f"{REFRESH}: once", "new tokens, and a refresh token with them")]
        if self.profile.doubled:
            again = await self.ask(self.doors[1], held.refresh)
            lines.append(_same(f"{REFRESH}: twice, from two connections", first, [again]))
        if self.profile.parallel > 1:
            last, line = await self._race(first)
            lines.append(line)
            first = last or first
        answer = await session.tool(first.access, "jira_whoami")
        what = f"{REFRESH}: the family lives"
        alive = answer.status == 200
        lines.append(good(what, "its newest token calls") if alive else wrong(what, answer.said, DO))
        return first, lines

    async def _race(self, held: Tokens) -> tuple[Tokens | None, Line]:
        """Several sessions refresh with one token at once."""
        many = self.profile.parallel
        what = f"{REFRESH}: {many} sessions at once"
        answers = await asyncio.gather(*(self.ask(self.doors[n % 2], held.refresh) for n in range(many)))
        if answers[0].status != 200:
            return None, wrong(what, answers[0].said, DO)
        first = tokens(what, answers[0])
        return first, _same(what, first, answers[1:])

    async def unknown(self) -> Line:
        """A client that is not known any more: 401 invalid_client, and it registers again (A17)."""
        what = f"{REFRESH}: a client that was deleted"
        gone = Refreshing(self.doors, self.profile, self.found, Registered("gone", self.client.redirect))
        answer = await gone.ask(self.doors[0], "none")
        if answer.status == 401 and answer.body.get("error") == "invalid_client":
            return good(what, "401 invalid_client: it registers again")
        return wrong(what, answer.said, "The authorization server must answer 401 invalid_client.")

    async def revoke(self, held: Tokens) -> list[Line]:
        """Ends the family (RFC 7009); nothing of it may be of use after."""
        place = self.found.server.get("revocation_endpoint")
        if not isinstance(place, str):
            return [note(REVOKE, "the authorization server has no such endpoint")]
        fields = {
            "token": held.refresh,
            "token_type_hint": "refresh_token",
            "client_id": self.client.client_id,
            **({"client_secret": self.client.secret} if self.client.secret else {}),
        }
        answer = await form(self.doors[0], REVOKE, place, fields)
        after = await self.ask(self.doors[0], held.refresh, REVOKE)
        if answer.status == 200 and after.body.get("error") == "invalid_grant":
            own = "" if self.profile.revokes else "; this replay does it, the assistant is not known to"
            return [good(REVOKE, f"the refresh token is of no use after it{own}")]
        return [wrong(REVOKE, f"{answer.said}; a refresh after it: {after.said}", "The log says why.")]


def _same(what: str, first: Tokens, answers: Sequence[Answer]) -> Line:
    """Whether all got the same successor."""
    refused = [answer.said for answer in answers if answer.status != 200]
    if refused:
        return wrong(what, f"{len(refused)} refused: {refused[0]}", DO)
    if any(answer.body.get("refresh_token") != first.refresh for answer in answers):
        return wrong(what, "another successor each time", DO)
    return good(what, "the same successor")
