"""Fetching from an address that a stranger named: only from the open internet, whatever its name leads to.

    https://name/…  ── form ──> name ── looked up once ──> every address public? ──> connect to one of them

The addresses that were checked are the ones connected to, so a name that answers otherwise the next time
(DNS rebinding) gains nothing. One address that is not public refuses all: such an answer is no mistake.
Nothing is followed, kept, cached or sent along, and each fetch has its caps of size and time.

The port rule: 443. Any other would let strangers knock at doors in our name. Hosts that the settings name as
private (`host` for port 443, or `host:port`) are let through unchecked, with authorities of their own.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urlsplit

from gateway import limits
from gateway.errors import ConfigError
from gateway.http import Ask, Outward, OutwardError, Reply, Resolve

_NOT_PUBLIC = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # behind carriers' NAT, and inside clouds
            "127.0.0.0/8",
            "169.254.0.0/16",  # clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
"""IANA IPv4 Special-Purpose Address Registry, and multicast. Spelt out, since what Python calls global has
changed from one release to another."""

_PUBLIC6 = IPv6Network("2000::/3")
"""The only unicast space that IANA has given out; mapped, compatible, local and multicast ones are outside it."""

_NOT_PUBLIC6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, with Teredo, which hides an IPv4 address
            "2001:db8::/32",
            "2002::/16",  # 6to4, which hides one too
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)
"""IANA IPv6 Special-Purpose Address Registry, as far as it lies inside."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052 §2.1: how a network without IPv4 names every IPv4 address; it is as public as the one inside."""

_NAME = re.compile(
    r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
"""A name of several labels in small letters. Its last one begins with a letter, so that no spelling of an
address, decimal, octal or hexadecimal, passes for a name."""


_ENTRY = re.compile(r"[A-Za-z0-9.:\[\]_-]+")
"""A host of the settings, perhaps with a port."""


def public(address: str) -> bool:
    """Whether that IP address is one of the open internet."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found in _NAT64:
        found = IPv4Address(int(found) & 0xFFFFFFFF)
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _NOT_PUBLIC)
    return found in _PUBLIC6 and not any(found in network for network in _NOT_PUBLIC6)


class Names:
    """Looks up names of strangers, in threads of its own: one that never answers holds up nobody else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(limits.NAME_THREADS, thread_name_prefix="names")

    async def __call__(self, name: str) -> list[str]:
        """All addresses of `name`. Raises OSError."""
        asked = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        )
        try:
            async with asyncio.timeout(limits.NAME_SECONDS):
                found = await asked
        except UnicodeError:
            raise OSError("not a name") from None
        return list(dict.fromkeys(str(place[0]) for *_, place in found))

    def close(self) -> None:
        """Lookups under way are left to themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Internet:
    """Fetches for strangers. An asynchronous context; it holds nothing of any answer."""

    def __init__(
        self,
        *,
        private_hosts: Iterable[str] = (),
        private_ca_file: Path | None = None,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        port: int = 443,
    ) -> None:
        """`resolve` gives the unchecked addresses of a name, `tls` the authorities of the open internet (default:
        the system's, both); `port` is the only one there. Raises `ConfigError`."""
        self._port = port
        self._private = frozenset(_private(entry) for entry in private_hosts)
        self._names = Names()
        self._resolve = resolve or self._names
        self._open = Outward(connections=limits.INTERNET_CONNECTIONS, resolve=self._checked, tls=tls)
        self._closed = Outward(tls=_authorities(private_ca_file) if self._private else None)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._open)
        await self._stack.enter_async_context(self._closed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        self._names.close()

    def refusal(self, url: str) -> str:
        """Why `url` is fetched in no case, in half a sentence; empty when its name may be looked up."""
        try:
            parts = urlsplit(url)
            where = _netloc(parts)
        except ValueError:
            return "it is not a URL"
        if parts.scheme != "https":
            return "it is not https"
        if "@" in parts.netloc or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
            return "it names a user, or has characters that a URL has not"
        if where in self._private:
            return ""
        if not where.endswith(f":{self._port}"):
            return f"its port is not {self._port}"
        if not _NAME.fullmatch(parts.netloc.removesuffix(f":{self._port}")):
            return "its host is not a public name in small letters"
        return ""

    async def get(self, url: str, *, accept: str, seconds: float, max_bytes: int) -> Reply:
        """The answer to one GET, whatever its status; no redirect is followed. Raises `OutwardError`.

        Its text is for the operator: to a stranger it would tell which names there are inside.
        """
        why = self.refusal(url)
        if why:
            raise OutwardError(f"not fetched: {why}", sent=False)
        pool = self._closed if _netloc(urlsplit(url)) in self._private else self._open
        return await pool.send(
            Ask("GET", url, headers={"Accept": accept}, seconds=seconds, max_bytes=max_bytes)
        )

    async def _checked(self, name: str) -> list[str]:
        """The addresses of `name`, all public. Raises OSError."""
        found = list(await self._resolve(name))
        if not 0 < len(found) <= limits.NAME_ADDRESSES or not all(map(public, found)):
            raise OSError("a name with an address that is not public")
        return found


def _netloc(parts: SplitResult) -> str:
    """`host:port`, in small letters. Raises ValueError."""
    return f"{parts.hostname or ''}:{443 if parts.port is None else parts.port}"


def _private(entry: str) -> str:
    try:
        parts = urlsplit(f"https://{entry}")
        if not parts.hostname or not _ENTRY.fullmatch(entry):
            raise ValueError
        return _netloc(parts)
    except ValueError:
        raise ConfigError(
            [f"signin.private_hosts: {entry!r} is not `host` (port 443) or `host:port`."]
        ) from None


def _authorities(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities, and those of `ca_file`. Raises `ConfigError`."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError):
            raise ConfigError([f"signin.private_ca_file: {ca_file} holds no certificates (PEM)."]) from None
    return context
