"""The one door outward. Every request has a total deadline, a size cap, no cookies, no redirects,
no proxies from the environment, and no compressed answers.

aiohttp is used because its client costs a seventh of httpx2's on this path (docs/adr/0002).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from gateway import limits


class OutwardError(Exception):
    """The request got no usable answer. `sent` is False only when it certainly never reached the peer."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, headers (case-insensitive), whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `url` must already be percent-encoded."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    seconds: float = limits.UPSTREAM_SECONDS
    max_bytes: int = limits.UPSTREAM_BYTES


class Outward:
    """A pool of keep-alive connections. It holds nothing of any user: no cookies, no credentials."""

    def __init__(self, *, connections: int = limits.UPSTREAM_CONNECTIONS) -> None:
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=self._connections, ttl_dns_cache=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Content-Type", "Accept"),
            headers={"Accept-Encoding": "identity", "User-Agent": "jira-agent-gateway"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, ask: Ask) -> Reply:
        """The reply, whatever its status. Raises `OutwardError`."""
        if self._session is None:
            raise OutwardError("the connection pool is closed", sent=False)
        try:
            async with asyncio.timeout(ask.seconds):
                return await self._exchange(self._session, ask)
        except TimeoutError as late:
            raise OutwardError(f"no whole answer from {_origin(ask.url)} in {ask.seconds:g} s", sent=True) from late
        except aiohttp.ClientConnectorError as down:
            raise OutwardError(f"cannot connect to {_origin(ask.url)}: {type(down).__name__}", sent=False) from down
        except (aiohttp.ClientError, OSError, ValueError) as broken:
            raise OutwardError(f"{_origin(ask.url)}: {type(broken).__name__}", sent=True) from broken

    async def _exchange(self, session: aiohttp.ClientSession, ask: Ask) -> Reply:
        async with session.request(
            ask.method,
            URL(ask.url, encoded=True),
            headers=ask.headers,
            data=ask.body,
            allow_redirects=False,
        ) as response:
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise OutwardError(f"{_origin(ask.url)} sent a compressed answer", sent=True)
            return Reply(response.status, response.headers, await _read(response, ask))


async def _read(response: aiohttp.ClientResponse, ask: Ask) -> bytes:
    too_large = OutwardError(f"{_origin(ask.url)} sent more than {ask.max_bytes} bytes", sent=True)
    if response.content_length is not None:
        if response.content_length > ask.max_bytes:
            raise too_large
        return await response.read()
    parts: list[bytes] = []
    total = 0
    async for part in response.content.iter_any():
        total += len(part)
        if total > ask.max_bytes:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
