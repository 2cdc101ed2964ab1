"""The nouns of the sandbox's Jira, and the one object that holds a site's state.

Nothing here knows of HTTP or of who asks; `permissions` says who may see what of it. Times are
seconds since the Unix epoch.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.jira.errors import JiraError
from sandbox.people import Person

Adf = dict[str, Any]
"""An Atlassian Document Format document, the JSON itself."""


@dataclass(frozen=True, slots=True)
class Status:
    """A workflow status; `category` is Jira's key `new`, `indeterminate` or `done`."""

    id: int
    name: str
    category: str


@dataclass(frozen=True, slots=True)
class Transition:
    """A step of a workflow. `sources` empty means from every status but its own target."""

    id: int
    name: str
    target: Status
    sources: tuple[Status, ...] = ()
    needs: str = "TRANSITION_ISSUES"

    def leaves(self, status: Status) -> bool:
        """Whether the workflow has this step from `status`."""
        return status in self.sources if self.sources else status != self.target


@dataclass(frozen=True, slots=True)
class IssueType:
    """`level` is Jira's hierarchy level: 1 epic, 0 standard, -1 sub-task."""

    id: int
    name: str
    description: str
    level: int = 0


@dataclass(frozen=True, slots=True)
class Priority:
    """`id` grows as urgency falls, as Jira's built-in ones do."""

    id: int
    name: str
    colour: str
    description: str


@dataclass(frozen=True, slots=True)
class LinkType:
    """`outward` reads from the inward issue to the outward one: A *blocks* B."""

    id: int
    name: str
    inward: str
    outward: str


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of a permission scheme or security level: who (a holder) may do what."""

    permission: str
    holder: str
    """`anyone`, `applicationRole`, `assignee`, `group`, `projectLead`, `projectRole`, `reporter`, `user`."""
    parameter: str | None = None


@dataclass(frozen=True, slots=True)
class Scheme:
    """A permission scheme, shared by any number of projects."""

    id: int
    name: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class SecurityLevel:
    """An issue at this level is seen by its members only; `members` are grants without a permission."""

    id: int
    name: str
    description: str
    members: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Role:
    """A project role: actors written `user:ana` or `group:developers`."""

    id: int
    name: str
    actors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """A project with its permission scheme, roles, levels and workflow."""

    id: int
    key: str
    name: str
    description: str
    lead: str
    scheme: Scheme
    roles: Mapping[str, Role]
    workflow: tuple[Transition, ...]
    initial: Status
    types: tuple[IssueType, ...]
    levels: tuple[SecurityLevel, ...] = ()
    category: str | None = None


@dataclass(slots=True)
class Comment:
    """A comment; `visibility` is None or ("role" | "group", name)."""

    id: int
    author: str
    body: Adf
    created: float
    updated: float
    visibility: tuple[str, str] | None = None
    editor: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of an issue's history: (field, from, from text, to, to text) for each item."""

    id: int
    author: str
    created: float
    items: tuple[tuple[str, str | None, str | None, str | None, str | None], ...]


@dataclass(slots=True)
class Issue:
    """An issue. People are names (keys of `PEOPLE`); parent is the key of another issue."""

    id: int
    key: str
    project: Project
    type: IssueType
    summary: str
    status: Status
    priority: Priority
    reporter: str
    created: float
    updated: float
    assignee: str | None = None
    creator: str = ""
    description: Adf | None = None
    environment: Adf | None = None
    labels: tuple[str, ...] = ()
    parent: str | None = None
    level: SecurityLevel | None = None
    resolution: str | None = None
    resolved: float | None = None
    status_changed: float = 0.0
    due: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    history: list[Change] = field(default_factory=list)
    watchers: set[str] = field(default_factory=set)

    @property
    def number(self) -> int:
        """The part of the key behind the project's."""
        return int(self.key.rpartition("-")[2])


@dataclass(frozen=True, slots=True)
class Link:
    """`inward` *outward-description* `outward`, as Jira's POST issueLink names its ends."""

    id: int
    type: LinkType
    inward: str
    outward: str


class Site:
    """One Jira: its people, projects, issues and links. Every change is made without awaiting."""

    def __init__(self, people: Mapping[str, Person], projects: tuple[Project, ...]) -> None:
        self.people = people
        self.accounts = {person.account_id: person for person in people.values()}
        self.projects = {project.key: project for project in projects}
        self.issues: dict[str, Issue] = {}
        self.links: list[Link] = []
        self.moved: dict[str, str] = {}
        """Old key -> the key that the issue bears now."""
        self._ids = itertools.count(10_001)
        self._numbers = {project.key: itertools.count(1) for project in projects}

    def next_id(self) -> int:
        """Ids of issues, comments, links and changes; never given twice."""
        return next(self._ids)

    def next_key(self, project: Project) -> str:
        """The next key of `project`; the number of a deleted issue is not given again."""
        return f"{project.key}-{next(self._numbers[project.key])}"

    def issue(self, id_or_key: str) -> Issue | None:
        """By id, key in any case, or a key that it bore before it was moved."""
        if id_or_key.isdigit():
            return next((i for i in self.issues.values() if str(i.id) == id_or_key), None)
        key = id_or_key.upper()
        return self.issues.get(self.moved.get(key, key))

    def project(self, id_or_key: str) -> Project | None:
        """By id or by key; keys are case-sensitive here, as Jira's are."""
        if id_or_key in self.projects:
            return self.projects[id_or_key]
        return next((p for p in self.projects.values() if str(p.id) == id_or_key), None)

    def children(self, issue: Issue) -> Iterator[Issue]:
        """Its sub-tasks, or an epic's issues."""
        return (i for i in self.issues.values() if i.parent == issue.key)

    def links_of(self, issue: Issue) -> Iterator[tuple[Link, str, Issue]]:
        """(link, `inwardIssue` or `outwardIssue`, the other issue) as they appear on `issue`."""
        for link in self.links:
            if link.inward == issue.key:
                yield link, "outwardIssue", self.issues[link.outward]
            elif link.outward == issue.key:
                yield link, "inwardIssue", self.issues[link.inward]

    def person(self, account_id: str) -> Person:
        """By accountId. Raises `JiraError` 400."""
        found = self.accounts.get(account_id)
        if found is None:
            raise JiraError(400, errors={"accountId": f"User '{account_id}' does not exist."})
        return found
