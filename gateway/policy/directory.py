"""The data beside the rules: which assistants there are, who is cleared for what, which names exist.

    agents.yaml       groups of assistants, and for each OAuth client its groups and budgets
    clearances.yaml   issue security level -> groups of people who may see it
    known.yaml        names of groups, projects and project categories that rules may use

The known names are there because Cedar cannot know them: a misspelt group in a `forbid` is a rule that
never matches, and nobody would notice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.errors import ConfigError
from gateway.policy.plain import Mapped, Reader, read


@dataclass(frozen=True, slots=True)
class Agent:
    """What the registry says of an assistant. Budgets are writes an hour; None is no budget."""

    groups: frozenset[str] = frozenset()
    writes_per_hour: int | None = None
    ceiling_per_hour: int | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """The data of one bundle."""

    agents: Mapping[str, Agent] = field(default_factory=dict)
    default_agent: Agent = Agent()
    levels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Issue security level -> groups that are cleared for it."""
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Cedar entity type without its namespace -> names that rules may use."""

    def agent(self, client: str) -> Agent:
        """What is known of an OAuth client; the default for one that is not listed."""
        return self.agents.get(client, self.default_agent)

    def clearances(self, groups: frozenset[str]) -> tuple[str, ...]:
        """The levels that somebody in `groups` may see."""
        return tuple(sorted(level for level, cleared in self.levels.items() if cleared & groups))


def read_directory(files: Mapping[str, bytes]) -> Directory:
    """The data files of a bundle. Raises `ConfigError` that names every problem with file and line."""
    known, wrong_names = _names(files)
    agents, wrong_agents = _agents(files, known)
    levels, wrong_levels = _levels(files, known)
    if problems := [*wrong_names, *wrong_agents, *wrong_levels]:
        raise ConfigError(problems)
    default = agents.pop("", Agent())
    return Directory(agents, default, levels, known)


def _open(files: Mapping[str, bytes], name: str) -> tuple[Mapped, Reader]:
    reader = Reader(name)
    if name not in files:
        reader.wrong(None, "this file is missing; copy it from the shipped policies")
        return Mapped(), reader
    try:
        return read(name, files[name]), reader
    except ConfigError as wrong:
        reader.problems += wrong.problems
        return Mapped(), reader


def _names(files: Mapping[str, bytes]) -> tuple[dict[str, frozenset[str]], list[str]]:
    names, reader = _open(files, "known.yaml")
    reader.only(names, "groups", "projects", "categories")
    kinds = {"groups": "Group", "projects": "Project", "categories": "ProjectCategory"}
    return {kind: frozenset(reader.texts(names, key)) for key, kind in kinds.items()}, reader.problems


def _agents(
    files: Mapping[str, bytes], known: dict[str, frozenset[str]]
) -> tuple[dict[str, Agent], list[str]]:
    """The assistants by client id, the default under the empty one; adds their groups to `known`."""
    whole, reader = _open(files, "agents.yaml")
    reader.only(whole, "groups", "default", "clients")
    known["AgentGroup"] = frozenset(reader.texts(whole, "groups"))
    clients = reader.mapping(whole, "clients")
    found = {"": _agent(reader.mapping(whole, "default"), reader, known["AgentGroup"])}
    for client in clients:
        if not client:
            reader.wrong(clients, "a client must have an id")
        found[client or ""] = _agent(reader.mapping(clients, client), reader, known["AgentGroup"])
    return found, reader.problems


def _agent(entry: Mapped, reader: Reader, known: frozenset[str]) -> Agent:
    reader.only(entry, "groups", "writesPerHour", "ceilingPerHour")
    groups = frozenset(reader.texts(entry, "groups"))
    for group in sorted(groups - known):
        reader.wrong(entry, f"the assistant group `{group}` is not listed under `groups`")
    return Agent(groups, reader.number(entry, "writesPerHour"), reader.number(entry, "ceilingPerHour"))


def _levels(
    files: Mapping[str, bytes], known: Mapping[str, frozenset[str]]
) -> tuple[dict[str, frozenset[str]], list[str]]:
    whole, reader = _open(files, "clearances.yaml")
    found = {level: frozenset(reader.texts(whole, level)) for level in whole}
    for level, groups in found.items():
        for group in sorted(groups - known["Group"]):
            reader.wrong(whole, f"`{level}` names the group `{group}`, which known.yaml does not list")
    return found, reader.problems
