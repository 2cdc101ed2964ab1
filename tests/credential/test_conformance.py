"""The exchange keeps what every credential source promises; the linked sources: `test_linked.py`."""

from dataclasses import dataclass, field

import pytest

from gateway.credential.sources.exchange import ExchangeSource
from gateway.model import Bearer, Caller, Grant
from tests.credential.conformance import Conformance
from tests.credential.conftest import Bench
from tests.credential.test_exchange import subject
from tests.identity.server import SECRET


@dataclass
class ExchangeParty:
    """A `Party` whose grants are exchanged."""

    bench: Bench
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> ExchangeSource:
        return self.bench.source

    async def caller(self, name: str) -> Caller:
        if name not in self.tokens:
            self.tokens[name] = self.bench.idp.mint(sub=name)
        return await self.bench.identity.authenticate(Bearer(self.tokens[name]))

    def owner(self, grant: Grant) -> str:
        return subject(grant)

    def secrets(self) -> list[str]:
        sent = [form["subject_token"] for form in self.bench.idp.exchanges]
        signatures = [token.rpartition(".")[2] for token in (*sent, *self.tokens.values())]
        return [SECRET, *signatures]

    def slow(self, seconds: float) -> None:
        self.bench.idp.faults.delay = seconds

    async def down(self) -> None:
        await self.bench.idp.stop()

    async def withdraw(self, name: str) -> None:
        await self.caller(name)
        self.bench.idp.faults.dead |= {self.tokens[name]}


class TestExchange(Conformance):
    """RFC 8693."""

    @pytest.fixture
    async def party(self, bench: Bench) -> ExchangeParty:
        """The provider knows ana and bo, and takes no token of mallory's."""
        party = ExchangeParty(bench)
        await party.withdraw("mallory")
        return party
