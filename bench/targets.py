"""The three that are measured, each as a process of its own against the same stub."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson
import psutil

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".work" / "bench"
PEER = "mcp-atlassian==0.23.1"
USERS = 16


@dataclass(slots=True)
class Target:
    """A running server: its port, the raw requests for each piece of work, and its process."""

    name: str
    port: int
    requests: dict[str, list[str]]
    process: psutil.Process

    def cpu(self) -> float:
        """Seconds of CPU used so far, with children."""
        every = [self.process, *self.process.children(recursive=True)]
        return sum(sum(p.cpu_times()[:2]) for p in every)

    def memory(self) -> float:
        """Resident MiB, with children."""
        every = [self.process, *self.process.children(recursive=True)]
        return sum(p.memory_info().rss for p in every) / 2**20

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except psutil.TimeoutExpired:
            self.process.kill()


def start(name: str, command: list[str], port: int, requests: dict[str, list[str]], **env: str) -> Target:
    """Start `command` and wait until it answers."""
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **env})
    target = Target(name, port, requests, psutil.Process(process.pid))
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"{name} ended at once; see {WORK / name}.log")
        try:
            urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).read()
            return target
        except OSError as answer:
            if hasattr(answer, "code"):
                return target
            time.sleep(0.1)
    raise SystemExit(f"{name} did not answer; see {WORK / name}.log")


def stub(port: int) -> Target:
    return start("stub", [sys.executable, "-m", "bench.stub", str(port)], port, {})


def bare(port: int, upstream: int) -> Target:
    command = [sys.executable, "-m", "bench.bare", str(port), f"http://127.0.0.1:{upstream}"]
    calls = {
        "get issue": [_post(port, _legacy("jira_get_issue", {"key": "BENCH-1"}), {})],
        "search 50": [_post(port, _legacy("jira_search", {"jql": "project = BENCH"}), {})],
    }
    return start("bare", command, port, calls)


def peer(port: int, upstream: int) -> Target:
    """mcp-atlassian in its own environment, stateless, with one credential for everyone: its fastest way."""
    home = ROOT / ".work" / "peer"
    if not (home / ".ready").exists():
        print(f"installing {PEER} into its own environment…", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin/pip"), "install", "--quiet", PEER], check=True)
        (home / ".ready").touch()
    command = [str(home / "bin/mcp-atlassian"), "--transport", "streamable-http", "--stateless"]
    calls = {
        "get issue": [_post(port, _legacy("jira_get_issue", {"issue_key": "BENCH-1"}), {})],
        "search 50": [_post(port, _legacy("jira_search", {"jql": "project = BENCH", "limit": 50}), {})],
    }
    return start(
        "mcp-atlassian", [*command, "--host", "127.0.0.1", "--port", str(port), "--path", "/mcp"], port, calls,
        JIRA_URL=f"http://127.0.0.1:{upstream}", JIRA_PERSONAL_TOKEN="x", ALLOW_GLOBAL_CRED_FALLBACK="true",
        TOOLSETS="all",
    )  # fmt: skip


def gateway(port: int, upstream: int) -> Target:
    """The gateway as `serve` runs it: every check on, durable records, 16 people."""
    WORK.mkdir(parents=True, exist_ok=True)
    base, public = f"http://127.0.0.1:{upstream}", f"http://127.0.0.1:{port}"
    settings = WORK / "gateway.toml"
    settings.write_text(
        f"""[server]\npublic_url = "{public}"\nport = {port}
[[identity.issuers]]\nissuer = "{base}/idp"
roles = [{{ group = "staff", role = "staff" }}]
[jira]\nurl = "{base}"\nname = "bench"
[jira.credential]\ntoken_endpoint = "{base}/idp/token"\nclient_id = "gateway"\nclient_secret = "bench"
audience = "{base}"
[policy]\ndir = "{ROOT / "policies"}"\n[audit]\ndir = "audit"\nsecond = "checkpoints"
""",
        encoding="utf-8",
    )
    tokens = [_mint(base, f"user-{n}", f"{public}/mcp") for n in range(USERS)]
    calls = {
        "get issue": [
            _modern(port, t, "jira_get_issue", {"key": f"BENCH-{n}"}) for n, t in enumerate(tokens, 1)
        ],
        "search 50": [
            _modern(port, t, "jira_search", {"jql": "project = BENCH", "max_results": 50}) for t in tokens
        ],
    }
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(settings)]
    return start("gateway", command, port, calls)


def _mint(base: str, user: str, audience: str) -> str:
    body = orjson.dumps({"sub": user, "aud": audience})
    answer = urlopen(Request(f"{base}/idp/mint", data=body), timeout=5).read()
    return str(orjson.loads(answer)["access_token"])


def _legacy(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }


def _modern(port: int, token: str, tool: str, arguments: dict[str, Any]) -> str:
    message = _legacy(tool, arguments)
    message["params"]["_meta"] = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    }
    headers = {
        "Authorization": f"Bearer {token}",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    return _post(port, message, headers)


def _post(port: int, message: dict[str, Any], headers: dict[str, str]) -> str:
    body = orjson.dumps(message).decode()
    lines = [
        "POST /mcp HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines) + "\r\n\r\n" + body
