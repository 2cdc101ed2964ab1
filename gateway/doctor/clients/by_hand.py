"""A person signs in by their own browser: the address is printed, and the answer is waited for on loopback.

The answer to a hosted assistant goes to its own site, which we cannot hear: the person pastes the address
that the browser ended at. Its code is bound to this replay's verifier, so that site can do nothing with it.
"""

import asyncio
import sys
from urllib.parse import urlsplit

from gateway.doctor import wrong
from gateway.doctor.clients.speech import Stopped

SECONDS = 300.0
"""that a person has, as assistants give them"""

_PAGE = b"Signed in. You may close this window."


async def by_hand(url: str, redirect: str) -> str:
    """The address that the browser was sent to. Raises `Stopped` when nothing came in time."""
    parts = urlsplit(redirect)
    try:
        async with asyncio.timeout(SECONDS):
            if parts.scheme == "http" and parts.port is not None:
                return await _heard(url, redirect, parts.port)
            _tell(url)
            print("Then paste the address that your browser shows (or opens) at the end:", file=sys.stderr)
            pasted: str = await asyncio.to_thread(sys.stdin.readline)
            return pasted.strip()
    except TimeoutError:
        do = "Run it again. Where the page said that the assistant waits, admit it first: client admit ID."
        raise Stopped(wrong("sign in: answer", f"none in {SECONDS:g} s", do)) from None


def _tell(url: str) -> None:
    print(f"Open this address in your browser and sign in:\n\n{url}\n", file=sys.stderr)


async def _heard(url: str, redirect: str, port: int) -> str:
    """The first request to the redirect's own address."""
    came: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode("latin-1").split()
        target = words[1] if len(words) == 3 else "/"
        found = urlsplit(target).path == (urlsplit(redirect).path or "/") and "?" in target
        status = b"200 OK" if found else b"404 Not Found"
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(_PAGE), _PAGE)
        )
        await writer.drain()
        writer.close()
        if found and not came.done():
            came.set_result(f"{redirect.partition('?')[0]}?{urlsplit(target).query}")

    async with await asyncio.start_server(answer, urlsplit(redirect).hostname, port):
        _tell(url)
        return await came
