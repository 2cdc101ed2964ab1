"""FastMCP's client and its OAuth helper, told what to do by the JSON lines of sdk.mjs: fastmcp_client.py URL [DOCUMENT]

It runs in an environment of its own. Its listener for the redirect is its own; the browser is the test's.
"""

import asyncio
import json
import sys
import warnings
import webbrowser

from fastmcp import Client
from fastmcp.client.auth import OAuth
from mcp.shared.auth import OAuthToken

warnings.simplefilter("ignore")


def say(what):
    print(json.dumps(what), flush=True)


webbrowser.open = lambda url, *more, **options: say({"open": url}) is None


class Told:
    """One client, one person."""

    def __init__(self, url, document):
        self.url = url
        self.oauth = OAuth(url, client_metadata_url=document)

    @property
    def tokens(self):
        held = self.oauth.context.current_tokens
        return held.model_dump(mode="json") if held else None

    async def do(self, order):
        if order["do"] == "spoil":
            held = self.oauth.context.current_tokens
            held.access_token = held.access_token[:-6] + "AAAAAA"
            self.oauth.context.token_expiry_time = 1  # it refreshes by the clock, not by a 401
        if order["do"] == "hold":
            self.oauth.context.current_tokens = OAuthToken.model_validate(order["tokens"])
            await self.oauth.context.storage.set_tokens(self.oauth.context.current_tokens)
        if order["do"] != "call":
            return {}
        async with Client(self.url, auth=self.oauth) as client:
            told = await client.call_tool(order["tool"], order["arguments"], raise_on_error=False)
            return {"isError": told.is_error, "structuredContent": told.structured_content}


async def main():
    told = Told(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        if "do" not in order:
            continue  # where the browser landed: the listener has heard it
        try:
            answer = await told.do(order)
            client = told.oauth.context.client_info
            say({"answer": answer, "tokens": told.tokens, "client": client and client.client_id})
        except Exception as failed:  # told to the test that asked, which fails by it
            say({"failed": repr(failed)})


asyncio.run(main())
