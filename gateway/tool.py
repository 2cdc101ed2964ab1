"""What a tool is: one typed function, from which everything else about it is derived.

    @tool(effect=Effect.WRITE, on=issue)
    async def jira_comment(jira: JiraSession, key: IssueKey, body: Markdown) -> Receipt:
        '''Add a comment to an issue.'''

Name, description, input and output schema, Cedar action and `context.input`, resource, MCP
annotations, OAuth scopes and digest come from the function. A READ function runs when the line
*looks*, and its answer is what policy decides on; a WRITE or DESTROY function runs when the line
*acts*, after its target was looked at as the caller. A parameter annotated `Looked` receives what
was looked at (Jira's JSON). A tool is never handed a token, nor the caller.
"""

import hashlib
import importlib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

import jsonschema_rs
import msgspec
import orjson

from gateway import jql
from gateway.errors import InvalidCall, JiraRefused, OutcomeUnknown, Unavailable, UnknownTool
from gateway.jira import JiraSession
from gateway.model import (
    ActionSpec,
    Answer,
    Caller,
    Decision,
    Effect,
    Resource,
    Result,
    ToolCall,
    ToolRequest,
)
from gateway.parameter import (
    AccountId,
    IssueKey,
    Jql,
    Kind,
    Line,
    Markdown,
    Name,
    PageSize,
    PageToken,
    Parameter,
    ProjectKey,
    cleaned,
    explained,
    input_schema,
    output_schema,
    parameters,
    projected,
    projection,
)
from gateway.target import Looked, Target, issue, project, site

__all__ = [
    "AccountId", "Bound", "Effect", "InvalidCall", "IssueKey", "JiraRefused", "Jql", "Line", "Looked",
    "Markdown", "Name", "PageSize", "PageToken", "ProjectKey", "Registry", "Sight", "Target", "Tool",
    "issue", "project", "site", "tool",
]  # fmt: skip

READ_SCOPE = "jira:read"
WRITE_SCOPE = "jira:write"


class Sight(msgspec.Struct, frozen=True):
    """What was looked at, and the resources in it that policy must decide on."""

    resources: tuple[Resource, ...]
    looked: Looked | None = None
    answer: Answer | None = None


Function = Callable[..., Awaitable[Answer]]
Exact = Callable[[Looked, Mapping[str, Any]], Mapping[str, Any]]
"""From what was looked at and the arguments: parts of `context.input` in Jira's own spelling."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A declared tool."""

    name: str
    title: str
    description: str
    effect: Effect
    target: Target
    function: Function
    exact: Exact | None
    parameters: tuple[Parameter, ...]
    looked_parameter: str | None
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    idempotent: bool
    additive: bool
    """Whether it only adds: nothing that was there is changed or lost (MCP `destructiveHint: false`)."""
    digest: str
    validator: Any
    answer_validator: Any

    @property
    def scopes(self) -> tuple[str, ...]:
        """The OAuth scopes that a caller's token needs."""
        return (READ_SCOPE,) if self.effect is Effect.READ else (READ_SCOPE, WRITE_SCOPE)

    def annotations(self) -> dict[str, Any]:
        """MCP tool annotations."""
        return {
            "title": self.title,
            "readOnlyHint": self.effect is Effect.READ,
            "destructiveHint": self.effect is not Effect.READ and not self.additive,
            "idempotentHint": self.idempotent,
            "openWorldHint": True,
        }


class Bound(msgspec.Struct, frozen=True):
    """A valid call of one tool, ready to look and to act."""

    tool: Tool
    call: ToolCall

    def under(self, admitted: Decision) -> "Bound":
        """The same call within what was admitted: its JQL narrowed, its page capped."""
        if admitted.narrowing is None and not admitted.obligations:
            return self
        arguments = dict(self.call.arguments)
        for p in self.tool.parameters:
            if p.kind is Kind.JQL and admitted.narrowing is not None:
                arguments[p.name] = jql.narrow(arguments[p.name], admitted.narrowing)
            if p.name == "max_results" and admitted.maximum is not None:
                arguments[p.name] = min(arguments[p.name], admitted.maximum)
        return Bound(self.tool, msgspec.structs.replace(self.call, arguments=arguments))

    async def look(self, jira: JiraSession) -> Sight:
        """As the caller: for a read the answer itself, for a write its target."""
        if self.tool.effect is Effect.READ:
            answer = await self.tool.function(jira, **self.call.arguments)
            return Sight(tuple(answer.resources()), answer=answer)
        looked = await self.tool.target.look(jira, self.call.target_id)
        return Sight((self.tool.target.resource(looked),), looked=looked)

    def settled(self, sight: Sight) -> "Bound":
        """The same call, its `input` made exact: policy decides on what would happen, not on how it was said.

        "done", "Done" and the name of a transition that leads there are one to Jira, so they are to policy.
        """
        if self.tool.exact is None or sight.looked is None:
            return self
        exact = self.tool.exact(sight.looked, self.call.arguments)
        return Bound(self.tool, msgspec.structs.replace(self.call, input={**self.call.input, **exact}))

    def checked(self, result: Result) -> Result:
        """`result`, if it has the promised form. Otherwise raises `Unavailable`, or after a write `OutcomeUnknown`."""
        if self.tool.answer_validator.is_valid(result.structured):
            return result
        problem = next(self.tool.answer_validator.iter_errors(result.structured))
        where = ".".join(map(str, problem.schema_path))
        if self.tool.effect is Effect.READ:
            raise Unavailable(
                "The answer lacks its promised form; tell the operator.", part="gateway", private=where
            )
        raise OutcomeUnknown(
            "Jira took the change, but its answer is unusable: look at it in Jira.", private=where
        )

    async def act(self, jira: JiraSession, sight: Sight) -> Answer:
        """The effect; for a read, what was looked at."""
        if sight.answer is not None:
            return sight.answer
        extra = {self.tool.looked_parameter: sight.looked} if self.tool.looked_parameter else {}
        return await self.tool.function(jira, **self.call.arguments, **extra)


