"""People, calls and logs for the tests of the record, and the hands of somebody who tampers with it."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from gateway.audit.log import SqliteAuditLog
from gateway.audit.sqlite import Looking
from gateway.model import (
    Caller,
    Decision,
    Effect,
    Grant,
    Obligation,
    Reason,
    Resource,
    Secret,
    ToolCall,
    ToolRequest,
)

SUBJECT_TOKEN = "canary-subject-token-7f3a"
JIRA_TOKEN = "canary-jira-token-91cc"
BODY = "canary-free-text: the salary is 5 EUR"
KEY = bytes(range(32))


def caller() -> Caller:
    """ana, with her assistant."""
    return Caller(
        issuer="https://idp.test",
        subject="ana",
        client="claude-code",
        scopes=frozenset({"jira:read", "jira:write"}),
        expires_at=2_000_000_000.0,
        token=Secret(SUBJECT_TOKEN),
        token_id="jti-1",
        actor="agent-7",
    )


def request(name: str = "jira_comment", call_id: str = "c-1", arguments: Any = None) -> ToolRequest:
    """As it came over the wire."""
    return ToolRequest(name, arguments or {"key": "OPEN-1", "body": BODY}, "10.0.0.9", "2026-07-28", call_id)


def call(effect: Effect = Effect.WRITE, of: ToolRequest | None = None) -> ToolCall:
    """A comment on OPEN-1, or a look at it."""
    return ToolCall(
        caller=caller(),
        tool="jira_comment" if effect is Effect.WRITE else "jira_get_issue",
        effect=effect,
        schema_digest="sha256:aa",
        arguments={"key": "OPEN-1", "body": BODY, "max_results": 25, "issue_type": "Bug"},
        input={"maxResults": 25, "issueType": "Bug", "fields": ["body"]},
        target="Issue",
        target_id="OPEN-1",
        scopes=("jira:write",),
        request=of or request(),
    )


def grant() -> Grant:
    """Jira's token for ana."""
    return Grant(
        "https://idp.test", "ana", "jira", frozenset({"read"}), 2e9, Secret(JIRA_TOKEN), "exchange", "g-1"
    )


def decision(allowed: bool = True, *, errors: tuple[str, ...] = ()) -> Decision:
    """By one rule."""
    return Decision(
        allowed=allowed,
        reasons=(Reason("read.own" if allowed else "no.deletes", "Because.", "10-read.cedar:3"),),
        policy="sha256:bb",
        errors=errors,
        obligations=(Obligation("pii", "redact_fields", frozenset({"assignee"})),),
        facts=({"resource": "OPEN-1"},),
    )


ISSUE = Resource("Issue", "OPEN-1", {"project": "OPEN"})


@asynccontextmanager
async def log_in(folder: Path, second: Path | None = None, **options: Any) -> AsyncIterator[SqliteAuditLog]:
    """A running log in `folder`."""
    log = SqliteAuditLog(folder, folder / "audit.key", second, **options)
    await log.start()
    try:
        yield log
    finally:
        await log.stop()


def plain(n: int, **fields: Any) -> dict[str, Any]:
    """A record of a read."""
    return {
        "kind": "call",
        "id": f"call-{n}",
        "time": "2026-11-22T00:00:00.000Z",
        "outcome": "answered",
        **fields,
    }


def month_file(folder: Path) -> Path:
    """The newest file."""
    return sorted(folder.glob("audit-*.db"))[-1]


def contents(path: Path) -> tuple[list[tuple[int, bytes]], list[tuple[int, str]]]:
    """Everything that the file says."""
    with Looking(path) as file:
        return list(file.rows()), file.checkpoints()


def told(path: Path) -> list[dict[str, Any]]:
    """All records of the folder or file, in order."""
    from gateway.audit.record import decoded

    files = sorted(path.glob("audit-*.db")) if path.is_dir() else [path]
    return [decoded(body) for file in files for _, body in contents(file)[0]]


def of_kind(path: Path, *kinds: str) -> list[dict[str, Any]]:
    """The records of these kinds."""
    return [t for t in told(path) if t["kind"] in kinds]


@contextmanager
def tampered(folder: Path, to: Path) -> Iterator[sqlite3.Connection]:
    """A copy of `folder` in `to`, and a connection to its newest file for somebody who may write it."""
    shutil.copytree(folder, to)
    connection = sqlite3.connect(month_file(to), isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()
