"""Graph and Google's Directory API on loopback, as their documents show them."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gateway.credential.client import OAuthClient
from gateway.http import Outward
from gateway.identity.groups import GroupSource, group_source
from gateway.settings.identity import Directory
from tests.identity.server import Loopback, Request, respond
from tests.identity.shapes import recorded


class FakeDirectory(Loopback):
    """Token endpoint and groups. Knobs: `status`, `body`, `endless`, `elsewhere`, `expired`."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.tokens: list[dict[str, str]] = []
        self.asked: list[str] = []
        self.status: int | None = None
        self.body: bytes | None = None
        self.endless = False
        self.elsewhere = ""
        self.known: set[str] = set()
        self.accepted = "token-1"
        self.refuses: Callable[[dict[str, str]], bool] = lambda form: False
        """Whether the client that a form proves is none any more."""
        self.delay = 0.0

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.status is not None or self.body is not None:
            respond(writer, self.body or b'{"error": {}}', self.status or 200)
        elif request.method == "POST" and request.path.endswith("/token"):
            self.tokens.append({name: value[0] for name, value in parse_qs(request.body.decode()).items()})
            if self.refuses(self.tokens[-1]):
                respond(writer, {"error": "invalid_client"}, 401)
                return
            self.accepted = f"token-{len(self.tokens)}"
            respond(writer, {"token_type": "Bearer", "expires_in": 3599, "access_token": self.accepted})
        elif request.headers.get("authorization") != f"Bearer {self.accepted}":
            respond(writer, {"error": {"code": "InvalidAuthenticationToken"}}, 401)
        else:
            assert request.method == "GET", "a directory is only ever read"
            self.asked.append(request.path)
            respond(writer, *self._groups(request.path))

    def _groups(self, path: str) -> tuple[Any, int]:
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        if parts.path.startswith("/v1.0/users/"):
            shape, who, page = recorded("graph_members"), parts.path.split("/")[3], "$skiptoken" in query
        else:
            shape, who, page = recorded("google_groups"), query["userKey"][0], "pageToken" in query
        if who not in self.known:
            return shape["unknown"], 404
        text = json.dumps(shape["pages"][0 if self.endless else int(page)])
        return json.loads(text.replace("BASE", self.elsewhere or self.url("")).replace("USER", who)), 200


def reader(order: Directory, issuer: str, outward: Outward) -> GroupSource:
    """The directory of these settings."""
    return group_source(order, issuer, outward, OAuthClient(order))


def entra(directory: FakeDirectory) -> Directory:
    """Its settings for Graph."""
    return Directory(source="entra", client_id="reader", client_secret="s3cret", endpoint=directory.url(""))


def google(directory: FakeDirectory, pem: str) -> Directory:
    """Its settings for Google, with a service account's key."""
    key = {
        "type": "service_account",
        "client_email": "reader@project.iam.gserviceaccount.com",
        "private_key_id": "k1",
        "private_key": pem,
        "token_uri": directory.url("/token"),
    }
    return Directory(
        source="google",
        client_secret=json.dumps(key),
        subject="admin@corp.example",
        endpoint=directory.url(""),
    )
