"""What is asked in Cloud's shape, as a Data Center's v2 takes it."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.jira import Json
from gateway.jira.wiki import to_wiki


def search(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`POST search` out of `POST search/jql`; our page token around Jira's holds where to start."""
    left = {name: value for name, value in wanted.items() if name != "nextPageToken"}
    return {**left, "startAt": int(wanted.get("nextPageToken", 0))}


def accounts(json: Json) -> Iterator[str]:
    """Every accountId in what is to be sent."""
    if isinstance(json, list):
        for item in json:
            yield from accounts(item)
    elif isinstance(json, dict) and json.get("type") != "doc":
        if isinstance(json.get("accountId"), str):
            yield json["accountId"]
        for value in json.values():
            yield from accounts(value)


def worded(json: Json, names: Mapping[str, str]) -> Json:
    """`json` with wiki text in the place of ADF and `{"name": …}` in the place of `{"accountId": …}`.

    Nobody as an assignee is `{"name": null}`.
    """
    if isinstance(json, list):
        return [worded(item, names) for item in json]
    if not isinstance(json, dict):
        return json
    if json.get("type") == "doc":
        return to_wiki(json)
    if "accountId" in json:
        return {"name": names[json["accountId"]]}
    return {
        name: {"name": None} if name == "assignee" and value is None else worded(value, names)
        for name, value in json.items()
    }
