"""The answers of the tools: Jira's JSON, held whole until policy has cut it, then shown in few words.

Each class is an `Answer` (`gateway.model`) with a `shape`: the structured form, from which the tool's
output schema is derived. Text that people wrote stands between marks (`gateway/jira/fence.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from gateway import limits
from gateway.errors import OutcomeUnknown
from gateway.jira import JiraSession, Json
from gateway.jira.detail import IssueDetail, browse
from gateway.jira.facts import POLICY_FIELDS, Row, Rows, project_resource, row_resource, rows
from gateway.jira.fence import Fence, line
from gateway.jira.shapes import (
    IssuePageShape,
    PersonShape,
    ProjectPageShape,
    ProjectShape,
    ReceiptShape,
    RowShape,
    Shape,
)
from gateway.jira.values import HIDDEN, cut, label, minute
from gateway.model import Resource, Result

__all__ = ["IssueDetail", "IssuePage", "Person", "ProjectPage", "Receipt", "Rows", "line"]


@dataclass(frozen=True, slots=True)
class IssuePage:
    """Rows of `POST search/jql`; `next` is our own token, empty on the last page. There is never a total."""

    rows: Sequence[Row]
    next: str = ""
    hidden: frozenset[str] = frozenset()
    """Columns that policy hides."""
    withheld: int = 0
    """Rows of this page beyond policy's cap. Refused rows are not counted: they do not exist here."""
    shape: ClassVar[type[Shape]] = IssuePageShape
    fields: ClassVar[tuple[str, ...]] = (*POLICY_FIELDS, "updated")
    """What a search must ask Jira for."""

    @classmethod
    def of(cls, found: Rows, jira: JiraSession, query: str) -> "IssuePage":
        """A page of the answer to `query`."""
        more = found.nextPageToken
        return cls(found.issues, jira.page_token(query, more) if more is not None else "")

    def resources(self) -> Sequence[Resource]:
        return [row_resource(row) for row in self.rows]

    def without(self, refused: frozenset[str], fields: frozenset[str], maximum: int | None) -> "IssuePage":
        kept, withheld = _first([row for row in self.rows if row.key not in refused], maximum)
        return replace(self, rows=kept, withheld=withheld, hidden=_hidden(fields))

    def render(self) -> Result:
        fence = Fence()
        found = [_row(row, self.hidden) for row in self.rows]
        table = _fitted(found)
        page = IssuePageShape(note=fence.note, issues=found, withheld=self.withheld, next=self.next)
        columns = "KEY | type | status | priority | assignee | updated | summary"
        head = _heading(len(found), "issue", self.withheld, self.next)
        text = f"{head}\n{fence.note}\n{columns}\n{fence.around(table)}" if found else head
        return Result(msgspec.to_builtins(page), text)


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """Values of `GET project/search`."""

    rows: Sequence[Mapping[str, Any]]
    next: str = ""
    withheld: int = 0
    shape: ClassVar[type[Shape]] = ProjectPageShape

    @classmethod
    def of(cls, raw: Json, jira: JiraSession, query: str, start: int) -> "ProjectPage":
        """A page of the projects that match `query`, the first of them at `start`."""
        found = rows(raw, "values")
        more = bool(found) and raw.get("isLast") is False
        return cls(found, jira.page_token(query, str(start + len(found))) if more else "")

    def resources(self) -> Sequence[Resource]:
        return [project_resource(row) for row in self.rows]

    def without(self, refused: frozenset[str], fields: frozenset[str], maximum: int | None) -> "ProjectPage":
        kept, withheld = _first([row for row in self.rows if row["key"] not in refused], maximum)
        return replace(self, rows=kept, withheld=withheld)

    def render(self) -> Result:
        fence = Fence()
        found = [
            ProjectShape(
                key=line(row["key"], 40),
                name=label(row.get("name"), 80),
                category=label(row.get("projectCategory")),
            )
            for row in self.rows
        ]
        page = ProjectPageShape(note=fence.note, projects=found, withheld=self.withheld, next=self.next)
        table = "\n".join(" | ".join(filter(None, (r.key, r.name, r.category))) for r in found)
        head = _heading(len(found), "project", self.withheld, self.next)
        text = f"{head}\n{fence.note}\nKEY | name | category\n{fence.around(table)}" if found else head
        return Result(msgspec.to_builtins(page), text)


