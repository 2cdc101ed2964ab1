"""A load generator: N clients, each with one keep-alive connection and one request in flight.

Run as a process, told what to do by one JSON object on its command line; prints one JSON object.
"""

import asyncio
import sys
import time
from typing import Any

import httptools
import orjson
import uvloop


class Client(asyncio.Protocol):
    """One connection that sends the next request as soon as the last answer is whole."""

    def __init__(self, requests: list[bytes], until: float, offset: int) -> None:
        self.requests, self.until, self.turn = requests, until, offset
        self.latencies: list[float] = []
        self.bytes = 0
        self.failed = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.next()

    def next(self) -> None:
        self.began = time.perf_counter()
        if self.began >= self.until:
            self.transport.close()
            return
        self.parser = httptools.HttpResponseParser(self)
        self.transport.write(self.requests[self.turn % len(self.requests)])
        self.turn += 1
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.bytes += len(body)
        self.body += body

    def on_message_complete(self) -> None:
        good = (
            self.parser.get_status_code() == 200
            and b'"isError":true' not in self.body
            and b"BENCH-" in self.body
        )
        self.failed += not good
        self.latencies.append(time.perf_counter() - self.began)
        asyncio.get_running_loop().call_soon(self.next)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def run(order: dict[str, Any]) -> dict[str, Any]:
    requests = [request.encode() for request in order["requests"]]
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    until = began + order["seconds"]
    clients = []
    for n in range(order["clients"]):
        _, client = await loop.create_connection(
            lambda n=n: Client(requests, until, n * 7), "127.0.0.1", order["port"]
        )
        clients.append(client)
    await asyncio.gather(*(c.done for c in clients))
    took = time.perf_counter() - began
    latencies = sorted(x for c in clients for x in c.latencies)
    count = len(latencies)
    return {
        "count": count,
        "failed": sum(c.failed for c in clients),
        "rate": count / took,
        "p50": latencies[count // 2] * 1000,
        "p99": latencies[min(count - 1, int(count * 0.99))] * 1000,
        "bytes": sum(c.bytes for c in clients) / count,
    }


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(orjson.dumps(runner.run(run(orjson.loads(sys.argv[1])))).decode())
