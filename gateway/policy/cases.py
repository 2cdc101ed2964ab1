"""The cases that a bundle brings along: named people, assistants and issues, and one line a case.

    people:     {default: {groups: [staff]}, lead: {groups: [staff, leads], amr: [pwd, otp]}}
    assistants: {default: {writesPerHour: 60}, small: {client: answers-in-short}}
    projects:   {OPEN: {category: products}}
    issues:     {OPEN-1: {labels: [no-ai]}}
    inputs:     {jira_search: {jqlFields: [project], maxResults: 25}}
    cases:
      - name: staff read
        tool: jira_get_issue
        target: OPEN-1
        expect: {decision: allow, because: [staff-read]}

A case may name its `person` and `assistant` (else `default`), `input` and `call` (facts of the call that
differ). `expect` has `decision` (allow or deny) and may have `because` (exactly the rules that decided),
`obligations` (exactly those) and `jql` (what this person's searches are narrowed to; null for nothing).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.errors import ConfigError
from gateway.model import Caller, Resource, Secret
from gateway.policy.directory import Agent
from gateway.policy.facts import LEAST, Circumstances, Moment
from gateway.policy.judge import Judge, Verdict
from gateway.policy.plain import Mapped, Reader, read
from gateway.policy.schema import RESULT
from gateway.policy.subjects import Subject

NOW = "2026-03-02T09:30:00Z"
"""When a case happens unless it says otherwise: a Monday."""

_ISSUE = {"issueType": "Task", "status": "To Do", "statusCategory": "new", "labels": [], "components": []}
_PERSON = ("issuer", "subject", "groups", "email", "amr", "acr", "authTime", "assurance", "service")


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case: what it expected and what the rules said. `decided` are the rules that it exercised."""

    name: str
    where: str
    expected: Mapping[str, Any]
    got: Mapping[str, Any]
    decided: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything that was expected was got."""
        return all(self.got.get(key) == value for key, value in self.expected.items())


@dataclass(frozen=True, slots=True)
class CasesReport:
    """All cases of a bundle. `survivors` are rules whose removal no case noticed; None when not tried."""

    policy: str
    results: tuple[CaseResult, ...]
    undecided: tuple[str, ...]
    """Rules that no case was decided by."""
    survivors: tuple[str, ...] | None = None
    rules: int = 0

    @property
    def failures(self) -> tuple[CaseResult, ...]:
        """The cases that did not pass."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def passed(self) -> bool:
        """Whether every case passed and, when tried, every removed rule was noticed."""
        return bool(self.results) and not self.failures and not self.survivors

    def data(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "policy": self.policy,
            "passed": self.passed,
            "rules": self.rules,
            "undecided": self.undecided,
            "survivors": self.survivors,
            "cases": [
                {
                    "name": r.name,
                    "where": r.where,
                    "passed": r.passed,
                    "expected": dict(r.expected),
                    "got": dict(r.got),
                    "rules": r.decided,
                }
                for r in self.results
            ],
        }


def run_cases(judge: Judge, *, mutate: bool = False) -> CasesReport:
    """Run the cases of the judge's bundle; `mutate` also removes each rule in turn. Raises `ConfigError`."""
    results = _results(judge)
    decided = {rule for result in results if result.passed for rule in result.decided}
    survivors = None
    if mutate:
        survivors = tuple(
            rule
            for rule in judge.bundle.rules
            if all(result.passed for result in _results(Judge(judge.bundle.without(rule))))
        )
    undecided = tuple(rule for rule in judge.bundle.rules if rule not in decided)
    return CasesReport(judge.bundle.digest, results, undecided, survivors, len(judge.bundle.rules))


def _results(judge: Judge) -> tuple[CaseResult, ...]:
    found: list[CaseResult] = []
    problems: list[str] = []
    for name in sorted(judge.bundle.cases):
        if name.endswith(".yaml"):
            stage = _Stage(judge, name, read(name, judge.bundle.cases[name]))
            found += stage.results()
            problems += stage.reader.problems
    if problems:
        raise ConfigError(problems)
    return tuple(found)


