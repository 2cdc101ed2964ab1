"""The demo site: three projects with schemes that differ, and the sixty issues of `stories`.

OPEN    Developers browse, create, edit and comment; only Leads move issues; Administrators (ana)
        delete; all staff read. Level "Staff only": Leads.
VAULT   group finance works here, nobody deletes. Level "Confidential": finance.
HELP    all staff ask; HR answers; a reporter edits, an assignee moves. Level "Reporter and HR".
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway import clock
from sandbox.jira import catalogue, stories
from sandbox.jira.catalogue import BUG, EPIC, PAYMENT, REQUEST, STORY, SUBTASK, TASK
from sandbox.jira.model import Change, Comment, Grant, Issue, Link, Project, Role, Scheme, SecurityLevel, Site
from sandbox.jira.stories import DEMO, LINKS, MOVED, STORIES, Story
from sandbox.people import Person

__all__ = ["DEMO", "demo_site"]

_DAY = 86_400.0


def _grants(holder: str, parameter: str | None, permissions: str) -> tuple[Grant, ...]:
    return tuple(Grant(permission, holder, parameter) for permission in permissions.split())


_SOFTWARE = Scheme(
    10_000,
    "Software permission scheme",
    (
        *_grants("projectRole", "Viewers", "BROWSE_PROJECTS"),
        *_grants(
            "projectRole",
            "Developers",
            "BROWSE_PROJECTS CREATE_ISSUES EDIT_ISSUES ASSIGN_ISSUES ASSIGNABLE_USER LINK_ISSUES "
            "ADD_COMMENTS EDIT_OWN_COMMENTS DELETE_OWN_COMMENTS CREATE_ATTACHMENTS WORK_ON_ISSUES "
            "VIEW_VOTERS_AND_WATCHERS",
        ),
        *_grants(
            "projectRole",
            "Leads",
            "TRANSITION_ISSUES RESOLVE_ISSUES CLOSE_ISSUES MOVE_ISSUES SET_ISSUE_SECURITY MODIFY_REPORTER "
            "SCHEDULE_ISSUES MANAGE_WATCHERS",
        ),
        *_grants(
            "projectRole",
            "Administrators",
            "ADMINISTER_PROJECTS DELETE_ISSUES EDIT_ALL_COMMENTS DELETE_ALL_COMMENTS",
        ),
    ),
)
_FINANCE = Scheme(
    10_001,
    "Finance permission scheme",
    (
        *_grants(
            "group",
            "finance",
            "BROWSE_PROJECTS CREATE_ISSUES EDIT_ISSUES TRANSITION_ISSUES ASSIGN_ISSUES ASSIGNABLE_USER "
            "LINK_ISSUES ADD_COMMENTS EDIT_OWN_COMMENTS SET_ISSUE_SECURITY",
        ),
        *_grants("projectLead", None, "ADMINISTER_PROJECTS RESOLVE_ISSUES"),
        *_grants("projectRole", "Administrators", "DELETE_ISSUES"),
    ),
)
_SUPPORT = Scheme(
    10_002,
    "Support permission scheme",
    (
        *_grants("group", "staff", "BROWSE_PROJECTS CREATE_ISSUES ADD_COMMENTS EDIT_OWN_COMMENTS"),
        *_grants(
            "group",
            "hr",
            "EDIT_ISSUES TRANSITION_ISSUES RESOLVE_ISSUES ASSIGN_ISSUES ASSIGNABLE_USER LINK_ISSUES "
            "SET_ISSUE_SECURITY",
        ),
        *_grants("reporter", None, "EDIT_ISSUES"),
        *_grants("assignee", None, "TRANSITION_ISSUES"),
        *_grants("projectLead", None, "ADMINISTER_PROJECTS"),
        *_grants("projectRole", "Administrators", "DELETE_ISSUES EDIT_ALL_COMMENTS"),
    ),
)

_STAFF_ONLY = SecurityLevel(
    10_200, "Staff only", "For the leads of the project.", _grants("projectRole", "Leads", "-")
)
_CONFIDENTIAL = SecurityLevel(
    10_201,
    "Confidential",
    "Not even for assistants of those who may see it.",
    _grants("group", "finance", "-"),
)
_REPORTER_AND_HR = SecurityLevel(
    10_202,
    "Reporter and HR",
    "For who asked and who answers.",
    (*_grants("reporter", None, "-"), *_grants("group", "hr", "-")),
)


def _roles(**actors: tuple[str, ...]) -> Mapping[str, Role]:
    ids = {"Administrators": 10_002, "Developers": 10_003, "Leads": 10_004, "Viewers": 10_005}
    return MappingProxyType({name: Role(ids[name], name, who) for name, who in actors.items()})


_PROJECTS = (
    Project(
        id=10_000,
        key="OPEN",
        name="Open Platform",
        description="The product that everybody works on.",
        lead="ana",
        scheme=_SOFTWARE,
        roles=_roles(
            Administrators=("user:ana",),
            Developers=("group:developers",),
            Leads=("group:leads",),
            Viewers=("group:staff",),
        ),
        workflow=catalogue.SOFTWARE_WORKFLOW,
        initial=catalogue.TODO,
        types=(EPIC, STORY, TASK, BUG, SUBTASK),
        levels=(_STAFF_ONLY,),
    ),
    Project(
        id=10_001,
        key="VAULT",
        name="Vault",
        description="Money: what comes, what goes, and who decides.",
        lead="ana",
        scheme=_FINANCE,
        roles=_roles(Administrators=()),
        workflow=catalogue.PAYMENT_WORKFLOW,
        initial=catalogue.DRAFT,
        types=(PAYMENT, TASK),
        levels=(_CONFIDENTIAL,),
        category="Regulated",
    ),
    Project(
        id=10_002,
        key="HELP",
        name="People and IT Help",
        description="Where staff ask, and HR and IT answer.",
        lead="hana",
        scheme=_SUPPORT,
        roles=_roles(Administrators=("user:hana",)),
        workflow=catalogue.SUPPORT_WORKFLOW,
        initial=catalogue.WAITING,
        types=(REQUEST, TASK, SUBTASK),
        levels=(_REPORTER_AND_HR,),
    ),
)


def demo_site(people: Mapping[str, Person]) -> Site:
    """A new site with the demo data; its issues are as old now as the stories say."""
    site = Site(people, _PROJECTS)
    now = clock.wall()
    for story in STORIES:
        _tell(site, story, now - story.days * _DAY)
    kinds = {kind.name: kind for kind in catalogue.LINK_TYPES}
    site.links = [Link(site.next_id(), kinds[kind], inward, outward) for inward, kind, outward in LINKS]
    site.moved.update(MOVED)
    return site


def _tell(site: Site, story: Story, created: float) -> None:
    project = site.projects[story.project]
    issue = Issue(
        id=site.next_id(),
        key=site.next_key(project),
        project=project,
        type=next(kind for kind in project.types if kind.name == story.type),
        summary=story.summary,
        status=next(status for status in catalogue.STATUSES if status.name == story.status),
        priority=next(priority for priority in catalogue.PRIORITIES if priority.name == story.priority),
        reporter=story.reporter,
        creator=story.reporter,
        assignee=story.assignee,
        created=created,
        updated=created,
        status_changed=created,
        description=story.description or stories.description(story),
        labels=story.labels,
        parent=story.parent,
        level=next((level for level in project.levels if level.name == story.level), None),
        due=story.due,
        custom=dict(story.custom),
        watchers={story.reporter},
    )
    site.issues[issue.key] = issue
    _live(site, issue, story)


def _live(site: Site, issue: Issue, story: Story) -> None:
    """Its history: it left its first status half its life ago, and was talked about since."""
    project, age = issue.project, story.days * _DAY
    for n, (author, words, visibility) in enumerate(story.comments, 1):
        at = issue.created + age * n / (len(story.comments) + 2)
        issue.comments.append(Comment(site.next_id(), author, stories.body(words), at, at, visibility))
        issue.updated = at
    if issue.status is project.initial:
        return
    issue.status_changed = issue.updated = issue.created + age / 2
    before, after = project.initial, issue.status
    item = ("status", str(before.id), before.name, str(after.id), after.name)
    issue.history.append(Change(site.next_id(), issue.assignee or project.lead, issue.updated, (item,)))
    if after.category == "done":
        issue.resolution, issue.resolved = "Done", issue.updated
