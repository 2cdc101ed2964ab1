"""Facts as Cedar takes them: who calls, with which agent, on what, when.

An entity carries what the rules read and no more. What Cedar's schema demands but no rule reads is told
as the least that can be said (no groups, no second factor, an empty text), so a mistake about what is
read costs an answer and never gives one away.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

from gateway import clock, limits
from gateway.model import Caller, Resource
from gateway.policy.cedar import Json
from gateway.policy.directory import Agent, Directory
from gateway.policy.reads import PersonReads, Reads
from gateway.policy.schema import CALL, ISSUE, USER, WEEKDAYS

ISSUE_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,63}-[0-9]{1,19}")
PROJECT_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

_KINDS = {
    **dict.fromkeys(("pwd", "pin", "kba"), "knowledge"),
    **dict.fromkeys(("otp", "hwk", "swk", "sms", "tel", "sc", "pop"), "possession"),
    **dict.fromkeys(("face", "fpt", "iris", "retina", "vbm"), "inherence"),
}
LEAST: dict[str, Json] = {"String": "", "Long": 0, "Bool": False, "Set<String>": []}


def uid(kind: str, name: str) -> Json:
    """An entity's name, as in a request."""
    return {"type": f"Jira::{kind}", "id": name}


def ref(kind: str, name: str) -> Json:
    """An entity's name, as a value of an attribute."""
    return {"__entity": uid(kind, name)}


def moment(at: float) -> Json:
    """Unix seconds as a Cedar datetime."""
    return {"__extn": {"fn": "datetime", "arg": clock.iso(at)}}


def second_factor(amr: Iterable[str]) -> bool:
    """Whether the sign-in used factors of two kinds, or says so itself (RFC 8176 §2 `mfa`)."""
    methods = set(amr)
    return "mfa" in methods or len({_KINDS[m] for m in methods & _KINDS.keys()}) >= 2


def principal_id(issuer: str, subject: str) -> str:
    """Issuer and subject in one ASCII text that no other pair gives: each percent-encoded, joined by `|`."""
    parts = (quote(issuer, ":/", errors="surrogatepass"), quote(subject, ":/@", errors="surrogatepass"))
    return "|".join(parts)


class Circumstances(Protocol):
    """Facts about a call beside its caller and input, looked up when a rule reads them."""

    def value(self, name: str) -> Any:
        """The fact of that name in `context.call`, hashable."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a call happens, and how many writes went before it within the hour."""

    now: float
    writes: int = 0
    agent_writes: int = 0

    def value(self, name: str) -> Any:
        """The fact of that name in `context.call`, hashable."""
        match name:
            case "now":
                return self.now
            case "writesLastHour":
                return self.writes
            case "agentWritesLastHour":
                return self.agent_writes
        when = datetime.fromtimestamp(self.now, UTC)
        return when.hour if name == "hour" else WEEKDAYS[when.weekday()]


@dataclass(frozen=True, slots=True)
class Persona:
    """Everything about who calls that the rules read, and nothing else: equal for people they treat alike."""

    id: str
    groups: tuple[str, ...]
    user: tuple[tuple[str, Any], ...]
    client: str
    assurance: str
    agent_groups: tuple[str, ...]
    writes_per_hour: int | None
    ceiling_per_hour: int | None

    def entities(self) -> list[Json]:
        """The person and the agent."""
        read = dict(self.user)
        user = _told(USER, read, read)
        if "authTime" in read:
            user["authTime"] = moment(read["authTime"])
        agent = {
            "client": self.client,
            "assurance": ref("Assurance", self.assurance),
            "writesPerHour": self.writes_per_hour,
            "ceilingPerHour": self.ceiling_per_hour,
        }
        return [
            _entity("User", self.id, user, [uid("Group", name) for name in self.groups]),
            _entity(
                "Agent",
                self.client,
                {k: v for k, v in agent.items() if v is not None},
                [uid("AgentGroup", name) for name in self.agent_groups],
            ),
        ]