@dataclass(frozen=True, slots=True)
class Person:
    """`GET myself`: the account that Jira takes the caller for."""

    raw: Json
    site: str
    shape: ClassVar[type[Shape]] = PersonShape

    def resources(self) -> Sequence[Resource]:
        return ()

    def without(self, refused: frozenset[str], fields: frozenset[str], maximum: int | None) -> "Person":
        return replace(self, raw=cut(self.raw, fields))

    def render(self) -> Result:
        person = PersonShape(
            account_id=label(self.raw.get("accountId"), 128),
            name=label(self.raw.get("displayName")),
            site=self.site,
            email=label(self.raw.get("emailAddress"), 254),
            time_zone=label(self.raw.get("timeZone")),
        )
        parts = (
            f"{person.name} on {person.site}",
            f"account {person.account_id}",
            person.email,
            person.time_zone,
        )
        return Result(msgspec.to_builtins(person), " | ".join(filter(None, parts)))


@dataclass(frozen=True, slots=True)
class Receipt:
    """The reply to a write: which issue, what was done, where to see it."""

    key: str
    done: str
    site: str = ""
    """Empty when there is nothing left to see."""
    shape: ClassVar[type[Shape]] = ReceiptShape

    @classmethod
    def created(cls, raw: Json, done: str, site: str) -> "Receipt":
        """For Jira's 201 with `{id, key, self}`. Raises `OutcomeUnknown` when the key is not there."""
        key = raw.get("key") if isinstance(raw, dict) else None
        if not isinstance(key, str):
            raise OutcomeUnknown(
                "Jira took the request but did not say what it made; search for it before you try again.",
                private="no key in the answer to a create",
            )
        return cls(key, done, site)

    def resources(self) -> Sequence[Resource]:
        return ()

    def without(self, refused: frozenset[str], fields: frozenset[str], maximum: int | None) -> "Receipt":
        return self

    def render(self) -> Result:
        key, done = line(self.key, 40), line(self.done, 160)
        receipt = ReceiptShape(key=key, done=done, url=browse(self.site, key) if self.site else "")
        return Result(msgspec.to_builtins(receipt), f"{key}: {done}. {receipt.url}".rstrip())


def _fitted(rows: list[RowShape]) -> str:
    """The rows as lines, with summaries cut as far as needed so that no row of a page has to be dropped."""
    room = limits.ANSWER_CHARS - limits.PAGE_TOKEN_CHARS - 600
    table = "\n".join(map(_line, rows))
    if len(table) <= room:
        return table
    others = len(table) - sum(len(row.summary) for row in rows)
    for row in rows:
        row.summary = line(row.summary, max((room - others) // len(rows), 1))
    return "\n".join(map(_line, rows))


def _line(row: RowShape) -> str:
    state = f"{row.key} | {row.type} | {row.status} | {row.priority or '-'}"
    return f"{state} | {row.assignee or '-'} | {row.updated} | {row.summary}"


_COLUMNS = {
    "summary": "",
    "issuetype": {"name": ""},
    "status": {"name": ""},
    "priority": {"name": ""},
    "assignee": {"displayName": ""},
    "updated": "",
}
"""The shown parts of a row, as Jira sends them."""


@lru_cache(64)
def _hidden(fields: frozenset[str]) -> frozenset[str]:
    """The columns of which nothing is left when `fields` are cut out of Jira's JSON."""
    left = cut(_COLUMNS, fields)
    values = {name: next(iter(v.values())) if isinstance(v, dict) else v for name, v in left.items()}
    return frozenset(name for name in _COLUMNS if values[name] == HIDDEN)


def _row(row: Row, hidden: frozenset[str]) -> RowShape:
    fields = row.fields
    shape = RowShape(
        key=line(row.key, 40),
        type=line(fields.issuetype.name, 40),
        status=line(fields.status.name, 40),
        updated=minute(fields.updated),
        summary=line(fields.summary or "", 255),
        priority=line(fields.priority.name, 24) if fields.priority else "",
        assignee=line(fields.assignee.displayName, 60) if fields.assignee else "",
    )
    for column in hidden:
        setattr(shape, "type" if column == "issuetype" else column, HIDDEN)
    return shape


def _first(found: list[Any], maximum: int | None) -> tuple[list[Any], int]:
    kept = found[: limits.PAGE_MAX if maximum is None else min(maximum, limits.PAGE_MAX)]
    return kept, len(found) - len(kept)


def _heading(count: int, noun: str, withheld: int, token: str) -> str:
    parts = [f"{count or 'No'} {noun}{'' if count == 1 else 's'}"]
    if withheld:
        parts.append(f"{withheld} more withheld by a cap")
    parts.append(f'more with next="{token}"' if token else "no further page")
    return "; ".join(parts) + "."
