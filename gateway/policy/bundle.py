"""A bundle: the rules, their vocabulary and their data at one moment, and the digest that names them.

`snapshot` copies a folder, `build` makes a bundle of the copy or says everything that is wrong with it. A
bundle never changes; a changed folder becomes another bundle.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from gateway import limits
from gateway.errors import ConfigError
from gateway.model import ActionSpec, Effect
from gateway.policy.cedar import CedarProblem, Rules, Schema, World, parse_rule
from gateway.policy.directory import Directory, read_directory
from gateway.policy.facts import LEAST, call_record, ref, uid
from gateway.policy.reads import PersonReads, Reads, action_reads, person_reads, unknown_words
from gateway.policy.rules import Rule, read_rules
from gateway.policy.schema import cedar_schema, with_results

READ = frozenset({".cedar", ".yaml", ".cedarschema"})
"""Suffixes of the files that make a bundle."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything that decisions are made with."""

    digest: str
    site: str
    actions: Mapping[str, ActionSpec]
    schema: Schema
    rules: Mapping[str, Rule]
    compiled: Rules
    directory: Directory
    reads: Mapping[str, Reads]
    """By action."""
    person: PersonReads
    cases: Mapping[str, bytes]
    """The files under `tests/`."""

    def without(self, rule: str) -> "Bundle":
        """The same bundle less one rule: what the cases should notice."""
        left = {name: r for name, r in self.rules.items() if name != rule}
        return replace(
            self,
            digest=f"{self.digest}-{rule}",
            rules=left,
            compiled=Rules(self.schema, {name: r.body for name, r in left.items()}),
            reads={a.name: action_reads(left.values(), a) for a in self.actions.values()},
            person=person_reads(left.values()),
        )


def snapshot(folder: Path) -> dict[str, bytes]:
    """The files of a bundle by their name within `folder`. Raises `ConfigError`."""
    if not folder.is_dir():
        raise ConfigError(
            [f"{folder}: there is no such folder; set `policy.dir` to the folder of the rules."]
        )
    files: dict[str, bytes] = {}
    problems: list[str] = []
    for path in sorted([*folder.iterdir(), *(folder / "tests").glob("*")]):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith("."):
            continue
        if path.is_dir() and path.name != "tests":
            problems.append(f"{name}: rules stand in the folder itself, so this folder would not be read.")
        elif path.suffix in (".yml", ".json"):
            problems.append(f"{name}: this file would not be read; name it `{path.stem}.yaml`.")
        elif path.suffix in READ:
            try:
                files[name] = _contents(path)
            except (OSError, ValueError) as wrong:
                problems.append(f"{name}:1: the file cannot be read ({wrong}).")
    if len(files) > limits.POLICY_FILES:
        problems.append(f"{folder}: a bundle has at most {limits.POLICY_FILES} files.")
    if problems:
        raise ConfigError(problems)
    return files


