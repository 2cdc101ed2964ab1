"""The wire shape of an issue, as one caller sees it.

Everything around an issue that is itself an issue (parent, sub-tasks, linked issues) and its
comments are shown only when the caller may see them.
"""

from collections.abc import Callable, Sequence

from sandbox.jira import adf
from sandbox.jira.catalogue import CUSTOM_FIELDS, FIELDS
from sandbox.jira.model import Change, Issue, Transition
from sandbox.jira.permissions import Who, can, sees, sees_comment
from sandbox.jira.views import Views, Wire, moment

_EXPANDS = "operations,versionedRepresentations,editmeta,changelog,renderedFields"
_NOT_NAVIGABLE = frozenset({"comment", "attachment", "worklog"})
_COMMENTS_SHOWN = 20


class IssueViews:
    """Issues as `who` sees them."""

    def __init__(self, views: Views, who: Who) -> None:
        self.views = views
        self.site = views.site
        self.who = who

    def bean(
        self, issue: Issue, fields: Sequence[str] = ("*all",), expand: frozenset[str] = frozenset()
    ) -> Wire:
        """`IssueBean` with the chosen fields (`*all`, `*navigable`, names, `-name`) and expansions."""
        chosen = _chosen(fields)
        shown: Wire = {
            "expand": _EXPANDS,
            "id": str(issue.id),
            "self": f"{self.views.api}/issue/{issue.id}",
            "key": issue.key,
            "fields": {name: _FIELDS[name](self, issue) for name in chosen},
        }
        if issue.parent is None or not self._parent(issue):
            shown["fields"].pop("parent", None)
        if "names" in expand:
            shown["names"] = {name: _NAMES.get(name, name) for name in chosen}
        if "schema" in expand:
            shown["schema"] = {f.id: self.views.field(f)["schema"] for f in FIELDS if f.id in chosen}
        if "renderedFields" in expand:
            shown["renderedFields"] = self._rendered(issue, chosen)
        if "transitions" in expand:
            shown["transitions"] = self.transitions(issue)
        if "changelog" in expand:
            shown["changelog"] = self._changelog(issue)
        return shown

    def stub(self, issue: Issue) -> Wire:
        """`LinkedIssue`: what Jira embeds of another issue."""
        return {
            "id": str(issue.id),
            "key": issue.key,
            "self": f"{self.views.api}/issue/{issue.id}",
            "fields": {
                "summary": issue.summary,
                "status": self.views.status(issue.status),
                "priority": self.views.priority(issue.priority),
                "issuetype": self.views.issue_type(issue.type),
            },
        }

    def transitions(self, issue: Issue, *, fields: bool = False) -> list[Wire]:
        """`IssueTransition`s that this caller may do now; empty, never refused."""
        return [self._transition(step, fields) for step in open_transitions(self.who, issue)]

    def comments(self, issue: Issue) -> list[Wire]:
        """Those that this caller may see, oldest first."""
        return [self.views.comment(issue, c) for c in issue.comments if sees_comment(self.who, issue, c)]

    def _transition(self, step: Transition, fields: bool) -> Wire:
        shown: Wire = {
            "id": str(step.id),
            "name": step.name,
            "to": self.views.status(step.target),
            "hasScreen": False,
            "isGlobal": not step.sources,
            "isInitial": False,
            "isAvailable": True,
            "isConditional": step.needs != "TRANSITION_ISSUES",
            "looped": False,
        }
        return {**shown, "fields": {}} if fields else shown

    def _parent(self, issue: Issue) -> Wire | None:
        parent = self.site.issues.get(issue.parent or "")
        return self.stub(parent) if parent is not None and sees(self.who, parent) else None

    def _subtasks(self, issue: Issue) -> list[Wire]:
        children = self.site.children(issue)
        return [self.stub(child) for child in children if child.type.level < 0 and sees(self.who, child)]

    def _links(self, issue: Issue) -> list[Wire]:
        return [
            {
                "id": str(link.id),
                "self": f"{self.views.api}/issueLink/{link.id}",
                "type": self.views.link_type(link.type),
                side: self.stub(other),
            }
            for link, side, other in self.site.links_of(issue)
            if sees(self.who, other)
        ]

    def _comment_page(self, issue: Issue) -> Wire:
        comments = self.comments(issue)
        return {
            "comments": comments[:_COMMENTS_SHOWN],
            "self": f"{self.views.api}/issue/{issue.id}/comment",
            "maxResults": _COMMENTS_SHOWN,
            "total": len(comments),
            "startAt": 0,
        }

    def _watches(self, issue: Issue) -> Wire:
        return {
            "self": f"{self.views.api}/issue/{issue.key}/watchers",
            "watchCount": len(issue.watchers),
            "isWatching": self.who is not None and self.who.name in issue.watchers,
        }

    def _rendered(self, issue: Issue, chosen: Sequence[str]) -> Wire:
        rich = {"description": issue.description, "environment": issue.environment}
        return {name: adf.html(rich.get(name)) for name in chosen if name in rich}

    def _changelog(self, issue: Issue) -> Wire:
        histories = [self._history(change) for change in reversed(issue.history)]
        return {"startAt": 0, "maxResults": len(histories), "total": len(histories), "histories": histories}

    def _history(self, change: Change) -> Wire:
        parts = ("field", "from", "fromString", "to", "toString")
        return {
            "id": str(change.id),
            "author": self.views.named(change.author),
            "created": moment(change.created),
            "items": [
                {**dict(zip(parts, item, strict=True)), "fieldtype": "jira", "fieldId": item[0]}
                for item in change.items
            ],
        }


