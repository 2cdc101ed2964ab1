"""The gateway's own access token for a directory: fetched when needed, kept until shortly before its end."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway import clock, limits
from gateway.errors import Unauthenticated
from gateway.http import Ask, Outward
from gateway.identity.wire import Client, Proof, form, silent, told
from gateway.model import Secret
from gateway.store.flight import SingleFlight

Order = tuple[list[tuple[str, str]], Mapping[str, str]]
"""(form, headers besides those of any form)."""

REFUSED = ("invalid_client", "invalid_grant", "unauthorized_client")
"""What is said of a wrong secret, or of an assertion by a key that was withdrawn: the next one may do."""

SKEW = 60.0
"""seconds before its end that a token is fetched anew."""


class DirectoryAccess:
    """Client credentials (RFC 6749 §4.4) or an assertion (RFC 7523) at `endpoint`, as `client`.

    `order` makes form and headers with one of its proofs.
    """

    def __init__(
        self, outward: Outward, endpoint: str, client: Client, order: Callable[[Proof], Order]
    ) -> None:
        self._outward = outward
        self._endpoint = endpoint
        self._client = client
        self._order = order
        self._token = Secret("")
        self._until = 0.0
        self._flight: SingleFlight[str, None] = SingleFlight()

    async def header(self) -> dict[str, str]:
        """`Authorization`, and what is asked for. Raises `Unavailable`."""
        if clock.wall() >= self._until:
            await self._flight.run("", self._fetch)
        return {"Authorization": f"Bearer {self._token.reveal()}", "Accept": "application/json"}

    async def asked(self, url: str, directory: str) -> dict[str, Any]:
        """What the directory says. Raises `Unauthenticated` when it does not know the person, and `Unavailable`.

        When it does not take our token, the next question brings another.
        """
        ask = Ask("GET", url, headers=await self.header(), seconds=limits.DIRECTORY_SECONDS)
        status, found = await told(self._outward, ask, directory)
        if status == 404:
            raise Unauthenticated("the directory does not know the person")
        if status == 401:
            self._until = 0.0
        if status != 200:
            raise silent(directory, f"status {status}")
        return found

    async def _fetch(self) -> None:
        status, found = 0, dict[str, Any]()
        for proof in self._client.proofs():
            status, found = await told(self._outward, self._question(proof), self._endpoint)
            if found.get("error") not in REFUSED:
                break
        if status == 200:
            self._client.accepted(proof)
        token, life = found.get("access_token"), found.get("expires_in")
        if status != 200 or not isinstance(token, str) or type(life) not in (int, float):
            raise silent(
                self._endpoint, f"no access token for the directory (status {status}, {_error(found)})"
            )
        self._token = Secret(token)
        self._until = clock.wall() + min(float(life or 0), 3600.0) - SKEW

    def _question(self, proof: Proof) -> Ask:
        pairs, headers = self._order(proof)
        return Ask(
            "POST",
            self._endpoint,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
                **headers,
            },
            body=form(pairs),
            seconds=limits.DIRECTORY_SECONDS,
        )


def _error(found: dict[str, object]) -> str:
    return f"error {found.get('error')!r}"[:120]