@dataclass
class _Stage:
    """One file of cases, and the people and things it names."""

    judge: Judge
    name: str
    file: Mapped
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = Reader(self.name)
        self.reader.only(self.file, "now", "people", "assistants", "projects", "issues", "inputs", "cases")

    def results(self) -> list[CaseResult]:
        cases = self.file.get("cases", [])
        if not isinstance(cases, list) or not all(isinstance(case, Mapped) for case in cases):
            self.reader.wrong(self.file, "`cases` must be a list of mappings")
            return []
        return [result for case in cases if (result := self._result(case)) is not None]

    def _result(self, case: Mapped) -> CaseResult | None:
        self.reader.only(case, "name", "person", "assistant", "tool", "target", "input", "call", "expect")
        expected = self.reader.mapping(case, "expect")
        self.reader.only(expected, "decision", "because", "obligations", "jql")
        if expected.get("decision") not in ("allow", "deny"):
            self.reader.wrong(case, "`expect` must have a `decision`: allow or deny")
        tool = case.get("tool")
        action = self.judge.bundle.actions.get(tool) if isinstance(tool, str) else None
        if action is None:
            self.reader.wrong(case, f"there is no tool `{tool}`")
            return None
        subject = self._subject(case)
        when = self._circumstances(case)
        given = self._input(case, action.name, action.input)
        target = self._target(case, action.target)
        if self.reader.problems or target is None:
            return None
        subjects = self.judge.subjects
        verdict = self.judge.verdict(subjects.question(subject, action.name, given, when), target)
        got = self._got(verdict, subject, when, wants_jql="jql" in expected)
        exact = {k: sorted(v) if k in ("because", "obligations") else v for k, v in expected.items()}
        where = f"{self.name}:{case.line}"
        return CaseResult(str(case.get("name", where)), where, exact, got, _decided(verdict))

    def _got(
        self, verdict: Verdict, subject: Subject, when: Circumstances, *, wants_jql: bool
    ) -> dict[str, Any]:
        got: dict[str, Any] = {
            "decision": "allow" if verdict.allowed else "deny",
            "because": sorted(reason.rule for reason in verdict.reasons),
            "obligations": sorted(promise.rule for promise in verdict.obligations),
        }
        if verdict.errors:
            got["errors"] = list(verdict.errors)
        question = self.judge.subjects.question(subject, RESULT, {}, when) if wants_jql else None
        if question is not None:
            got["jql"] = self.judge.outlook.search(question).jql
        return got

    def _named(self, case: Mapped, key: str, folder: str, default: str = "default") -> Mapped:
        """The entry of `folder` that the case names under `key`."""
        name = case.get(key, default)
        entries = self.reader.mapping(self.file, folder)
        if name not in entries and name != "default":
            self.reader.wrong(case, f"`{folder}` has no `{name}`")
        return self.reader.mapping(entries, name) if isinstance(name, str) else Mapped()

    def _subject(self, case: Mapped) -> Subject:
        entry = self._named(case, "person", "people")
        self.reader.only(entry, *_PERSON)
        registered = self._named(case, "assistant", "assistants")
        self.reader.only(registered, "client", "groups", "writesPerHour", "ceilingPerHour")
        client = str(registered.get("client", "some-assistant"))
        caller = Caller(
            issuer=str(entry.get("issuer", "https://idp.example.com")),
            subject=str(entry.get("subject", case.get("person", "default"))),
            client=client,
            scopes=frozenset(),
            expires_at=0.0,
            token=Secret(""),
            assurance=str(entry.get("assurance", "asserted")),
            groups=frozenset(self.reader.texts(entry, "groups")),
            email=entry.get("email"),
            acr=entry.get("acr"),
            amr=frozenset(self.reader.texts(entry, "amr")),
            auth_time=self._moment(entry, "authTime") if "authTime" in entry else None,
            service=entry.get("service") is True,
        )
        if registered.keys() <= {"client"}:
            return self.judge.subjects.subject(caller)
        agent = Agent(
            frozenset(self.reader.texts(registered, "groups")),
            self.reader.number(registered, "writesPerHour"),
            self.reader.number(registered, "ceilingPerHour"),
        )
        return self.judge.subjects.introduce(caller, agent)

    def _circumstances(self, case: Mapped) -> Circumstances:
        facts = self.reader.mapping(case, "call")
        self.reader.only(facts, "now", "writesLastHour", "agentWritesLastHour")
        return Moment(
            now=self._moment(facts if "now" in facts else self.file, "now"),
            writes=self.reader.number(facts, "writesLastHour") or 0,
            agent_writes=self.reader.number(facts, "agentWritesLastHour") or 0,
        )

    def _moment(self, at: Mapped, name: str) -> float:
        try:
            return datetime.fromisoformat(str(at.get(name, NOW)).replace("Z", "+00:00")).timestamp()
        except ValueError:
            self.reader.wrong(at, f'`{name}` must be a time such as "{NOW}"')
            return 0.0

    def _input(self, case: Mapped, tool: str, schema: Mapping[str, str]) -> dict[str, Any]:
        usual = self.reader.mapping(self.reader.mapping(self.file, "inputs"), tool)
        given = self.reader.mapping(case, "input")
        for at in (usual, given):
            self.reader.only(at, *schema)
        least = {name: LEAST[kind] for name, kind in schema.items() if kind[-1] != "?"}
        return {**least, **usual, **given}

    def _target(self, case: Mapped, kind: str) -> Resource | None:
        key = case.get("target", "")
        if kind == "Site":
            return Resource("Site", self.judge.bundle.site)
        if not isinstance(key, str) or not key:
            self.reader.wrong(case, f"`target` must name the {kind.lower()}")
            return None
        projects = self.reader.mapping(self.file, "projects")
        category = self.reader.mapping(projects, key.rpartition("-")[0] or key).get("category")
        if kind == "Project":
            return Resource("Project", key, {"key": key, **({"category": category} if category else {})})
        entry = self._named(case, "target", "issues")
        facts = {"project": key.rpartition("-")[0], **_ISSUE, **entry}
        if category:
            facts["projectCategory"] = category
        return Resource("Issue", key, facts)


def _decided(verdict: Verdict) -> tuple[str, ...]:
    named: Sequence[str] = [reason.rule for reason in verdict.reasons]
    return tuple(dict.fromkeys([*named, *(promise.rule for promise in verdict.obligations)]))