def open_transitions(who: Who, issue: Issue) -> list[Transition]:
    """The workflow's steps from here that `who` may take: TRANSITION_ISSUES and the step's own condition."""
    if not can(who, "TRANSITION_ISSUES", issue.project, issue):
        return []
    return [
        step
        for step in issue.project.workflow
        if step.leaves(issue.status) and can(who, step.needs, issue.project, issue)
    ]


def _chosen(fields: Sequence[str]) -> list[str]:
    chosen: dict[str, None] = {}
    if fields and all(name.startswith("-") for name in fields):
        fields = ("*all", *fields)
    for name in fields:
        if name == "*all":
            chosen |= dict.fromkeys(_FIELDS)
        elif name == "*navigable":
            chosen |= dict.fromkeys(n for n in _FIELDS if n not in _NOT_NAVIGABLE)
        elif name.startswith("-"):
            chosen.pop(name[1:], None)
        elif name in _FIELDS:
            chosen[name] = None
    return list(chosen)


def _nothing(views: IssueViews, issue: Issue) -> None:
    return None


def _empty(views: IssueViews, issue: Issue) -> list[object]:
    return []


_FIELDS: dict[str, Callable[[IssueViews, Issue], object]] = {
    "summary": lambda v, i: i.summary,
    "description": lambda v, i: v.views.rich(i.description),
    "environment": lambda v, i: v.views.rich(i.environment),
    "issuetype": lambda v, i: v.views.issue_type(i.type),
    "project": lambda v, i: v.views.project(i.project),
    "status": lambda v, i: v.views.status(i.status),
    "statusCategory": lambda v, i: v.views.category(i.status.category),
    "statuscategorychangedate": lambda v, i: moment(i.status_changed),
    "priority": lambda v, i: v.views.priority(i.priority),
    "labels": lambda v, i: list(i.labels),
    "assignee": lambda v, i: v.views.named(i.assignee),
    "reporter": lambda v, i: v.views.named(i.reporter),
    "creator": lambda v, i: v.views.named(i.creator or i.reporter),
    "security": lambda v, i: v.views.level(i.level) if i.level else None,
    "parent": lambda v, i: v._parent(i),
    "subtasks": lambda v, i: v._subtasks(i),
    "issuelinks": lambda v, i: v._links(i),
    "comment": lambda v, i: v._comment_page(i),
    "created": lambda v, i: moment(i.created),
    "updated": lambda v, i: moment(i.updated),
    "duedate": lambda v, i: i.due,
    "resolution": lambda v, i: v.views.resolution(i.resolution),
    "resolutiondate": lambda v, i: None if i.resolved is None else moment(i.resolved),
    "watches": lambda v, i: v._watches(i),
    "votes": lambda v, i: {
        "self": f"{v.views.api}/issue/{i.key}/votes",
        "votes": 0,
        "hasVoted": False,
    },
    "worklog": lambda v, i: {"startAt": 0, "maxResults": 20, "total": 0, "worklogs": []},
    "issuerestriction": lambda v, i: {"issuerestrictions": {}, "shouldDisplay": False},
    "progress": lambda v, i: {"progress": 0, "total": 0},
    "aggregateprogress": lambda v, i: {"progress": 0, "total": 0},
    "timetracking": lambda v, i: {},
    "workratio": lambda v, i: -1,
    **dict.fromkeys(("attachment", "components", "fixVersions", "versions"), _empty),
    **dict.fromkeys(
        (
            "aggregatetimeestimate",
            "aggregatetimeoriginalestimate",
            "aggregatetimespent",
            "lastViewed",
            "timeestimate",
            "timeoriginalestimate",
            "timespent",
        ),
        _nothing,
    ),
    **{name: (lambda v, i, name=name: i.custom.get(name)) for name in CUSTOM_FIELDS},  # type: ignore[misc]
}
_NAMES = {field.id: field.name for field in FIELDS}
