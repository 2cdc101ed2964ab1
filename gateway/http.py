"""The one door outward. Every request has a total deadline, a size cap, no cookies, no redirects,
no proxies from the environment, no compressed answers, and is sent exactly once.

aiohttp is used because its client costs a seventh of httpx2's on this path (docs/adr/0002).
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDictProxy
from yarl import URL

from gateway import limits

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a name, as text, of which one is connected to. Raises OSError when none may be."""


class OutwardError(Exception):
    """The request got no usable answer. `sent` is False only when it certainly never reached the peer."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class UnusableReply(OutwardError):
    """An answer came and is not taken: too large, or compressed. Asking again would bring the same."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why, sent=True)
        self.status = status


class Reply(msgspec.Struct, frozen=True):
    """An answer: status, headers (case-insensitive), whole body."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def said(self, header: str) -> str:
        """A header's value; one that came twice is joined with commas (RFC 9110 §5.3): neither is overlooked."""
        values = self.headers.getall(header, ())
        return values[0] if len(values) == 1 else ", ".join(values)


class Ask(msgspec.Struct, frozen=True):
    """One request. `url` must already be percent-encoded."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    seconds: float = limits.UPSTREAM_SECONDS
    max_bytes: int = limits.UPSTREAM_BYTES

    def __repr__(self) -> str:
        return f"Ask({self.method} {_origin(self.url)})"  # headers and body hold credentials


class Outward:
    """A pool of keep-alive connections. It holds nothing of any user: no cookies, no credentials.

    `tls` is one context for the life of the pool (None: the system's authorities); building one costs
    40 ms, so it is never built for a request. With `resolve` nothing is kept: every request makes a connection
    of its own, to an address that `resolve` has just given, and names are looked up nowhere else.
    """

    def __init__(
        self,
        *,
        connections: int = limits.UPSTREAM_CONNECTIONS,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._connections = connections
        self._resolve = resolve
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=self._connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Content-Type", "Accept"),
            headers={"Accept-Encoding": "identity", "User-Agent": "jira-agent-gateway"},
        )
        # aiohttp sends GET, PUT and DELETE again on its own when a kept connection breaks. A write is sent
        # once, and whether a read is tried again is its caller's choice. There is no public switch for it.
        self._session._retry_connection = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _connector(self) -> aiohttp.TCPConnector:
        if self._resolve is None:
            return aiohttp.TCPConnector(
                limit=0, limit_per_host=self._connections, ttl_dns_cache=60, ssl=self._tls
            )
        return aiohttp.TCPConnector(
            limit=self._connections,
            resolver=_Told(self._resolve),
            use_dns_cache=False,
            force_close=True,
            ssl=self._tls,
        )

    async def send(self, ask: Ask) -> Reply:
        """The reply, whatever its status. Raises `OutwardError`."""
        if self._session is None:
            raise OutwardError("the connection pool is closed", sent=False)
        if not ask.url.startswith(("https://", "http://")):
            raise OutwardError("only http and https are spoken", sent=False)
        try:
            async with asyncio.timeout(ask.seconds):
                return await self._exchange(self._session, ask)
        except TimeoutError:
            why, sent = f"no whole answer in {ask.seconds:g} s", True
        except aiohttp.ClientConnectorError as down:
            why, sent = f"cannot connect ({type(down).__name__})", False
        except (aiohttp.ClientError, OSError, ValueError) as broken:
            why, sent = type(broken).__name__, True
        # Outside the handlers: aiohttp's errors hold the request's headers, and with them the credential.
        raise OutwardError(f"{_origin(ask.url)}: {why}", sent=sent)

    async def _exchange(self, session: aiohttp.ClientSession, ask: Ask) -> Reply:
        async with session.request(
            ask.method,
            URL(ask.url, encoded=True),
            headers=ask.headers,
            data=ask.body,
            allow_redirects=False,
        ) as response:
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise UnusableReply(f"{_origin(ask.url)} sent a compressed answer", response.status)
            return Reply(response.status, response.headers, await _read(response, ask))


class _Told(AbstractResolver):
    """What aiohttp asks for the addresses of a name. It asks nobody about a host that is itself an address."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """`host` stays the name that the certificate must have."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._resolve(host)
        ]

    async def close(self) -> None:
        """It holds nothing."""


async def _read(response: aiohttp.ClientResponse, ask: Ask) -> bytes:
    """The whole body, counted as it comes: a declared length is only a claim."""
    if (response.content_length or 0) > ask.max_bytes:
        raise _too_large(response, ask)
    parts: list[bytes] = []
    total = 0
    async for part in response.content.iter_any():
        total += len(part)
        if total > ask.max_bytes:
            raise _too_large(response, ask)
        parts.append(part)
    return b"".join(parts)


def _too_large(response: aiohttp.ClientResponse, ask: Ask) -> UnusableReply:
    return UnusableReply(f"{_origin(ask.url)} sent more than {ask.max_bytes} bytes", response.status)


def _origin(url: str) -> str:
    """Scheme, host and port: a URL's user, path and query may hold what a log must not."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
