"""Programs that grade servers: what they find wrong with us is nothing."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.clients.place import Place
from tests.clients.programs import INTO, ROOT, node, run

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONFORMANCE = ROOT / ".work/node/node_modules/@modelcontextprotocol/conformance/dist/index.js"


async def test_mcp_authlab_gives_an_a(place: Place, tmp_path: Path) -> None:
    """It signs in by itself, tries the authorization server and the endpoint, and finds no MUST that fails."""
    program = INTO / "mcp-authlab/bin/mcp-authlab"
    env = {"MCP_AUTHLAB_TOKENS": str(tmp_path / "tokens.json"), "BROWSER": "echo %s"}
    signed_in = await run(
        program,
        "login",
        place.url,
        "--no-color",
        browser=place.at("bo").open,
        **env,
    )
    assert signed_in.status == 0, signed_in.said
    scanned = await run(program, "scan", place.url, "--format", "json", **env)
    told = scanned.json
    missed = [(one["id"], one["message"]) for one in told["results"] if one["status"] not in ("pass", "skip")]
    assert told["grade"] == "A", missed
    assert [id for id, _ in missed] == ["TLS-01"], missed  # plain http, which it allows on loopback


async def test_jbt_mcpcheck_finds_nothing(place: Place) -> None:
    """All its checks pass, with warnings as failures."""
    assistant = await place.assistant()
    token = (await place.granted("bo", assistant.client_id, assistant.address(), scope=""))["access_token"]
    done = await run(
        INTO / "jbt-mcpcheck/bin/jbt-mcpcheck",
        place.url,
        "--token",
        token,
        "--legacy-probes",
        "--strict",
        "--json",
    )
    assert done.status == 0, done.said


async def test_the_conformance_suites_authorization_scenarios(place: Place, tmp_path: Path) -> None:
    """Metadata and the code grant, by the suite's own client and listener."""
    port = 33999
    assistant = await place.assistant(redirect_uris=[f"http://127.0.0.1:{port}/callback"])
    done = await run(
        node(), CONFORMANCE, "authorization", "--url", place.sandbox.gateway_url, "--client-id", assistant.client_id,
        "--resource", place.url, "--port", str(port), "--output-dir", tmp_path, browser=place.at("bo").open,
    )  # fmt: skip
    assert done.status == 0, done.said
    files = await asyncio.to_thread(lambda: list(tmp_path.rglob("checks.json")))
    checks = [check for file in files for check in json.loads(file.read_text())]
    assert len(checks) >= 3 and {check["status"] for check in checks} == {"SUCCESS"}, checks
