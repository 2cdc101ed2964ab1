"""What JQL can ask of an issue: each field's names, texts, moments and order."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.jira import adf
from sandbox.jira.catalogue import CATEGORIES, HOME_ADDRESS, PRIORITIES, STATUSES, TYPES
from sandbox.jira.errors import JiraError
from sandbox.jira.model import Issue, Site
from sandbox.jira.permissions import Who, sees, sees_comment

NAMED, ORDERED, TEXT, DATE = "named", "ordered", "text", "date"
"""Families of fields: which operators they take."""


@dataclass(frozen=True, slots=True)
class View:
    """Whose search it is, over which site, at which moment."""

    site: Site
    who: Who
    now: float


Names = Callable[[View, Issue], Iterable[str | None]]
Number = Callable[[View, Issue], float | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A field of JQL. `values` are the names an issue answers to; `exists` are those of the site."""

    name: str
    family: str
    values: Names = lambda view, issue: ()
    moment: Number = lambda view, issue: None
    exists: Callable[[View, str], set[str] | None] = lambda view, text: {text.lower()}
    history: str = ""

    def names(self, view: View, issue: Issue) -> set[str]:
        """In lower case; empty when the field is."""
        return {value.lower() for value in self.values(view, issue) if value}

    def number(self, view: View, issue: Issue) -> float | None:
        """What `<` compares: Unix seconds, or rank."""
        return self.moment(view, issue)

    def empty(self, view: View, issue: Issue) -> bool:
        """`IS EMPTY`."""
        return self.number(view, issue) is None if self.family == DATE else not self.names(view, issue)

    def sort(self, view: View, issue: Issue) -> float | str | None:
        """What ORDER BY compares; None is empty."""
        if self.name == "key":
            return f"{issue.project.key}-{issue.number:08}"
        if self.family in (DATE, ORDERED):
            return self.number(view, issue)
        return min(self.names(view, issue), default=None)

    def resolve(self, view: View, text: str) -> set[str]:
        """The names that a literal stands for. Raises `JiraError` 400 when the site has no such value."""
        found = self.exists(view, text)
        if found is None:
            raise JiraError(400, f"The value '{text}' does not exist for the field '{self.name}'.")
        return found

    def rank(self, view: View, text: str) -> float:
        """The place of a literal in the field's order. Raises `JiraError` 400."""
        if self.name == "priority":
            found = next((p for p in PRIORITIES if text.lower() in (p.name.lower(), str(p.id))), None)
            if found is not None:
                return -float(found.id)
        issue = view.site.issue(text) if self.name == "key" else None
        if issue is not None and sees(view.who, issue):
            return float(issue.id)
        raise JiraError(400, f"The value '{text}' does not exist for the field '{self.name}'.")

    def call(self, view: View, function: str) -> set[str]:
        """The names that a function stands for. Raises `JiraError` 400."""
        match function.lower():
            case "currentuser" if self.name in ("assignee", "reporter", "creator", "watchers"):
                return set() if view.who is None else {view.who.account_id}
            case "standardissuetypes" if self.name == "issuetype":
                return {t.name.lower() for t in TYPES if t.level >= 0}
            case "subtaskissuetypes" if self.name == "issuetype":
                return {t.name.lower() for t in TYPES if t.level < 0}
        raise JiraError(400, f"Unable to find JQL function '{function}()'.")


def _among(values: Iterable[tuple[int, str]]) -> Callable[[View, str], set[str] | None]:
    """A literal is one of the site's (id, name)."""
    known = {str(number): {name.lower()} for number, name in values}
    known |= {next(iter(names)): names for names in list(known.values())}
    return lambda view, text: known.get(text.lower())


def _account(view: View, text: str) -> set[str] | None:
    """A person by accountId, e-mail address, display name or user name."""
    for person in view.site.people.values():
        if text.lower() in (person.account_id, person.email, person.display_name.lower(), person.name):
            return {person.account_id}
    return None


