"""What the stub answers: an issue of 14 KB (2 KB of description, 3 comments, 62 custom fields) and a page of 50."""

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


def _fields(number: int, *, adf: bool, whole: bool) -> dict[str, Any]:
    text = _paragraphs if adf else WORDS.__mul__
    fields: dict[str, Any] = {
        "summary": f"Export loses rows after a comma, case {number}",
        "project": {"id": "10000", "key": "BENCH", "name": "Bench", "projectTypeKey": "software"},
        "issuetype": {"id": "10001", "name": "Bug", "subtask": False, "iconUrl": "http://127.0.0.1/icon"},
        "status": _STATUS,
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
        "description": text(10 if whole else 1),
        "comment": {"comments": [], "total": 0, "maxResults": 50, "startAt": 0},
    }
    if whole:
        fields["comment"] = {
            "comments": [_comment(n, text(1)) for n in range(3)], "total": 3, "maxResults": 50, "startAt": 0
        }  # fmt: skip
        fields["issuelinks"] = [_link(n) for n in (7, 8)]
        fields |= {f"customfield_{10100 + n}": None for n in range(40)}
        fields |= {f"customfield_{10200 + n}": _OPTION for n in range(22)}
    return fields


_STATUS = {
    "id": "3",
    "name": "In Progress",
    "statusCategory": {"id": 4, "key": "indeterminate", "name": "In Progress", "colorName": "yellow"},
}
_OPTION = {
    "self": "http://127.0.0.1/rest/api/3/customFieldOption/10300",
    "value": "Second line",
    "id": "10300",
}


def _comment(number: int, body: Any) -> dict[str, Any]:
    at = f"2026-11-{10 + number}T10:00:00.000+0000"
    return {
        "id": str(20000 + number), "author": _person("alan"), "updateAuthor": _person("alan"), "body": body,
        "created": at, "updated": at, "jsdPublic": True,
    }  # fmt: skip


def _link(number: int) -> dict[str, Any]:
    fields = {
        "summary": f"Case {number}",
        "status": _STATUS,
        "priority": {"id": "2", "name": "High"},
        "issuetype": {"id": "10001", "name": "Bug", "subtask": False},
    }
    kind = {"id": "10000", "name": "Blocks", "inward": "is blocked by", "outward": "blocks"}
    other = {"id": str(number), "key": f"BENCH-{number}", "fields": fields}
    return {"id": str(30000 + number), "type": kind, "outwardIssue": other}


def issue(number: int = 1, *, adf: bool, whole: bool) -> dict[str, Any]:
    """An issue as Jira answers it, `whole` or as a row; `adf` for the v3 face, text for v2."""
    return {
        "expand": "names,schema",
        "id": str(10000 + number),
        "self": f"http://127.0.0.1/rest/api/3/issue/{10000 + number}",
        "key": f"BENCH-{number}",
        "fields": _fields(number, adf=adf, whole=whole),
    }


ISSUE = orjson.dumps(issue(1, adf=True, whole=True))
ISSUE_V2 = orjson.dumps(issue(1, adf=False, whole=True))
_PAGE = [issue(n, adf=True, whole=False) for n in range(1, 51)]
_PAGE_V2 = [issue(n, adf=False, whole=False) for n in range(1, 51)]
PAGE = orjson.dumps({"issues": _PAGE, "isLast": True})
PAGE_V2 = orjson.dumps({"issues": _PAGE_V2, "total": 50, "startAt": 0, "maxResults": 50})
MYSELF = orjson.dumps(_person("rita"))
