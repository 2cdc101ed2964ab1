"""The limit: a bare Starlette endpoint that does the same work with the gateway's HTTP client and nothing else.

It reads the MCP call, makes one keep-alive upstream request, and answers with the same few fields, in the plainest
code: no sign-in, no exchange, no schema, no policy, no record, no Markdown, no fence. Run as
`python -m bench.bare PORT UPSTREAM`.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
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
    call = orjson.loads(await request.body())
    search = call["params"]["name"] == "jira_search"
    path = "search/jql" if search else f"issue/{call['params']['arguments']['key']}"
    found = orjson.loads((await outward.send(Ask("GET", f"{upstream}/rest/api/3/{path}"))).body)
    answer = {"issues": [row(issue) for issue in found["issues"]]} if search else whole(found)
    text = orjson.dumps(answer).decode()
    result = {"content": [{"type": "text", "text": text}], "structuredContent": answer, "isError": False}
    answered = orjson.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result})
    return Response(answered, media_type="application/json")


def row(issue: dict[str, Any]) -> dict[str, Any]:
    fields = issue["fields"]
    return {
        "key": issue["key"],
        "type": fields["issuetype"]["name"],
        "status": fields["status"]["name"],
        "priority": fields["priority"]["name"],
        "assignee": fields["assignee"]["displayName"],
        "updated": fields["updated"],
        "summary": fields["summary"],
    }


def whole(issue: dict[str, Any]) -> dict[str, Any]:
    fields = issue["fields"]
    comments = fields["comment"]["comments"]
    return {
        **row(issue),
        "description": words(fields["description"]),
        "comments": [{"author": c["author"]["displayName"], "text": words(c["body"])} for c in comments],
    }


def words(document: dict[str, Any]) -> str:
    return "\n".join("".join(part["text"] for part in block["content"]) for block in document["content"])


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
        timeout_keep_alive=600,
    )