_declared: dict[str, Tool] = {}


def tool(
    *,
    effect: Effect,
    on: Target,
    title: str,
    idempotent: bool | None = None,
    additive: bool = False,
    exact: Exact | None = None,
) -> Callable[[Function], Function]:
    """Declare a tool. `idempotent` defaults to True for reads and False for the rest; `additive` as in `Tool`.

    `exact` must not raise: what Jira does not know stays as it was said, and the function refuses it.
    """

    def declare(function: Function) -> Function:
        again = effect is Effect.READ if idempotent is None else idempotent
        made = replace(_make(function, effect, on, title, again, additive), exact=exact)
        _declared[made.name] = made
        return function

    return declare


def _make(
    function: Function, effect: Effect, on: Target, title: str, idempotent: bool, additive: bool
) -> Tool:
    hints = get_type_hints(function)
    looked = next((name for name, hint in hints.items() if hint is Looked and name != "return"), None)
    first = next(iter(inspect.signature(function).parameters))
    found = parameters(function, frozenset({first, looked or first}), on.parameter)
    if on.parameter and on.parameter not in {p.name for p in found}:
        raise TypeError(f"{function.__name__} acts on {on.kind} but has no parameter `{on.parameter}`")
    schema, answers = input_schema(found), output_schema(hints["return"].shape)
    made = Tool(
        name=function.__name__,
        title=title,
        description=inspect.getdoc(function) or "",
        effect=effect,
        target=on,
        function=function,
        exact=None,
        parameters=found,
        looked_parameter=looked,
        input_schema=schema,
        output_schema=answers,
        idempotent=idempotent,
        additive=additive,
        digest="",
        validator=jsonschema_rs.validator_for(dict(schema)),
        answer_validator=jsonschema_rs.validator_for(dict(answers)),
    )
    facts = [made.name, made.description, made.input_schema, made.output_schema, made.annotations()]
    digest = hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return replace(made, digest=f"sha256:{digest}")


class Registry:
    """The tools of one gateway, in a fixed order."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = {t.name: t for t in sorted(tools, key=lambda t: t.name)}

    @classmethod
    def load(cls, modules: Iterable[str]) -> "Registry":
        """Import the modules named in the settings and take the tools that they declare."""
        names = list(modules)
        for name in names:
            importlib.import_module(name)
        return cls(t for t in _declared.values() if t.function.__module__ in names)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def actions(self) -> tuple[ActionSpec, ...]:
        """The tools as policy knows them: what the Cedar schema is generated from."""
        return tuple(
            ActionSpec(
                t.name,
                t.effect,
                t.target.kind,
                projected(t.parameters, writes=t.effect is not Effect.READ),
            )
            for t in self
        )

    def bind(self, caller: Caller, request: ToolRequest) -> Bound:
        """The call, valid and typed. Raises `InvalidCall`; an unknown tool is one as well."""
        found = self._tools.get(request.name)
        if found is None:
            raise UnknownTool
        given = {} if request.arguments is None else request.arguments
        if not found.validator.is_valid(given):
            raise InvalidCall(explained(next(found.validator.iter_errors(given))))
        arguments = cleaned(found.parameters, given)
        target = arguments[found.target.parameter] if found.target.parameter else ""
        return Bound(
            found,
            ToolCall(
                caller=caller,
                tool=found.name,
                effect=found.effect,
                schema_digest=found.digest,
                arguments=arguments,
                input=projection(found.parameters, arguments, writes=found.effect is not Effect.READ),
                target=found.target.kind,
                target_id=target,
                scopes=found.scopes,
                request=request,
            ),
        )
