"""What a Data Center answers, in Cloud's shape. What is not of the expected form is left for `facts` to refuse."""

from collections.abc import Mapping
from typing import Any

from gateway import limits
from gateway.jira import Json
from gateway.jira.facts import undecidable
from gateway.jira.wiki import from_wiki

_PEOPLE = ("assignee", "reporter", "creator")
_BODIES = ("description", "environment")


def translated(path: tuple[str, ...], found: Json) -> Json:
    """The answer to `GET path`."""
    if path == ("myself",):
        return person(found)
    if len(path) == 2 and path[0] == "issue":
        return issue(found)
    return found


def person(found: Json) -> Json:
    """A user by accountId, which here is the `key`; a user without one has none."""
    if not isinstance(found, dict):
        return found
    left = {name: value for name, value in found.items() if name not in ("key", "name", "accountId")}
    return {**left, "accountId": found["key"]} if found.get("key") else left


def issue(found: Json) -> Json:
    """An issue whose people have accountIds and whose bodies are ADF."""
    fields = found.get("fields") if isinstance(found, dict) else None
    if not isinstance(fields, dict):
        return found
    told = dict(fields)
    for name in _PEOPLE:
        if name in told:
            told[name] = person(told[name])
    for name in _BODIES:
        if isinstance(told.get(name), str):
            told[name] = from_wiki(told[name])
    if isinstance(told.get("comment"), dict):
        told["comment"] = _comments(told["comment"])
    return {**found, "fields": told}


def search_page(found: Mapping[str, Any]) -> Json:
    """The answer of `POST search`, which counts: `nextPageToken` is where the next page starts."""
    rows, start, total = (found.get(name) for name in ("issues", "startAt", "total"))
    if not isinstance(rows, list) or type(start) is not int or type(total) is not int:
        raise undecidable("issues, startAt or total")
    page: dict[str, Any] = {"issues": [issue(row) for row in rows]}
    if rows and start + len(rows) < total:
        page["nextPageToken"] = str(start + len(rows))
    return page


def project_page(found: Json, params: Mapping[str, str | int]) -> Json:
    """A page of `project/search` out of `GET project`, which tells all that the person may see."""
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise undecidable("a list of projects")
    words = str(params.get("query", "")).casefold()
    fitting = [row for row in found if words in f"{row.get('key')}\n{row.get('name')}".casefold()]
    fitting.sort(key=lambda row: str(row.get("key")))
    start = int(params.get("startAt", 0))
    end = start + int(params.get("maxResults", limits.PAGE_DEFAULT))
    return {"values": fitting[start:end], "isLast": end >= len(fitting)}


def _comments(page: dict[str, Any]) -> dict[str, Any]:
    """The newest comments, which are all that is shown; v2 sends every one, and reading them takes time."""
    told = page.get("comments")
    found = [c for c in told if isinstance(c, dict)] if isinstance(told, list) else []
    newest = sorted(found, key=lambda c: str(c.get("created")))[-limits.COMMENTS_SHOWN :]
    total = page.get("total")
    in_all = max(total, len(found)) if isinstance(total, int) else len(found)
    return {**page, "comments": [_comment(c) for c in newest], "total": in_all}


def _comment(found: dict[str, Any]) -> dict[str, Any]:
    body = found.get("body")
    return {
        **found,
        "author": person(found.get("author")),
        "body": from_wiki(body) if isinstance(body, str) else None,
    }
