"""The OAuth client of the Python SDK, told what to do by the JSON lines of sdk.mjs: python_client.py URL [DOCUMENT]"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata, OAuthToken

REDIRECT = "http://127.0.0.1:33418/callback"


def say(what):
    print(json.dumps(what), flush=True)


class Told:
    """One client, one person; it is its own storage."""

    def __init__(self, url, document):
        self.url, self.document = url, document
        self.tokens = self.client = None
        wish = OAuthClientMetadata(
            client_name="Python SDK",
            redirect_uris=[REDIRECT],
            token_endpoint_auth_method="none",
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
        )
        self.oauth = OAuthClientProvider(
            self.url, wish, self, self.opened, self.landed, client_metadata_url=self.document
        )

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info

    async def opened(self, url):
        say({"open": url})

    async def landed(self):
        line = await asyncio.to_thread(sys.stdin.readline)
        query = {
            name: found[0] for name, found in parse_qs(urlsplit(json.loads(line)["landed"]).query).items()
        }
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))

    async def do(self, order):
        if order["do"] == "spoil":
            self.tokens = self.tokens.model_copy(
                update={"access_token": self.tokens.access_token[:-6] + "AAAAAA"}
            )
            self.oauth.context.current_tokens = self.tokens
            self.oauth.context.token_expiry_time = 1  # it refreshes by the clock, not by a 401
        if order["do"] == "hold":
            self.tokens = self.oauth.context.current_tokens = OAuthToken.model_validate(order["tokens"])
        if order["do"] != "call":
            return {}
        async with (
            httpx2.AsyncClient(auth=self.oauth, timeout=60) as http,
            Client(streamable_http_client(self.url, http_client=http)) as client,
        ):
            told = await client.call_tool(order["tool"], order["arguments"])
        return told.model_dump(mode="json", by_alias=True)


async def main():
    told = Told(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            answer = await told.do(json.loads(line))
            tokens = told.tokens and told.tokens.model_dump(mode="json")
            say({"answer": answer, "tokens": tokens, "client": told.client and told.client.client_id})
        except Exception as failed:  # told to the test that asked, which fails by it
            say({"failed": repr(failed)})


asyncio.run(main())
