"""What the stub answers: one issue of about 14 KB and a page of 50 of about 113 KB, the same every time."""

from typing import Any

import orjson

WORDS = (
    "The export job stops when a customer name holds a comma and the report then lacks every later row. "
    "It was seen on three sites since the update of Tuesday; a retry does not help. "
)


def _person(name: str) -> dict[str, Any]:
    return {
        "self": f"http://127.0.0.1/rest/api/3/user?accountId={name}",
        "accountId": f"account-{name}",
        "emailAddress": f"{name}@example.com",
        "avatarUrls": {
            size: f"http://127.0.0.1/avatar/{name}/{size}" for size in ("16x16", "24x24", "32x32", "48x48")
        },
        "displayName": name.title(),
        "active": True,
        "timeZone": "Etc/UTC",
        "accountType": "atlassian",
    }


def _paragraphs(count: int) -> dict[str, Any]:
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": WORDS}]}
    return {"type": "doc", "version": 1, "content": [paragraph] * count}


def _fields(number: int, *, adf: bool, size: int, custom: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "summary": f"Export loses rows after a comma, case {number}",
        "project": {"id": "10000", "key": "BENCH", "name": "Bench", "projectTypeKey": "software"},
        "issuetype": {"id": "10001", "name": "Bug", "subtask": False, "iconUrl": "http://127.0.0.1/icon"},
        "status": {
            "id": "3",
            "name": "In Progress",
            "statusCategory": {"id": 4, "key": "indeterminate", "name": "In Progress", "colorName": "yellow"},
        },
        "priority": {"id": "2", "name": "High", "iconUrl": "http://127.0.0.1/icon"},
        "labels": ["export", "customer"],
        "components": [{"id": "10100", "name": "Reports"}],
        "security": None,
        "reporter": _person("rita"),
        "assignee": _person("alan"),
        "creator": _person("rita"),
        "created": "2026-10-01T09:30:00.000+0000",
        "updated": "2026-11-20T16:05:00.000+0000",
        "issuelinks": [],
        "subtasks": [],
        "description": _paragraphs(size) if adf else WORDS * size,
        "comment": {"comments": [], "total": 0, "maxResults": 50, "startAt": 0},
    }
    fields |= {f"customfield_{10100 + n}": None for n in range(custom)}
    return fields


def issue(number: int = 1, *, adf: bool, size: int = 46, custom: int = 40) -> dict[str, Any]:
    """One issue as Jira answers it; `adf` for the v3 face, text for v2."""
    return {
        "expand": "names,schema",
        "id": str(10000 + number),
        "self": f"http://127.0.0.1/rest/api/3/issue/{10000 + number}",
        "key": f"BENCH-{number}",
        "fields": _fields(number, adf=adf, size=size, custom=custom),
    }


ISSUE = orjson.dumps(issue(1, adf=True))
ISSUE_V2 = orjson.dumps(issue(1, adf=False, size=60))
_PAGE = [issue(n, adf=True, size=1, custom=0) for n in range(1, 51)]
_PAGE_V2 = [issue(n, adf=False, size=1, custom=0) for n in range(1, 51)]
PAGE = orjson.dumps({"issues": _PAGE, "isLast": True})
PAGE_V2 = orjson.dumps({"issues": _PAGE_V2, "total": 50, "startAt": 0, "maxResults": 50})
MYSELF = orjson.dumps(_person("rita"))
