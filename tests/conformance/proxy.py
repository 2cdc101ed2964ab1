"""A loopback proxy that adds the token, since the suite has no way to send one.

It copies bytes and changes nothing else, so Host, Origin, white space in headers and malformed
bodies arrive as the suite sent them. One request a connection: the answer closes it.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_CONNECTION = re.compile(rb"\r\nconnection:[^\r\n]*", re.IGNORECASE)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def adding_token(token: str, port: int, target: int) -> AsyncIterator[None]:
    """Listen on `port` and pass on to `target`, both on 127.0.0.1, with `token` in each request."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        added = b"\r\nauthorization: Bearer %b\r\nconnection: close\r\n\r\n" % token.encode()
        back, forth = await asyncio.open_connection("127.0.0.1", target)
        forth.write(_CONNECTION.sub(b"", head[:-4]) + added)
        upstream = asyncio.create_task(_copy(reader, forth))
        await _copy(back, writer)
        upstream.cancel()

    server = await asyncio.start_server(pass_on, "127.0.0.1", port)
    async with server:
        yield
