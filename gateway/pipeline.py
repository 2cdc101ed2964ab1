"""The line: who calls, what they ask, whether it may be tried, as whom at Jira, then
look, decide, write it down, act, release.

Nothing here knows how a stage does its work. Whatever fails, fails as a `GatewayError` of the stage
that failed, and the trail has written it down before it leaves.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol

from gateway.credential import CredentialSource, GrantOrder
from gateway.errors import StepUpRequired, Unauthenticated
from gateway.gate import Gate
from gateway.identity import Authenticator
from gateway.jira import JiraSession
from gateway.model import Bearer, Caller, Decision, Grant, Resource, Result, ToolCall, ToolRequest
from gateway.policy import PolicyEngine
from gateway.redact import redact
from gateway.tool import Registry, Tool


class Trail(Protocol):
    """The record of one call in the making. Raises only `Sealed`."""

    def caller(self, caller: Caller) -> None: ...

    def call(self, call: ToolCall) -> None: ...

    def admitted(self, decision: Decision) -> None: ...

    def granted(self, grant: Grant) -> None: ...

    def looked(self, resources: Sequence[Resource]) -> None: ...

    def jira(self, status: int, request_id: str) -> None: ...

    async def commit(self, decision: Decision) -> None:
        """The decision is durable when this returns."""

    async def release(self, result: Result) -> Result:
        """The outcome is durable when this returns; only then may the result leave."""


class Recorder(Protocol):
    """Opens a trail for each call; counts strangers."""

    def trail(self, request: ToolRequest) -> AbstractAsyncContextManager[Trail]: ...

    def stranger(self, source: str, code: str) -> None:
        """One failed authentication from `source`."""


class Jira(Protocol):
    """One Jira site."""

    def session(
        self,
        grant: Grant,
        heard: Callable[[int, str], None],
        renew: Callable[[Grant], Awaitable[Grant]],
    ) -> JiraSession: ...


class Pipeline:
    """The sentence that every call is."""

    def __init__(
        self,
        *,
        identity: Authenticator,
        tools: Registry,
        policy: PolicyEngine,
        credentials: CredentialSource,
        jira: Jira,
        audit: Recorder,
        gate: Gate,
    ) -> None:
        self.identity = identity
        self.tools = tools
        self.policy = policy
        self.credentials = credentials
        self.jira = jira
        self.audit = audit
        self.gate = gate

    async def authenticate(self, bearer: Bearer | None, source: str) -> Caller:
        """The caller. Raises `Unauthenticated` (counted by `source`) or `Unavailable`."""
        try:
            if bearer is None:
                raise Unauthenticated("no token", presented=False)
            return await self.identity.authenticate(bearer)
        except Unauthenticated as refused:
            self.audit.stranger(source, refused.code)
            raise

    def visible(self, caller: Caller) -> frozenset[str]:
        """Names of the tools that this caller's policy could allow on something."""
        return self.policy.visible(caller)

    async def call(self, bearer: Bearer, request: ToolRequest) -> Result:
        """The answer to one tool call. Raises a `GatewayError`."""
        async with self.audit.trail(request) as trail:
            caller = await self.identity.authenticate(bearer)
            trail.caller(caller)
            with self.gate.place(caller):
                bound = self.tools.bind(caller, request)
                trail.call(bound.call)
                if bound.tool.name in self.policy.visible(caller):  # of a hidden one policy tells the rule
                    require_scopes(bound.tool, caller)
                admitted = self.policy.admit(bound.call)
                if not admitted.allowed:
                    await trail.commit(admitted)
                    admitted.enforce()
                trail.admitted(admitted)
                bound = bound.under(admitted)
                order = GrantOrder(caller, bound.call.effect)
                grant = await self.credentials.grant(order)
                trail.granted(grant)
                jira = self.jira.session(grant, trail.jira, partial(self._again, order, trail))
                sight = await bound.look(jira)
                trail.looked(sight.resources)
                bound = bound.settled(sight)
                decision = admitted.joined(self.policy.decide(bound.call, sight.resources))
                await trail.commit(decision)
                decision.enforce()
                answer = await bound.act(jira, sight)
                return await trail.release(bound.checked(redact(answer, decision)))

    async def _again(self, order: GrantOrder, trail: Trail, refused: Grant) -> Grant:
        """Another grant for the same order, when Jira refused the first as expired."""
        grant = await self.credentials.grant(GrantOrder(order.caller, order.effect, refused))
        trail.granted(grant)
        return grant


def require_scopes(tool: Tool, caller: Caller) -> None:
    """RFC 6750 §3.1: the token must carry every scope of the tool; a write scope implies the read scope."""
    held = caller.scopes | ({"jira:read"} if "jira:write" in caller.scopes else set())
    missing = [scope for scope in tool.scopes if scope not in held]
    if missing:
        raise StepUpRequired(
            f"Sign in again and grant {_listed(missing)}: this tool needs it.", scopes=tool.scopes
        )


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
