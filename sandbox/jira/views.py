"""Wire shapes of what is not an issue: people, projects, statuses, permissions, fields, the site."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sandbox.jira import adf
from sandbox.jira.catalogue import (
    CATEGORIES,
    CUSTOM_FIELDS,
    GLOBAL_PERMISSIONS,
    PROJECT_PERMISSIONS,
    RESOLUTIONS,
    Field,
)
from sandbox.jira.model import (
    Adf,
    Comment,
    Grant,
    Issue,
    IssueType,
    LinkType,
    Priority,
    Project,
    Scheme,
    SecurityLevel,
    Site,
    Status,
)
from sandbox.jira.permissions import Who, in_role
from sandbox.people import Person

Wire = dict[str, Any]
"""JSON as Jira sends it."""


def moment(seconds: float) -> str:
    """A date-time in Jira's own form: the site's zone (UTC here), no colon in the offset."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


class Views:
    """The shapes, with `base` as the site's public URL and links below `/rest/api/{version}`."""

    version: ClassVar[str] = "3"

    def __init__(self, site: Site, base: str) -> None:
        self.site = site
        self.base = base
        self.api = f"{base}/rest/api/{self.version}"

    def _avatars(self, kind: str, identity: object) -> Wire:
        sizes = ("48x48", "24x24", "16x16", "32x32")
        return {size: f"{self.base}/secure/{kind}avatar/{identity}?size={size}" for size in sizes}

    def user(self, person: Person) -> Wire:
        """`UserDetails`: a person inside something else."""
        return {
            "self": f"{self.api}/user?accountId={person.account_id}",
            "accountId": person.account_id,
            "emailAddress": person.email,
            "avatarUrls": self._avatars("user", person.name),
            "displayName": person.display_name,
            "active": True,
            "timeZone": "Etc/UTC",
            "accountType": "atlassian",
        }

    def rich(self, document: Adf | None) -> Any:
        """A text that people wrote, as this Jira sends it."""
        return document

    def named(self, name: str | None) -> Wire | None:
        """The person of that user name, or null."""
        return self.user(self.site.people[name]) if name else None

    def profile(self, person: Person, *, groups: bool = False) -> Wire:
        """`User`: a person asked for. The items of groups only when expanded, as Jira does."""
        items = [{"name": group, "groupId": f"group-{group}", "self": f"{self.api}/group?groupname={group}"}
                 for group in person.groups]  # fmt: skip
        return {
            **self.user(person),
            "locale": "en_GB",
            "groups": {"size": len(items), "items": items if groups else []},
            "applicationRoles": {"size": 1, "items": []},
            "expand": "groups,applicationRoles",
        }

    def category(self, key: str) -> Wire:
        """`StatusCategory`."""
        number, name, colour = CATEGORIES[key]
        return {"self": f"{self.api}/statuscategory/{number}", "id": number, "key": key, "colorName": colour,
                "name": name}  # fmt: skip

    def status(self, status: Status) -> Wire:
        """`StatusDetails`."""
        return {
            "self": f"{self.api}/status/{status.id}",
            "description": "",
            "iconUrl": f"{self.base}/images/icons/statuses/generic.png",
            "name": status.name,
            "id": str(status.id),
            "statusCategory": self.category(status.category),
        }

    def priority(self, priority: Priority) -> Wire:
        """`Priority` inside an issue."""
        icon = f"{self.base}/images/icons/priorities/{priority.name.lower()}.svg"
        return {"self": f"{self.api}/priority/{priority.id}", "iconUrl": icon, "name": priority.name,
                "id": str(priority.id)}  # fmt: skip

    def priority_details(self, priority: Priority) -> Wire:
        """`Priority` of the list."""
        return {
            **self.priority(priority),
            "statusColor": priority.colour,
            "description": priority.description,
        }

    def issue_type(self, kind: IssueType) -> Wire:
        """`IssueTypeDetails`."""
        return {
            "self": f"{self.api}/issuetype/{kind.id}",
            "id": str(kind.id),
            "description": kind.description,
            "iconUrl": f"{self.api}/universal_avatar/view/type/issuetype/avatar/{kind.id}",
            "name": kind.name,
            "subtask": kind.level < 0,
            "avatarId": kind.id,
            "hierarchyLevel": kind.level,
        }

    def link_type(self, kind: LinkType) -> Wire:
        """`IssueLinkType`."""
        return {"id": str(kind.id), "name": kind.name, "inward": kind.inward, "outward": kind.outward,
                "self": f"{self.api}/issueLinkType/{kind.id}"}  # fmt: skip

    def level(self, level: SecurityLevel) -> Wire:
        """`SecurityLevel`."""
        return {"self": f"{self.api}/securitylevel/{level.id}", "id": str(level.id),
                "description": level.description, "name": level.name}  # fmt: skip

    def resolution(self, name: str | None) -> Wire | None:
        """`Resolution`, or null."""
        if name is None:
            return None
        number, description = RESOLUTIONS[name]
        return {"self": f"{self.api}/resolution/{number}", "id": str(number), "description": description,
                "name": name}  # fmt: skip

    def project(self, project: Project) -> Wire:
        """`ProjectDetails`: a project inside an issue."""
        shown: Wire = {
            "self": f"{self.api}/project/{project.id}",
            "id": str(project.id),
            "key": project.key,
            "name": project.name,
            "projectTypeKey": "software",
            "simplified": False,
            "avatarUrls": self._avatars("project", project.id),
        }
        if project.category:
            number = 10_000
            shown["projectCategory"] = {"self": f"{self.api}/projectCategory/{number}", "id": str(number),
                                        "name": project.category, "description": ""}  # fmt: skip
        return shown

    def project_row(self, project: Project) -> Wire:
        """`Project` of a page."""
        return {
            **self.project(project),
            "expand": "description,lead,issueTypes,url,projectKeys,permissions,insight",
            "style": "classic",
            "isPrivate": True,
            "properties": {},
        }

    def project_whole(self, project: Project, who: Who) -> Wire:
        """`Project` asked for by key."""
        roles = {
            role.name: f"{self.api}/project/{project.id}/role/{role.id}" for role in project.roles.values()
        }
        lead = {k: v for k, v in self.user(self.site.people[project.lead]).items() if k != "emailAddress"}
        return {
            **self.project_row(project),
            "description": project.description,
            "lead": lead,
            "components": [],
            "issueTypes": [self.issue_type(kind) for kind in project.types],
            "assigneeType": "UNASSIGNED",
            "versions": [],
            "roles": roles if any(in_role(who, project, name) for name in project.roles) else {},
        }

    def comment(self, issue: Issue, comment: Comment, *, rendered: bool = False) -> Wire:
        """`Comment`."""
        shown: Wire = {
            "self": f"{self.api}/issue/{issue.id}/comment/{comment.id}",
            "id": str(comment.id),
            "author": self.named(comment.author),
            "body": self.rich(comment.body),
            "updateAuthor": self.named(comment.editor or comment.author),
            "created": moment(comment.created),
            "updated": moment(comment.updated),
            "jsdPublic": True,
        }
        if rendered:
            shown["renderedBody"] = adf.html(comment.body)
        if comment.visibility:
            kind, name = comment.visibility
            shown["visibility"] = {"type": kind, "value": name, "identifier": name}
        return shown

    def permission(self, key: str, have: bool | None = None) -> Wire:
        """`UserPermission`; without `have`, the permission itself."""
        known = {**GLOBAL_PERMISSIONS, **PROJECT_PERMISSIONS}[key]
        kind = "GLOBAL" if key in GLOBAL_PERMISSIONS else "PROJECT"
        shown: Wire = {"id": str(known.id), "key": key, "name": known.name, "type": kind, "description": ""}
        if have is None:
            return {name: value for name, value in shown.items() if name != "id"}
        return {**shown, "havePermission": have}

    def scheme(self, scheme: Scheme) -> Wire:
        """`PermissionScheme` with its grants, which Jira sends with or without `expand`."""
        shown = f"{self.api}/permissionscheme/{scheme.id}"
        grants = [
            {"id": scheme.id * 100 + n, "self": f"{shown}/permission/{scheme.id * 100 + n}",
             "holder": _holder(grant), "permission": grant.permission}
            for n, grant in enumerate(scheme.grants)
        ]  # fmt: skip
        return {"expand": "permissions,user,group,projectRole,field,all", "id": scheme.id, "self": shown,
                "name": scheme.name, "description": "", "permissions": grants}  # fmt: skip

    def field(self, field: Field) -> Wire:
        """`FieldDetails`."""
        schema: Wire = {"type": field.type}
        if field.items:
            schema["items"] = field.items
        custom = field.id in CUSTOM_FIELDS
        if custom:
            kind = "float" if field.type == "number" else "textfield"
            schema["custom"] = f"com.atlassian.jira.plugin.system.customfieldtypes:{kind}"
            schema["customId"] = CUSTOM_FIELDS[field.id][0]
        else:
            schema["system"] = field.id
        return {
            "id": field.id,
            "key": field.id,
            "name": field.name,
            "custom": custom,
            "orderable": True,
            "navigable": True,
            "searchable": bool(field.clauses),
            "clauseNames": list(field.clauses),
            "schema": schema,
        }


def _holder(grant: Grant) -> Wire:
    holder: Wire = {"type": grant.holder}
    if grant.parameter is not None:
        holder |= {"parameter": grant.parameter, "value": grant.parameter}
    return holder
