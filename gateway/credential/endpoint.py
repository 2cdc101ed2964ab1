"""The one place that asks a token endpoint (RFC 6749 §3.2). It knows no person and keeps nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson

from gateway import clock, limits
from gateway.credential.client import OAuthClient, Proof
from gateway.http import Ask, Outward, Reply
from gateway.model import Secret

Form = list[tuple[str, str]]
"""Parameters in their order; one may come more than once (RFC 8693 §2.1 `audience`)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said. `body` is empty unless it was a JSON object."""

    status: int
    body: Mapping[str, Any] = field(repr=False)
    said: str = ""
    """Status, error and description for the operator, without anything secret that was sent."""

    @property
    def error(self) -> str:
        """`error` of RFC 6749 §5.2, where there is one."""
        error = self.body.get("error")
        return error if isinstance(error, str) else ""

    @property
    def described(self) -> str:
        """`error_description`, where there is one."""
        return str(self.body.get("error_description") or "")

    @property
    def client_refused(self) -> bool:
        """Whether it did not accept the client itself: nothing was done, and no grant is concerned.

        RFC 6749 §5.2 says `invalid_client`; Auth0 and Atlassian say `access_denied`, older Keycloaks
        `unauthorized_client`, each with status 401.
        """
        return self.error == "invalid_client" or (
            self.status == 401 and self.error in ("access_denied", "unauthorized_client")
        )

    @property
    def proof_refused(self) -> bool:
        """Whether it was the proof (the secret) that it did not accept, so that another one may do.

        That is status 401 alone: with 400, Keycloak says `invalid_client` of the client of Jira that an
        exchange names (`Audience not found`, `Client disabled`), after it has accepted our secret.
        """
        return self.client_refused and self.status == 401


class TokenEndpoint:
    """One token endpoint, asked as one client, on the shared pool."""

    def __init__(
        self,
        outward: Outward,
        url: str,
        client: OAuthClient,
        *,
        json: bool = False,
        seconds: float | None = None,
    ) -> None:
        """`json`: the parameters as a JSON object, for endpoints that want it (Atlassian documents it so).
        `seconds`: for the whole of one `ask`; default `limits.EXCHANGE_SECONDS`."""
        self.url = url
        self.client = client
        self._outward = outward
        self._json = json
        self._seconds = seconds

    async def ask(self, form: Form, *, secrets: Iterable[Secret] = ()) -> Answer:
        """The answer, whatever its status; `secrets` are those in `form`, kept out of `Answer.said`.

        Sent once, and once more with the client's next secret when the first is refused. Raises
        `OutwardError`: then it is not known whether the endpoint did what it was asked.
        """
        hidden = (*secrets, *self.client.secrets())
        ends = clock.mono() + (limits.EXCHANGE_SECONDS if self._seconds is None else self._seconds)
        answer = None
        for proof in self.client.proofs():
            left = ends - clock.mono()
            if answer is not None and (not answer.proof_refused or left <= 0):
                break
            answer = _answer(await self._outward.send(self._request(form, proof, left)), hidden)
            if answer.status < 500 and answer.status != 429 and not answer.proof_refused:
                self.client.accepted(proof)
        assert answer is not None
        return answer

    def state(self) -> tuple[bool, str]:
        """(ready, one line): where, and what there is to say of the client's secret."""
        ready, told = self.client.state()
        return ready, f"{self.url}; {told}" if told else self.url

    def _request(self, form: Form, proof: Proof, seconds: float) -> Ask:
        pairs = [*form, *proof.form]
        kind = "application/json" if self._json else "application/x-www-form-urlencoded"
        return Ask(
            "POST",
            self.url,
            headers={"Content-Type": kind, "Accept": "application/json", **proof.headers},
            body=_object(pairs) if self._json else urlencode(pairs).encode(),
            seconds=seconds,
            max_bytes=limits.JWKS_BYTES,
        )


def _object(pairs: Form) -> bytes:
    """A parameter that comes more than once is a list."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        else:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
    return orjson.dumps(found)


def _answer(reply: Reply, hidden: Iterable[Secret]) -> Answer:
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        body = None
    answer = Answer(reply.status, body if isinstance(body, dict) else {})
    text = f"status {answer.status}, error {answer.error!r}, {answer.described!r}"
    for secret in hidden:
        if secret.reveal():
            text = text.replace(secret.reveal(), "…")
    return Answer(answer.status, answer.body, text[: limits.SAID_CHARS])
