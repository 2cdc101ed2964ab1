"""One issue in few words: the answer of `jira_get_issue`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from gateway import limits
from gateway.errors import Unavailable
from gateway.fields import SYSTEM_FIELDS
from gateway.jira import JiraSession, Json
from gateway.jira.facts import POLICY_FIELDS, issue_resource, stub_resource
from gateway.jira.fence import Fence, capped, line
from gateway.jira.shapes import CommentShape, IssueShape, RelationShape, Shape
from gateway.jira.values import HIDDEN, body, cut, label, labels, minute, shown
from gateway.model import Resource, Result

_FIELDS = (
    *POLICY_FIELDS,
    *("created", "updated", "parent", "issuelinks", "subtasks", "description", "comment"),
)
_SYSTEM = {name.lower(): name for name in SYSTEM_FIELDS}
_CUSTOM = re.compile(r"customfield_[0-9]{1,12}", re.IGNORECASE)


_RELATED = ("parent", "subtasks", "issuelinks")
_SHOWN_ANYWAY = {name.lower() for name in _FIELDS}


def _custom(name: str) -> str | None:
    return name.lower() if _CUSTOM.fullmatch(name) else None


def browse(site: str, key: str) -> str:
    """Where a person reads the issue."""
    return f"{site}/browse/{key}"


_ALWAYS = ",".join(_FIELDS)
_Fields = msgspec.defstruct("_Fields", [(name, Any, None) for name in _FIELDS])


class _Usual(msgspec.Struct):
    """An issue read without what is not shown: some sites send hundreds of fields whatever they are asked."""

    key: Any = None
    fields: _Fields | None = None  # type: ignore[valid-type]


class IssueDetail(msgspec.Struct, frozen=True):
    """`GET issue/{key}`. `asked` are ids or names of further fields that the caller wants to see."""

    raw: Json
    site: str
    asked: tuple[str, ...] = ()
    related: tuple[tuple[str, Resource], ...] | None = None
    """(relation, the other issue) for each that it shows; None: not yet worked out."""
    shape: ClassVar[type[Shape]] = IssueShape

    @staticmethod
    def params(asked: Sequence[str]) -> dict[str, str]:
        """What to ask Jira for. A field known only by its name makes us ask for all, with their names."""
        if not asked:
            return {"fields": _ALWAYS}
        known = [_SYSTEM.get(name.lower()) or _custom(name) for name in asked]
        if None in known:
            return {"fields": "*all", "expand": "names"}
        return {"fields": ",".join(dict.fromkeys((*_FIELDS, *filter(None, known))))}

    @classmethod
    async def found(cls, jira: JiraSession, key: str, asked: tuple[str, ...]) -> "IssueDetail":
        """The issue as this person sees it: one request."""
        params = cls.params(asked)
        if asked:
            return cls(await jira.get("issue", key, params=params), jira.site, asked)
        usual = await jira.get("issue", key, params=params, form=_Usual)
        fields = msgspec.structs.asdict(usual.fields) if usual.fields else {}
        return cls({"key": usual.key, "fields": fields}, jira.site, related=tuple(_relations(fields)))

    def resources(self) -> Sequence[Resource]:
        """The issue, then every other issue whose key it would show."""
        others = {stub.id: stub for _, stub in self._related()}
        return (issue_resource(self.raw), *others.values())

    def without(self, refused: frozenset[str], fields: frozenset[str], maximum: int | None) -> "IssueDetail":
        left = cut(_without_stubs(self.raw["fields"], refused), fields)
        same = not refused and all(left.get(name) is self.raw["fields"].get(name) for name in _RELATED)
        related = self.related if same else None
        return IssueDetail({**self.raw, "fields": left}, self.site, self.asked, related)

    def _related(self) -> tuple[tuple[str, Resource], ...]:
        return tuple(_relations(self.raw["fields"])) if self.related is None else self.related

    def render(self) -> Result:
        fence = Fence()
        issue = self._shape(fence.note)
        head = _issue_head(issue)
        people = _issue_people(issue)
        room = _Room(limits.ANSWER_CHARS - len(head) - len(people) - _MARKS)
        issue.fields = {name: room.take(text, limits.FIELD_CHARS) for name, text in issue.fields.items()}
        issue.description = room.take(issue.description, limits.BODY_CHARS)
        for comment in reversed(issue.comments):
            comment.text = room.take(comment.text, limits.COMMENT_CHARS)
        text = f"{head}\n{fence.note}\n{fence.around(_issue_body(issue, people, fence))}"
        return Result(msgspec.to_builtins(_fenced(issue, fence)), text)

    def _shape(self, note: str) -> IssueShape:
        fields = self.raw["fields"]
        key = line(self.raw["key"], 40)
        comments, in_all = _comments(fields.get("comment"))
        return IssueShape(
            key=key,
            summary=label(fields.get("summary"), 255),
            type=label(fields.get("issuetype")),
            status=label(fields.get("status")),
            url=browse(self.site, key),
            note=note,
            priority=label(fields.get("priority")),
            assignee=label(fields.get("assignee")),
            reporter=label(fields.get("reporter")),
            security=label(fields.get("security")),
            labels=labels(fields.get("labels")),
            components=labels(fields.get("components")),
            created=minute(fields.get("created")),
            updated=minute(fields.get("updated")),
            relations=_shown_relations(self._related(), fields),
            fields=_asked(self.raw, self.asked),
            description=body(fields.get("description")),
            comments=comments,
            comments_in_all=in_all,
        )


_MARKS = 4_000
"""characters kept free for marks, headings, names beside comments and the `truncated` markers themselves."""


class _Room:
    """The characters that are left for bodies, given out in order of importance."""

    def __init__(self, total: int) -> None:
        self._left = max(total, 0)

    def take(self, text: str, limit: int) -> str:
        taken = capped(text, min(limit, self._left))
        self._left = max(self._left - len(taken), 0)
        return taken


def _issue_head(issue: IssueShape) -> str:
    head = " | ".join(filter(None, (issue.key, issue.type, issue.status, issue.priority, issue.url)))
    relations = " | ".join(f"{r.relation} {r.key}" for r in issue.relations)
    return f"{head}\n{relations}" if relations else head


def _issue_people(issue: IssueShape) -> str:
    """What is short and chosen by people: one line."""
    parts = (
        ("assignee", issue.assignee),
        ("reporter", issue.reporter),
        ("level", issue.security),
        ("labels", ", ".join(issue.labels)),
        ("components", ", ".join(issue.components)),
        ("created", issue.created),
        ("updated", issue.updated),
    )
    return " | ".join(f"{name} {value}" for name, value in parts if value)


def _issue_body(issue: IssueShape, people: str, fence: Fence) -> str:
    parts = [f"{fence.heading('summary')} {issue.summary}", people]
    parts += [f"{fence.heading(name)} {text}" for name, text in issue.fields.items()]
    if issue.description:
        parts.append(f"{fence.heading('description')}\n{issue.description}")
    if issue.comments_in_all > len(issue.comments):
        parts.append(fence.heading(f"the last {len(issue.comments)} of {issue.comments_in_all} comments"))
    parts += [f"{fence.heading(f'comment by {c.author}, {c.at}')}\n{c.text}" for c in issue.comments]
    return "\n".join(parts)


def _fenced(issue: IssueShape, fence: Fence) -> IssueShape:
    return msgspec.structs.replace(
        issue,
        description=fence.around(issue.description) if issue.description else "",
        fields={name: fence.around(text) for name, text in issue.fields.items()},
        comments=[CommentShape(author=c.author, at=c.at, text=fence.around(c.text)) for c in issue.comments],
    )


def _comments(field: Any) -> tuple[list[CommentShape], int]:
    """The newest comments, oldest of them first, and how many there are in all."""
    if isinstance(field, str):
        return [CommentShape(author="", at="", text=field)], 1
    if not isinstance(field, dict):
        return [], 0
    found = [c for c in field.get("comments") or () if isinstance(c, dict)]
    newest = sorted(found, key=lambda c: str(c.get("created")))[-limits.COMMENTS_SHOWN :]
    views = [
        CommentShape(
            author=label(c.get("author")),
            at=minute(c.get("created")),
            text=body(c.get("body")),
        )
        for c in newest
    ]
    in_all = field.get("total")
    return views, max(in_all, len(found)) if isinstance(in_all, int) else len(found)


def _asked(raw: Mapping[str, Any], asked: Sequence[str]) -> dict[str, str]:
    """The fields that were asked for by id or by name, under the words that they were asked with."""
    fields, names = raw["fields"], raw.get("names") or {}
    found: dict[str, str] = {}
    for wanted in asked:
        same = wanted.lower()
        if same in _SHOWN_ANYWAY:
            continue
        ids = [f for f in fields if f.lower() == same]
        ids = ids or [f for f, name in names.items() if str(name).lower() == same]
        for field in ids:
            found[wanted if len(ids) == 1 else f"{wanted} ({field})"] = shown(fields.get(field))
        if not ids:
            found[wanted] = "(no such field on this issue)"
    return found


def _relations(fields: Mapping[str, Any]) -> Iterator[tuple[str, Resource]]:
    """(relation, the other issue); one that policy could not decide on is left out."""
    for relation, stub in _stubs(fields):
        try:
            yield relation, stub_resource(stub)
        except Unavailable:
            continue


def _stubs(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    parent, subtasks, links = (fields.get(name) for name in _RELATED)
    if isinstance(parent, dict):
        yield "parent", parent
    for subtask in subtasks if isinstance(subtasks, list) else ():
        yield "sub-task", subtask
    for link in links if isinstance(links, list) else ():
        for side in ("inward", "outward"):
            if isinstance(link, dict) and f"{side}Issue" in link:
                kind = link.get("type")
                name = kind.get(side) if isinstance(kind, dict) else ""
                yield label(name) or "linked to", link[f"{side}Issue"]


def _shown_relations(
    related: Sequence[tuple[str, Resource]], fields: Mapping[str, Any]
) -> list[RelationShape]:
    found = [RelationShape(relation=name, key=line(stub.id, 40)) for name, stub in related]
    more = len(found) - limits.LABELS_SHOWN
    if more > 0:
        found = [*found[: limits.LABELS_SHOWN], RelationShape(relation="and more", key=str(more))]
    cut_out = [name for name in _RELATED if fields.get(name) == HIDDEN]
    return [*found, *(RelationShape(relation=name, key=HIDDEN) for name in cut_out)]


def _without_stubs(fields: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
    """The fields less every parent, sub-task and link whose key is in `refused`."""
    left = dict(fields)
    if not refused:
        return left

    def kept(stub: Any) -> bool:
        return not isinstance(stub, dict) or stub.get("key") not in refused

    if not kept(left.get("parent")):
        del left["parent"]
    if isinstance(left.get("subtasks"), list):
        left["subtasks"] = [stub for stub in left["subtasks"] if kept(stub)]
    if isinstance(left.get("issuelinks"), list):
        left["issuelinks"] = [
            link
            for link in left["issuelinks"]
            if isinstance(link, dict) and kept(link.get("inwardIssue")) and kept(link.get("outwardIssue"))
        ]
    return left
