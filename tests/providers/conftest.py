"""Each provider is started once for all its tests, and what was shown is told in a table at the end.

.work/identity/acceptance.md      the table, provider by mode by source by scenario
"""

from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.providers.keycloak import Keycloak
from tests.providers.oidc_provider import OidcProvider
from tests.providers.place import Place
from tests.providers.provider import Parties, Provider
from tests.providers.sandbox_provider import SandboxProvider
from tests.providers.signing import SigningPlace

PROVIDERS: dict[str, Callable[[Parties], Provider]] = {
    "keycloak": Keycloak,
    "oidc-provider": OidcProvider,
    "sandbox": SandboxProvider,
}
HERE = Path(__file__).parent
WRITTEN = HERE.parents[1] / ".work/identity/acceptance.md"


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROVIDERS)
async def provided(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    """A whole gateway in front of one provider, at which assistants sign in."""
    async with Place(tmp_path_factory.mktemp(request.param), PROVIDERS[request.param]) as place:
        yield place


@pytest.fixture(scope="session")
def mode(request: pytest.FixtureRequest) -> str:
    """Where assistants sign in; at the provider, where a test does not say so."""
    return str(getattr(request, "param", Place.mode))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def place(provided: Place, mode: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """That gateway, or one beside it at which assistants sign in."""
    if mode == Place.mode:
        yield provided
        return
    async with SigningPlace(provided, tmp_path_factory.mktemp(mode)) as place:
        yield place


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever is in this folder needs the providers' programs."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.needs_providers)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print and write the table of the acceptance suite, when it ran."""
    lines = list(_table(terminalreporter.stats))
    if len(lines) > 2:
        terminalreporter.write_line("\n".join(lines))
        WRITTEN.parent.mkdir(parents=True, exist_ok=True)
        WRITTEN.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(stats: dict[str, list[Any]]) -> Iterable[str]:
    yield "| provider | assistants sign in at | source | scenario | shown |"
    yield "| --- | --- | --- | --- | --- |"
    for outcome in ("failed", "error", "passed"):
        for report in stats.get(outcome, []):
            told = dict(getattr(report, "user_properties", []))
            if "scenario" in told and (outcome != "passed" or report.when == "call"):
                shown = told.get("shown", "") if outcome == "passed" else outcome.upper()
                where = "the gateway" if told.get("mode") == "signin" else "the provider"
                yield f"| {told['provider']} | {where} | {told['source']} | {told['scenario']} | {shown} |"
