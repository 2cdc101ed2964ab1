"""The console script, as people and scripts use it."""

import json
import os
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from sandbox.serve import listen

ROOT = Path(__file__).resolve().parent.parent


def run(*words: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **environ}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_wrong_usage_is_two() -> None:
    """An unknown command, or none, is exit code 2 with the usage."""
    for words in ((), ("fly",), ("policy",), ("audit", "show")):
        ran = run(*words)
        assert ran.returncode == 2 and "usage" in ran.stderr


def test_version_and_tools_as_json() -> None:
    """Data is printed as JSON when asked."""
    assert json.loads(run("version", "--json").stdout)["version"]
    tools = json.loads(run("tools", "--json").stdout)
    assert len(tools) == 9 and all(t["digest"].startswith("sha256:") for t in tools)


@pytest.mark.parametrize("command", ["serve", "check"])
def test_wrong_settings_are_three_without_a_traceback(tmp_path: Path, command: str) -> None:
    """Each problem is one clear sentence; exit code 3."""
    (tmp_path / "gateway.toml").write_text("[server]\npublic_url = 'http://example.com'\n")
    ran = run(command, cwd=tmp_path)
    told = ran.stdout + ran.stderr
    assert ran.returncode == 3 and "Traceback" not in told and "gateway.toml:2: server.public_url" in told


def test_a_broken_bundle_is_named_with_file_and_line(tmp_path: Path) -> None:
    """`policy check` exits 1, `check` and `serve` 3; all name file and line."""
    bundle = tmp_path / "policies"
    bundle.mkdir()
    for file in (ROOT / "policies").glob("*"):
        if file.is_file():
            (bundle / file.name).write_bytes(file.read_bytes())
    (bundle / "90-guard.cedar").write_text("permit (principal, action, resource) when { nonsense };\n")
    ran = run("policy", "check", str(bundle))
    assert ran.returncode == 1 and "90-guard.cedar:1" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_shipped_policies_pass_their_cases() -> None:
    """`policy test` is 0 for them, and every rule is decided by a case."""
    ran = run("policy", "test", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(ran.stdout)


def test_a_failing_case_is_four(tmp_path: Path) -> None:
    """A rule that is gone makes its case fail: exit code 4."""
    bundle = tmp_path / "policies"
    subprocess.run(["cp", "-r", str(ROOT / "policies"), str(bundle)], check=True)
    guard = bundle / "90-guard.cedar"
    text = guard.read_text()
    start = text.index('@id("no-agent-deletes")')
    end = text.index(";", text.index("forbid", start)) + 1
    guard.write_text(text[:start] + text[end:])
    ran = run("policy", "test", str(bundle))
    assert ran.returncode == 4, ran.stdout + ran.stderr


def test_a_script_can_use_the_sandbox_and_the_gateway(tmp_path: Path) -> None:
    """sandbox, config, token, serve, verify: as the README says, with fixed ports."""
    base = free_base()
    ports = ("--port-base", str(base))
    sandbox = start("sandbox", *ports, "--json")
    gateway = None
    try:
        assert sandbox.stdout is not None
        told = json.loads(sandbox.stdout.readline())
        assert told["gateway"] == f"http://127.0.0.1:{base + 2}" and "ana" in told["users"]
        (tmp_path / "gateway.toml").write_text(run("sandbox", "config", *ports).stdout)
        assert run("check", "--json", cwd=tmp_path).returncode == 0
        gateway = start("serve", "--config", str(tmp_path / "gateway.toml"))
        wait_for(f"{told['gateway']}/readyz")
        token = run("sandbox", "token", "--user", "ana", *ports).stdout.strip()
        assert "Ana Alvarez" in whoami(told["resource"], token)
        other = run("serve", "--config", str(tmp_path / "gateway.toml"))
        assert (
            other.returncode == 3
            and "Traceback" not in other.stderr
            and "Choose another port" in other.stderr
        )
        end(gateway)
        verified = run("audit", "verify", "--json", cwd=tmp_path)
        assert verified.returncode == 0 and json.loads(verified.stdout)["ok"]
        assert "jira_whoami" in run("audit", "tail", cwd=tmp_path, COLUMNS="200").stdout
    finally:
        end(sandbox)
        if gateway is not None:
            end(gateway)


def test_no_sandbox_is_said(tmp_path: Path) -> None:
    """`sandbox token` without a sandbox says how to start one."""
    ran = run("sandbox", "token", "--user", "ana", "--port-base", str(free_base()))
    assert ran.returncode == 1 and "jira-agent-gateway sandbox" in ran.stderr


def test_a_record_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """`serve` with a folder that is a file ends at once and says which part."""
    text = run("sandbox", "config", "--port-base", str(free_base())).stdout
    (tmp_path / "data").write_text("not a folder")
    (tmp_path / "gateway.toml").write_text(text)
    ran = run("serve", cwd=tmp_path)
    assert ran.returncode in (1, 3) and "Traceback" not in ran.stderr and "audit" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) <= 2, ran.stderr


def start(*words: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", *words], cwd=ROOT, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(30)
    if process.stdout is not None:
        process.stdout.close()


def wait_for(url: str) -> None:
    for _ in range(1200):
        try:
            urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


def whoami(resource: str, token: str) -> str:
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "jira_whoami", "arguments": {}},
    }
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
    }
    try:
        with urlopen(Request(resource, json.dumps(message).encode(), headers), timeout=20) as answer:
            return str(answer.read().decode())
    except HTTPError as refused:
        with refused:
            return str(refused.read().decode())


def free_base() -> int:
    """The first of five neighbouring ports that were all free a moment ago, where no client's port comes from."""
    for base in random.sample(range(20_000, 32_000, 5), 50):
        with ExitStack() as held:
            try:
                for port in range(base, base + 5):
                    held.callback(listen("127.0.0.1", port).close)
            except OSError:
                continue
            return base
    raise OSError("no five neighbouring ports are free")
