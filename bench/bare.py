"""The limit: a bare Starlette endpoint that makes one keep-alive upstream call with the gateway's client.

No sign-in, no exchange, no policy, no record, no trimming. Run as `python -m bench.bare PORT UPSTREAM`.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http import Ask, Outward

outward = Outward()
upstream = sys.argv[2]


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with outward:
        yield


async def forward(request: Request) -> Response:
    body = await request.body()
    path = "search/jql" if b"jira_search" in body else "issue/BENCH-1"
    reply = await outward.send(Ask("GET", f"{upstream}/rest/api/3/{path}"))
    return Response(reply.body, media_type="application/json")


app = Starlette(routes=[Route("/mcp", forward, methods=["POST"])], lifespan=lifespan)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