def _user(name: str, who: Callable[[Issue], Iterable[str | None]]) -> Kind:
    def accounts(view: View, issue: Issue) -> Iterable[str]:
        return (view.site.people[person].account_id for person in who(issue) if person)

    return Kind(name, NAMED, accounts, exists=_account, history=name)


def _key(view: View, text: str) -> set[str]:
    """A key in any case, an id, or the key that an issue had before it was moved."""
    issue = view.site.issue(text)
    if issue is not None:
        return {issue.key.lower()}
    if not text.rpartition("-")[2].isdigit():
        raise JiraError(400, f"The issue key '{text}' for field 'issuekey' is invalid.")
    return set()


def _parent(view: View, issue: Issue) -> Iterable[str | None]:
    """The parent's key, when the caller may see the parent."""
    parent = view.site.issues.get(issue.parent) if issue.parent else None
    return (parent.key,) if parent is not None and sees(view.who, parent) else ()


def _comments(view: View, issue: Issue) -> Iterable[str]:
    return (adf.plain(c.body) for c in issue.comments if sees_comment(view.who, issue, c))


def _text(view: View, issue: Issue) -> Iterable[str | None]:
    return (issue.summary, adf.plain(issue.description), *_comments(view, issue))


def _day(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


_KINDS = (
    Kind("project", NAMED, lambda v, i: (i.project.key, i.project.name, str(i.project.id))),
    Kind("key", ORDERED, lambda v, i: (i.key,), lambda v, i: float(i.id), exists=_key),
    Kind("status", NAMED, lambda v, i: (i.status.name,),
         exists=_among((s.id, s.name) for s in STATUSES), history="status"),
    Kind("statusCategory", NAMED, lambda v, i: (CATEGORIES[i.status.category][1],),
         exists=lambda v, text: next(({name.lower()} for key, (number, name, _) in CATEGORIES.items()
                                      if text.lower() in (key, name.lower(), str(number))), None)),
    Kind("issuetype", NAMED, lambda v, i: (i.type.name,), exists=_among((t.id, t.name) for t in TYPES)),
    Kind("priority", ORDERED, lambda v, i: (i.priority.name,), lambda v, i: -float(i.priority.id),
         exists=_among((p.id, p.name) for p in PRIORITIES), history="priority"),
    _user("assignee", lambda i: (i.assignee,)),
    _user("reporter", lambda i: (i.reporter,)),
    _user("creator", lambda i: (i.creator,)),
    _user("watchers", lambda i: i.watchers),
    Kind("labels", NAMED, lambda v, i: i.labels),
    Kind("level", NAMED, lambda v, i: (i.level.name, str(i.level.id)) if i.level else ()),
    Kind("parent", NAMED, _parent, exists=_key),
    Kind("resolution", NAMED, lambda v, i: (i.resolution,)),
    Kind("summary", TEXT, lambda v, i: (i.summary,)),
    Kind("description", TEXT, lambda v, i: (adf.plain(i.description),)),
    Kind("environment", TEXT, lambda v, i: (adf.plain(i.environment),)),
    Kind("comment", TEXT, _comments),
    Kind("text", TEXT, _text),
    Kind("Home address", TEXT, lambda v, i: (i.custom.get(HOME_ADDRESS),)),
    Kind("created", DATE, moment=lambda v, i: i.created),
    Kind("updated", DATE, moment=lambda v, i: i.updated),
    Kind("resolutiondate", DATE, moment=lambda v, i: i.resolved),
    Kind("due", DATE, moment=lambda v, i: _day(i.due)),
)  # fmt: skip

_ALIASES = {
    "id": "key", "issue": "key", "issuekey": "key", "type": "issuetype", "security": "level",
    "createddate": "created", "updateddate": "updated", "resolved": "resolutiondate", "duedate": "due",
    "cf[10042]": "home address", HOME_ADDRESS: "home address", "watcher": "watchers",
}  # fmt: skip
_BY_NAME = {kind.name.lower(): kind for kind in _KINDS}


def known(name: str) -> Kind | None:
    """The field by any of its JQL names, in any case."""
    return _BY_NAME.get(_ALIASES.get(name.lower(), name.lower()))