def _contents(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError("it is not a file, or a link to none")
    with path.open("rb") as file:
        found = file.read(limits.POLICY_BYTES + 1)
    if len(found) > limits.POLICY_BYTES:
        raise ValueError(f"more than {limits.POLICY_BYTES} bytes")
    return found


def digest_of(files: Mapping[str, bytes], schema: str, site: str) -> str:
    """`sha256:…` over every file with its name, and over the vocabulary that the gateway brings."""
    found = hashlib.sha256()
    for part in (site.encode(), schema.encode(), *(p for n in sorted(files) for p in (n.encode(), files[n]))):
        found.update(len(part).to_bytes(8, "big"))
        found.update(part)
    return f"sha256:{found.hexdigest()}"


def build(files: Mapping[str, bytes], actions: Iterable[ActionSpec], *, site: str = "jira") -> Bundle:
    """A bundle of the files of a snapshot. Raises `ConfigError` that names every problem."""
    tools = list(actions)
    text = cedar_schema(tools)
    problems: list[str] = []
    try:
        directory = read_directory(files)
    except ConfigError as wrong:
        directory, problems = Directory(), [*wrong.problems]
    schema = _schema(text)
    names = {**directory.known, "Site": frozenset({site})}
    rules, found = read_rules({n: f for n, f in files.items() if "/" not in n}, names if not problems else {})
    problems += found
    problems += _faults(schema, rules, with_results(tools))
    if not rules and not problems:
        problems.append("policies:1: there is no rule, so nothing would be allowed; add a `.cedar` file.")
    if problems:
        raise ConfigError(problems)
    _self_test(schema, tools, site)
    known = with_results(tools)
    return Bundle(
        digest=digest_of(files, text, site),
        site=site,
        actions=known,
        schema=schema,
        rules={rule.id: rule for rule in rules},
        compiled=Rules(schema, {rule.id: rule.body for rule in rules}),
        directory=directory,
        reads={action.name: action_reads(rules, action) for action in known.values()},
        person=person_reads(rules),
        cases={name: file for name, file in files.items() if name.startswith("tests/")},
    )


def _faults(schema: Schema, rules: Sequence[Rule], actions: Mapping[str, ActionSpec]) -> list[str]:
    """What strict validation refuses, and what it should."""
    faults = {
        (rules[i].where, words) for i, words in schema.faults([r.text for r in rules]) if i < len(rules)
    }
    told = {where for where, _ in faults}
    faults |= {(r.where, w) for r in rules if r.where not in told for w in unknown_words(r, actions)}
    return [f"{where}: {words}." for where, words in sorted(faults)]


def read(folder: Path, actions: Iterable[ActionSpec], *, site: str = "jira") -> Bundle:
    """The bundle in a folder, its own cases not yet run. Raises `ConfigError` that names every problem."""
    return build(snapshot(folder), actions, site=site)


@lru_cache(maxsize=4)
def _schema(text: str) -> Schema:
    try:
        return Schema(text)
    except CedarProblem as wrong:
        raise ConfigError([f"The vocabulary made from the tools is not valid Cedar: {wrong}."]) from None


def _self_test(schema: Schema, actions: list[ActionSpec], site: str) -> None:
    """Ask Cedar three questions whose answers we know, before it is asked any that we do not.

    A group of actions must be known to a question (it is not when a handle was made without the schema),
    a forbid must win, and a forbid that fails must refuse. Raises `ConfigError`.
    """
    asked = next((a for a in actions if a.effect is Effect.WRITE and a.target == "Project"), None)
    if asked is None:
        return
    permit, forbid = (
        'permit (principal, action in Jira::Action::"write", resource);',
        "forbid (principal, action",
    )
    world = World(
        schema, [{"uid": uid("Project", "X"), "attrs": {"key": "X"}, "parents": [uid("Site", site)]}]
    )
    question = {
        "principal": uid("User", ""),
        "action": uid("Action", asked.name),
        "resource": uid("Project", "X"),
        "context": _any_context(asked),
    }
    trials = {
        "a permit on a group of actions must allow": ([permit], True),
        "a forbid on a group of actions must win": (
            [permit, forbid + ' in Jira::Action::"write", resource);'],
            False,
        ),
        "a forbid that fails must refuse": (
            [permit, forbid + ", resource) when { 9223372036854775807 + context.call.hour > 0 };"],
            False,
        ),
    }
    for words, (texts, allowed) in trials.items():
        rules = Rules(schema, {f"rule{i}": parse_rule(text) for i, text in enumerate(texts)})
        (answer,) = rules.ask(world, [question])
        if answer.allowed is not allowed:
            raise ConfigError(
                [f"Cedar does not decide as it must: {words}. Install the locked versions again."]
            )


def _any_context(action: ActionSpec) -> dict[str, object]:
    return {
        "agent": ref("Agent", ""),
        "discharged": [],
        "call": call_record({"hour": 1}),
        "input": {n: LEAST[kind] for n, kind in action.input.items() if kind[-1] != "?"},
    }