def persona(caller: Caller, agent: Agent, directory: Directory, reads: PersonReads) -> Persona:
    """The caller as the rules see them. Raises ValueError for an identity with characters that hide."""
    hidden = [text for text in (caller.issuer, caller.subject, caller.client) if not text.isprintable()]
    if hidden:
        raise ValueError("the identity holds characters that cannot be shown")
    facts: dict[str, Any] = {
        "issuer": caller.issuer,
        "subject": caller.subject,
        "email": caller.email,
        "mfa": second_factor(caller.amr),
        "amr": tuple(sorted(caller.amr)),
        "acr": caller.acr,
        "authTime": _not_ahead(caller.auth_time),
        "clearances": directory.clearances(caller.groups),
        "service": caller.service,
    }
    return Persona(
        id=principal_id(caller.issuer, caller.subject) if reads.identity else "",
        groups=tuple(sorted(caller.groups & reads.groups)),
        user=tuple((name, facts[name]) for name in reads.user if facts[name] is not None),
        client=caller.client if reads.client else "",
        assurance=caller.assurance,
        agent_groups=tuple(sorted(agent.groups & reads.agent_groups)),
        writes_per_hour=agent.writes_per_hour,
        ceiling_per_hour=agent.ceiling_per_hour,
    )


def _not_ahead(auth_time: float | None) -> float | None:
    """A sign-in in the future would pass every "not longer ago than" for ever; then it is not known."""
    ahead = auth_time is not None and auth_time > clock.wall() + limits.LEEWAY_SECONDS
    return None if ahead else auth_time


def resource_key(resource: Resource, reads: Reads) -> tuple[Any, ...]:
    """What the rules read of a resource, hashable. Raises ValueError for a name that Jira does not give."""
    get = resource.facts.get
    if resource.kind == "Issue":
        if not ISSUE_KEY.fullmatch(resource.id):
            raise ValueError("the issue's key is not one of Jira's")
        name = resource.id if reads.identity else None
        return (
            "Issue",
            name,
            get("project"),
            get("projectCategory"),
            *[frozen(get(a)) for a in reads.resource],
        )
    if resource.kind == "Project" and not PROJECT_KEY.fullmatch(resource.id):
        raise ValueError("the project's key is not one of Jira's")
    return (resource.kind, resource.id, get("category"))


def frozen(value: Any) -> Any:
    """A value that may be part of a key."""
    return tuple(value) if type(value) is list else value


def resource_entities(resource: Resource, reads: Reads, site: str) -> list[Json]:
    """A resource with its project; the site itself is in every world already."""
    if resource.kind == "Site":
        return []
    facts = resource.facts
    if resource.kind == "Project":
        return [_project(resource.id, facts.get("category"), site)]
    project = facts.get("project")
    if not isinstance(project, str) or not PROJECT_KEY.fullmatch(project):
        raise ValueError("the issue's project is not known")
    # A stub of a linked issue names neither labels nor components: it counts as having none.
    told = {"labels": [], "components": [], **{k: v for k, v in facts.items() if v is not None}}
    attributes = _told({k: v for k, v in ISSUE.items() if k != "project"}, reads.resource, told)
    attributes["project"] = ref("Project", project)
    return [
        _project(project, facts.get("projectCategory"), site),
        _entity("Issue", resource.id, attributes, [uid("Project", project)]),
    ]


def _project(key: str, category: str | None, site: str) -> Json:
    above = [uid("Site", site)] + ([uid("ProjectCategory", category)] if category is not None else [])
    return _entity("Project", key, {"key": key}, above)


def _entity(kind: str, name: str, attributes: Mapping[str, Json], parents: list[Json]) -> Json:
    return {"uid": uid(kind, name), "attrs": attributes, "parents": parents}


def input_record(schema: Mapping[str, str], reads: Reads, given: Mapping[str, Any]) -> Json:
    """`context.input`: what is read of it, and the least for what is not."""
    return _told(schema, reads.input, given)


def _told(schema: Mapping[str, str], read: Iterable[str], facts: Mapping[str, Any]) -> dict[str, Json]:
    """The attributes of a record. Raises ValueError when one that is read must be there and is not."""
    told: dict[str, Json] = {}
    for name, kind in schema.items():
        if name in read and facts.get(name) is not None:
            told[name] = facts[name]
        elif name in read and kind[-1] != "?":
            raise ValueError(f"`{name}` is not known")
        elif kind[-1] != "?":
            told[name] = LEAST[kind]
    return told


def call_record(values: Mapping[str, Any]) -> Json:
    """`context.call` with the values that are read, and any for the others."""
    record: dict[str, Json] = {name: values.get(name, 0) for name in CALL}
    record["now"] = moment(values.get("now", 0.0))
    record["weekday"] = ref("Weekday", values.get("weekday", WEEKDAYS[0]))
    return record
