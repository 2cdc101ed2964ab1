"""How Jira is spoken. This is the face that tools see; nothing here shows a token."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Json = Any
"""Decoded JSON."""


class JiraSession(Protocol):
    """One person's view of one Jira site, for one call.

    `path` are segments below `/rest/api/3/`, each quoted by the session, so a key can never become
    another path. Raises `JiraRefused`, `Unavailable` (nothing was changed; part `credential` when
    Jira went on as somebody else or as anonymous), `OutcomeUnknown` (writes) and `InvalidCall`.
    """

    async def get(self, *path: str, params: Mapping[str, str | int] | None = None, form: Any = Any) -> Json:
        """The answer; with `form` (a msgspec type) read as that, as in `find`."""

    async def post(self, *path: str, json: Json) -> Json: ...

    async def find(self, *path: str, json: Json, form: type[T]) -> T:
        """A POST that changes nothing, such as `search/jql`, read as `form` (a msgspec type): what Jira sends
        beyond it is passed over, and what lacks is `Unavailable`. Retried like a `get`."""

    async def put(self, *path: str, json: Json) -> Json: ...

    async def delete(self, *path: str, params: Mapping[str, str | int] | None = None) -> Json: ...

    @property
    def site(self) -> str:
        """The site's public base URL, for browse links."""

    def page_token(self, query: str, upstream: str) -> str:
        """Jira's page token sealed for this person and this query; opaque, and good for nobody else."""

    def open_page(self, query: str, token: str) -> str:
        """Jira's page token back. Raises `InvalidCall` for a token of another person or query."""
