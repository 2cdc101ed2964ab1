"""Which facts the rules read, worked out from the rules.

Only these facts are told to Cedar, kept in the record and part of a memo's key, so an answer can depend
on nothing that is not in its key. What is not understood counts as read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.model import ActionSpec
from gateway.policy.cedar import Json
from gateway.policy.rules import Rule, entities, walk
from gateway.policy.schema import AGENT, CALL, ISSUE, USER, groups_of

Path = tuple[str, ...]
_MEMBERSHIP = {
    "principal": {"Group"},
    "resource": {"Project", "ProjectCategory", "Site"},
    "context": {"AgentGroup"},
}


@dataclass(frozen=True, slots=True)
class Reads:
    """What the rules that can apply to one action read of its resource, input and circumstances."""

    identity: bool
    """Whether a rule names a single issue."""
    resource: tuple[str, ...]
    """Attributes of the issue besides its project and the project's category, which always count."""
    input: tuple[str, ...]
    call: tuple[str, ...]
    steps: Mapping[str, tuple[int | str, ...]] = field(default_factory=dict)
    """Counts of `call` that are only compared, and with what: numbers, or the agent's budgets by name."""


@dataclass(frozen=True, slots=True)
class PersonReads:
    """What all rules together read of the person and the agent."""

    identity: bool
    """Whether a rule names a single person."""
    client: bool
    """Whether a rule names a single OAuth client."""
    user: tuple[str, ...]
    groups: frozenset[str]
    agent_groups: frozenset[str]


def person_reads(rules: Iterable[Rule]) -> PersonReads:
    """What the rules read of who calls."""
    rules = list(rules)
    paths = {path for rule in rules for path in read_paths(rule.body)}
    named = {pair for rule in rules for pair in entities(rule.body)}
    user = {path[1] for path in paths if path[0] == "principal" and len(path) > 1}
    whole = ("principal",) in paths
    agents = {path[2:] for path in paths if path[:2] == ("context", "agent")}
    return PersonReads(
        identity=whole or bool(user & {"subject", "email"}),
        client=("context",) in paths or () in agents or ("client",) in agents,
        user=tuple(name for name in USER if whole or name in user),
        groups=frozenset(name for kind, name in named if kind == "Group"),
        agent_groups=frozenset(name for kind, name in named if kind == "AgentGroup"),
    )


def action_reads(rules: Iterable[Rule], action: ActionSpec) -> Reads:
    """What the rules that can apply to `action` read."""
    bodies = [rule.body for rule in rules if applies(rule, action)]
    paths = {path for body in bodies for path in read_paths(body)}
    whole = ("context",) in paths
    return Reads(
        identity=("resource",) in paths,
        resource=tuple(
            name
            for name in ISSUE
            if name != "project" and (("resource",) in paths or _reads(paths, ("resource", name)))
        ),
        input=tuple(
            name
            for name in sorted(action.input)
            if whole or ("context", "input") in paths or _reads(paths, ("context", "input", name))
        ),
        call=tuple(
            name
            for name in CALL
            if whole or ("context", "call") in paths or _reads(paths, ("context", "call", name))
        ),
        steps={} if whole or ("context", "call") in paths else _steps(bodies),
    )


def _steps(bodies: list[Json]) -> dict[str, tuple[int | str, ...]]:
    """What each count is compared with, for counts that are used in no other way."""
    found = {}
    nodes = [node for body in bodies for node in walk(body)]
    for name in ("writesLastHour", "agentWritesLastHour"):
        count = {".": {"left": {".": {"left": {"Var": "context"}, "attr": "call"}}, "attr": name}}
        pairs = [node[op] for op in ("<", "<=", ">", ">=", "==", "!=") for node in nodes if op in node]
        other = [
            b for p in pairs for a, b in ((p["left"], p["right"]), (p["right"], p["left"])) if a == count
        ]
        limits = [_limit(node) for node in other]
        if len(limits) == nodes.count(count) and None not in limits:
            found[name] = tuple(limit for limit in dict.fromkeys(limits) if limit is not None)
    return found


