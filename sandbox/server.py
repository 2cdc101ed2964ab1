"""What the two simulated authorization servers have in common: people, apps, tokens, a clock, and how a
person says yes.

    GET  the authorization request: a page, or the answer at once where a test says who agrees
    POST its form: the person, and yes or no
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from gateway import clock
from sandbox.consent import APPROVE, App, Asked, answer, ask, person_of, refusal
from sandbox.idp.shelf import Shelf
from sandbox.idp.wire import OAuthError, Params, form
from sandbox.jira.faults import Faults
from sandbox.people import Person
from sandbox.rotation import RotatingTokens, Rules

C = TypeVar("C")


class Server(ABC, Generic[C]):
    """Its state and its pages. `C` is what an authorization code stands for."""

    title: ClassVar[str]
    action: ClassVar[str]
    """Where the page's form goes."""
    wrong: ClassVar[str]
    """What the page says to a wrong name or password."""
    declined: ClassVar[Mapping[str, str]] = {}
    """What a no is answered with besides its error."""

    def __init__(
        self, *, apps: Sequence[App], people: Mapping[str, Person], rules: Rules, code_seconds: float
    ) -> None:
        self.apps = {app.id: app for app in apps}
        self.people = people
        self.rules = rules
        self.tokens = RotatingTokens(rules, self.now)
        self.code_seconds = code_seconds
        self.faults = Faults()
        """Before each request; of the token endpoint with `effect=True` the rotation happens all the same."""
        self.clock_skew = 0.0
        self.counts: Counter[str] = Counter()
        """Requests of the token endpoint by grant type."""
        self.pending: Shelf[Asked] = Shelf(lambda: 600.0, self.now)
        self.codes: Shelf[C] = Shelf(lambda: self.code_seconds, self.now)

    def now(self) -> float:
        """Unix seconds by the server's clock."""
        return clock.wall() + self.clock_skew

    @abstractmethod
    def read(self, params: Params) -> Asked:
        """The authorization request, checked. Raises `OAuthError`."""

    @abstractmethod
    def code(self, asked: Asked, person: Person, params: Params) -> C:
        """What the person's yes gives."""

    def more(self) -> str:
        """HTML of fields of the page that this server alone has."""
        return ""

    async def show(self, request: Request) -> Response:
        """GET."""
        try:
            params = Params.parse(request.scope["query_string"])
            asked = self.read(params)
        except OAuthError as error:
            return refusal(error.description)
        if (name := params.get(APPROVE)) is not None:
            person = self.people.get(name)
            return refusal(f"There is no {name}.") if person is None else self._yes(asked, person, params)
        return self._ask(self.pending.put(asked), asked)

    async def decide(self, request: Request) -> Response:
        """POST."""
        params = await form(request)
        transaction = params.get("transaction") or ""
        asked = self.pending.get(transaction)
        if asked is None:
            return refusal("This page is no longer good. Begin again.")
        if params.get("answer") != "allow":
            self.pending.pop(transaction)
            return answer(asked, error="access_denied", **self.declined)
        person = person_of(self.people, params.get("user") or "", params.get("password") or "")
        if person is None:
            return self._ask(transaction, asked, self.wrong)
        self.pending.pop(transaction)
        return self._yes(asked, person, params)

    def _yes(self, asked: Asked, person: Person, params: Params) -> Response:
        return answer(asked, code=self.codes.put(self.code(asked, person, params)))

    def _ask(self, transaction: str, asked: Asked, wrong: str = "") -> Response:
        return ask(transaction, asked, self.title, action=self.action, more=self.more(), wrong=wrong)
