"""A grant of ana's, and a client for whichever server a test starts."""

from collections.abc import AsyncIterator, Callable

import pytest

from gateway.http import Outward
from gateway.jira.client import JiraClient
from gateway.model import Grant, Secret
from tests.jira.server import Server

Connect = Callable[..., JiraClient]


def grant_of(subject: str, *, issuer: str = "https://idp.example.com", expires_at: float = 4e9) -> Grant:
    """A grant that lives long enough."""
    return Grant(
        issuer=issuer,
        subject=subject,
        audience="https://jira.example.com",
        scopes=frozenset({"read:jira-work"}),
        expires_at=expires_at,
        secret=Secret(f"grant-of-{subject}"),
        source="test",
    )


@pytest.fixture
async def outward() -> AsyncIterator[Outward]:
    """The one pool of connections, as the gateway has it."""
    async with Outward() as pool:
        yield pool


@pytest.fixture
def connect(outward: Outward) -> Connect:
    """`connect(server)` is a client of it; `seconds` is its total deadline."""

    def client(server: Server, *, seconds: float = 5.0) -> JiraClient:
        return JiraClient(outward, server.url, seconds=seconds)

    return client
