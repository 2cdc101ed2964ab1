"""From a folder to a judge: only a bundle that passes its own cases is ever asked.

A deleted file of rules is valid Cedar. Only cases notice that it is gone, so a bundle without any is refused.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.errors import ConfigError
from gateway.model import ActionSpec
from gateway.policy.bundle import build, snapshot
from gateway.policy.cases import CaseResult, run_cases
from gateway.policy.judge import Judge


def load(folder: Path, actions: Iterable[ActionSpec], *, site: str = "jira") -> Judge:
    """The judge for the bundle in `folder`. Raises `ConfigError` that names every problem."""
    return proven(snapshot(folder), actions, site=site)


def proven(files: Mapping[str, bytes], actions: Iterable[ActionSpec], *, site: str = "jira") -> Judge:
    """The judge for a snapshot, its cases passed. Raises `ConfigError`."""
    judge = Judge(build(files, actions, site=site))
    report = run_cases(judge)
    if not report.results:
        raise ConfigError(
            ["tests:1: the bundle has no cases; a rule without a case is a hope. Add tests/*.yaml."]
        )
    if report.failures:
        raise ConfigError([failure(result) for result in report.failures])
    return judge


def failure(result: CaseResult) -> str:
    """One failed case as a sentence."""
    differing = {k: v for k, v in result.expected.items() if result.got.get(k) != v}
    wanted = ", ".join(f"{k} {v}" for k, v in differing.items())
    got = ", ".join(f"{k} {result.got.get(k)}" for k in {**differing, "because": 0})
    return f"{result.where}: the case “{result.name}” expects {wanted}; the rules say {got}."