def _limit(node: Json) -> int | str | None:
    """A number, or the name of one of the agent's budgets."""
    value = node.get("Value")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    path = _path(node) or ()
    return (
        path[2]
        if path[:2] == ("context", "agent") and path[2:] in (("writesPerHour",), ("ceilingPerHour",))
        else None
    )


def _reads(paths: Iterable[Path], wanted: Path) -> bool:
    return any(path[: len(wanted)] == wanted for path in paths)


def applies(rule: Rule, action: ActionSpec) -> bool:
    """Whether the rule's head lets it apply to `action`."""
    head = rule.body["action"]
    if head["op"] == "All":
        return True
    named = head["entities"] if "entities" in head else [head["entity"]]
    return bool({entity["id"] for entity in named} & {action.name, *groups_of(action)})


def unknown_words(rule: Rule, actions: Mapping[str, ActionSpec]) -> Iterator[str]:
    """Attributes that nothing has. Cedar refuses them after a dot, but takes `has` for a question: it is
    false for ever, and a forbid behind it never matches."""
    inputs = {name for action in actions.values() if applies(rule, action) for name in action.input}
    known: dict[Path, Iterable[str]] = {
        ("principal",): USER,
        ("resource",): (*ISSUE, "key"),
        ("resource", "project"): ("key",),
        ("context",): ("agent", "call", "input", "discharged"),
        ("context", "agent"): AGENT,
        ("context", "call"): CALL,
        ("context", "input"): inputs,
    }
    for path in sorted(read_paths(rule.body)):
        for end in range(1, len(path)):
            if path[end] not in known.get(path[:end], ()):
                yield f"`{'.'.join(path[: end + 1])}` does not exist"
                break


def read_paths(body: Json) -> set[Path]:
    """Every attribute path a rule reads; `("resource",)` alone means the thing itself, whole."""
    found = {path for condition in body["conditions"] for path in _paths(condition["body"])}
    for variable in ("principal", "resource"):
        head = body[variable]
        inside = head.get("in", head)
        if "entity" in inside and (head["op"] == "==" or not _is_membership(variable, [inside["entity"]])):
            found.add((variable,))
    return found


def _paths(node: Json) -> Iterator[Path]:
    if isinstance(node, list):
        for item in node:
            yield from _paths(item)
    elif isinstance(node, dict) and not _only_asks_kind(node):
        path = _path(node)
        if path is not None:
            yield path
        else:
            for value in node.values():
                yield from _paths(value)


def _path(node: Mapping[str, Json]) -> Path | None:
    """`resource.project.key` or `resource has project` as a tuple; None when it is neither."""
    if "Var" in node:
        return (node["Var"],)
    for operator in (".", "has"):
        if operator in node:
            base = _path(node[operator]["left"])
            return None if base is None else (*base, node[operator]["attr"])
    return None


def _only_asks_kind(node: Mapping[str, Json]) -> bool:
    """Whether a node asks of a variable only its type, or what groups or projects it is in."""
    if "is" in node:
        path = _path(node["is"]["left"])
        inside = node["is"].get("in")
        return path is not None and (inside is None or _literal(path, inside))
    if "in" in node:
        path = _path(node["in"]["left"])
        return path is not None and _literal(path, node["in"]["right"])
    return False


def _literal(path: Path, node: Json) -> bool:
    if path not in (("principal",), ("resource",), ("context", "agent"), ("action",)):
        return False
    members = node.get("Set", [node])
    uids = [member.get("Value") for member in members]
    if not all(isinstance(uid, dict) and "__entity" in uid for uid in uids):
        return False
    return path == ("action",) or _is_membership(path[0], [uid["__entity"] for uid in uids])


def _is_membership(variable: str, uids: Iterable[Mapping[str, str]]) -> bool:
    return {uid["type"].removeprefix("Jira::") for uid in uids} <= _MEMBERSHIP[variable]
