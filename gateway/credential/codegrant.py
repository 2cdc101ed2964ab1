"""An app that is registered at an authorization server, and the grants that people give it.

    the browser    the authorization request, always with PKCE S256       RFC 6749 §4.1.1, RFC 7636
    a code         becomes tokens, at once                                RFC 6749 §4.1.3
    refreshing     new tokens for the refresh token, asked exactly once   RFC 6749 §6

What the endpoint says about a refresh decides whether a grant lives, so nothing is guessed:

| the answer                                              | what it means   |
| ------------------------------------------------------- | --------------- |
| 200 with an access token                                | refreshed       |
| 429, 503                                                | `TryLater`      |
| `invalid_grant`, with 400 or (Atlassian) 403 alike      | `GrantDead`     |
| the client is refused                                   | `ClientRefused` |
| any other error in the form of RFC 6749 §5.2            | `TryLater`      |
| no connection could be made                             | `TryLater`      |
| no answer, that of a proxy in between, anything unreadable | `Ambiguous`  |
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlencode

from gateway import clock, limits
from gateway.credential.endpoint import Answer, TokenEndpoint
from gateway.credential.refusals import unusable
from gateway.credential.renewal import Ambiguous, ClientRefused, GrantDead, TryLater
from gateway.credential.vault import TokenSet
from gateway.errors import LinkRefused, Unavailable
from gateway.http import OutwardError
from gateway.model import Secret

Pairs = tuple[tuple[str, str], ...]

_TOKEN = re.compile(r"[\x21-\x7e]+")


class App:
    """One app; an `AuthorizationServer`. Holds no state of any person."""

    def __init__(
        self,
        endpoint: TokenEndpoint,
        authorize: str,
        *,
        asks: Pairs = (),
        refreshes: Pairs = (),
        implies: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """`asks` and `refreshes` are this server's own parameters of the two requests; `implies` says
        which scopes a scope contains."""
        self._endpoint = endpoint
        self._authorize = authorize
        self._asks = asks
        self._refreshes = refreshes
        self._implies = implies or {}

    def authorization(self, scopes: frozenset[str], *, state: str, challenge: str, redirect_uri: str) -> str:
        """Where the browser goes."""
        asked = (
            ("client_id", self._endpoint.client.id),
            ("response_type", "code"),
            ("redirect_uri", redirect_uri),
            ("scope", " ".join(sorted(scopes))),
            ("state", state),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        )
        return f"{self._authorize}?{urlencode((*self._asks, *asked))}"

    async def redeem(self, code: str, *, verifier: str, redirect_uri: str, asked: frozenset[str]) -> TokenSet:
        """The tokens for a code. Raises `LinkRefused` (the code is not, or no longer, good) or `Unavailable`."""
        form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ]
        try:
            answer = await self._endpoint.ask(form, secrets=(Secret(code), Secret(verifier)))
            if answer.status == 200:
                return self._tokens(answer, asked)
        except (OutwardError, ValueError) as failed:
            raise _not_redeemed(str(failed)) from None
        if answer.error == "invalid_grant":
            raise LinkRefused(
                "Jira did not accept this connection, perhaps because it took too long: connect once more.",
                private=answer.said,
            )
        raise _not_redeemed(answer.said)

    async def refresh(self, refresh: Secret) -> TokenSet:
        """As the table says. What the answer leaves out is as before: no `scope` gives empty scopes, no
        new refresh token gives the old one."""
        form = [("grant_type", "refresh_token"), ("refresh_token", refresh.reveal()), *self._refreshes]
        try:
            answer = await self._endpoint.ask(form, secrets=(refresh,))
        except OutwardError as failed:
            raise (Ambiguous if failed.sent else TryLater)(str(failed)) from None
        if answer.status != 200:
            raise unrefreshed(answer)
        try:
            return self._tokens(answer, frozenset(), refresh)
        except ValueError as unreadable:
            raise Ambiguous(str(unreadable)) from None

    def whole(self, scopes: frozenset[str]) -> frozenset[str]:
        """Those scopes and what they contain."""
        return scopes.union(*(self._implies.get(scope, ()) for scope in scopes))

    def state(self) -> tuple[bool, str]:
        """(ready, where, and what there is to say of the client's secret)."""
        return self._endpoint.state()

    def _tokens(self, answer: Answer, asked: frozenset[str], refresh: Secret | None = None) -> TokenSet:
        given = bearer_tokens(answer, self._endpoint.url, asked, refresh)
        return replace(given, scopes=self.whole(given.scopes))


def bearer_tokens(answer: Answer, where: str, asked: frozenset[str], refresh: Secret | None) -> TokenSet:
    """RFC 6749 §5.1; `asked` and `refresh` hold where the answer is silent. Raises ValueError.

    (Atlassian's own example has no `token_type`.)
    """
    access = told_token(answer, "access_token")
    if access is None or str(answer.body.get("token_type", "bearer")).lower() != "bearer":
        raise ValueError(f"{where}: 200 without a bearer token")
    scope = answer.body.get("scope")
    return TokenSet(
        access=access,
        refresh=told_token(answer, "refresh_token") or refresh,
        expires_at=clock.wall() + _life(answer),
        scopes=frozenset(scope.split()) if isinstance(scope, str) else asked,
    )


def told_token(answer: Answer, name: str) -> Secret | None:
    """A token of the answer, if there is one that can be sent again."""
    token = answer.body.get(name)
    return Secret(token) if isinstance(token, str) and _TOKEN.fullmatch(token) else None


def _life(answer: Answer) -> float:
    """Seconds. A grant is not thrown away because its life is told in a strange way: it is asked for soon."""
    seconds = answer.body.get("expires_in")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0:
        return float(min(seconds, limits.TOKEN_LIFE_SECONDS))
    return limits.LINK_LIFE_UNTOLD_SECONDS


def unrefreshed(answer: Answer) -> Exception:
    """What a refusal means for the grant, as the table says."""
    if answer.status in (429, 503):
        return TryLater(answer.said)
    if answer.error == "invalid_grant" and answer.status < 500:
        return GrantDead(answer.said)
    if answer.client_refused:
        return ClientRefused(answer.said)
    return (TryLater if answer.status >= 400 and answer.error else Ambiguous)(answer.said)


def _not_redeemed(private: str) -> Unavailable:
    return unusable(f"the code could not be redeemed: {private}")
