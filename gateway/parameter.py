"""The types of tool parameters: each carries its JSON Schema and what policy may see of it.

A parameter's type decides its projection into `context.input`:

| type            | in the schema                 | in `context.input`                       |
| --------------- | ----------------------------- | ---------------------------------------- |
| IssueKey, ProjectKey | a pattern, ASCII only    | nothing when it names the target, else String |
| Markdown, Line  | a length limit                | nothing; its name is in `fields`         |
| Jql             | a length limit                | `jqlFields`: the fields it filters or sorts by |
| str, Literal, int, bool, list[str] | as usual   | String, String, Long, Bool, Set<String>  |
"""

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from gateway import jql, limits
from gateway.errors import InvalidCall


class Kind(StrEnum):
    """What a string means."""

    ISSUE = "issue"
    PROJECT = "project"
    TEXT = "text"
    JQL = "jql"


IssueKey = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{1,19}-[1-9][0-9]{0,9}$", description="Issue key, e.g. OPEN-12."),
    Kind.ISSUE,
]
ProjectKey = Annotated[
    str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{1,19}$", description="Project key, e.g. OPEN."), Kind.PROJECT
]
Markdown = Annotated[
    str, Meta(min_length=1, max_length=limits.MARKDOWN_CHARS, description="Text in Markdown."), Kind.TEXT
]
Line = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\u0000-\u001f\u007f]+$"), Kind.TEXT]
Jql = Annotated[str, Meta(min_length=1, max_length=limits.JQL_CHARS, description="A JQL query."), Kind.JQL]
PageSize = Annotated[
    int, Meta(ge=1, le=limits.PAGE_MAX, description=f"Results a page, 1 to {limits.PAGE_MAX}.")
]
PageToken = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=limits.PAGE_TOKEN_CHARS,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="The `next` of the page before, with all other arguments unchanged.",
    ),
    Kind.TEXT,
]
AccountId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9:_-]+$",
        description="Jira account id (see `jira_whoami`), or `unassigned`.",
    ),
]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\u0000-\u001f\u007f]+$")]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a tool."""

    name: str
    schema: Mapping[str, Any]
    kind: Kind | None
    cedar: str
    """Cedar type of its projection, or empty when policy does not see the value."""
    required: bool
    default: Any

    @property
    def attribute(self) -> str:
        """Its name in `context.input`: camelCase."""
        head, *rest = self.name.split("_")
        return head + "".join(part.title() for part in rest)


_CEDAR: dict[Any, str] = {str: "String", int: "Long", bool: "Bool"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def parameters(function: Any, skip: frozenset[str], target: str | None) -> tuple[Parameter, ...]:
    """The parameters of `function` less those in `skip`; `target` names the one that is the resource.

    Raises TypeError for an annotation that has no flat JSON Schema: an author's mistake, found at import.
    """
    import inspect

    hints = get_type_hints(function, include_extras=True)
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in skip:
            continue
        required = parameter.default is inspect.Parameter.empty
        found.append(
            _parameter(
                parameter.name,
                hints[parameter.name],
                required=required,
                default=None if required else parameter.default,
                is_target=parameter.name == target,
            )
        )
    return tuple(found)


def _parameter(name: str, hint: Any, *, required: bool, default: Any, is_target: bool) -> Parameter:
    hint = _without_none(hint)
    kind = next((extra for extra in get_args(hint)[1:] if isinstance(extra, Kind)), None)
    schema = {k: v for k, v in msgspec.json.schema(hint).items() if k != "title"}
    if {"$ref", "anyOf", "oneOf"} & schema.keys():
        raise TypeError(f"parameter {name}: only flat types are allowed, got {hint}")
    if not required and default is not None:
        schema["default"] = list(default) if isinstance(default, tuple) else default
    return Parameter(name, schema, kind, "" if is_target else _cedar(hint, kind), required, default)


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        members = [m for m in get_args(hint) if m is not type(None)]
        if len(members) == 1:
            return members[0]
    return hint


def _cedar(hint: Any, kind: Kind | None) -> str:
    if kind in (Kind.TEXT, Kind.JQL):
        return ""
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if get_origin(base) is Literal:
        return "String"
    if get_origin(base) in (list, tuple):
        return "Set<String>"
    return _CEDAR[base]


def projection(
    parameters: tuple[Parameter, ...], arguments: Mapping[str, Any], *, writes: bool
) -> dict[str, Any]:
    """What policy sees of `arguments` as `context.input`."""
    seen: dict[str, Any] = {
        p.attribute: arguments[p.name] for p in parameters if p.cedar and arguments.get(p.name) is not None
    }
    if "labels" in seen:
        seen["labels"] = sorted({label.lower() for label in seen["labels"]})  # as on an issue
    for p in parameters:
        if p.kind is Kind.JQL:
            seen["jqlFields"] = sorted(jql.fields(arguments[p.name]))
    if writes:
        seen["fields"] = sorted(
            p.name
            for p in parameters
            if (p.cedar or p.kind is Kind.TEXT) and arguments.get(p.name) not in (None, p.default)
        )
    return seen


def projected(parameters: tuple[Parameter, ...], *, writes: bool) -> dict[str, str]:
    """The Cedar types of `projection`'s attributes; `?` marks what may be absent."""
    found = {
        p.attribute: p.cedar + ("" if p.required or p.default is not None else "?")
        for p in parameters
        if p.cedar
    }
    if any(p.kind is Kind.JQL for p in parameters):
        found["jqlFields"] = "Set<String>"
    if writes:
        found["fields"] = "Set<String>"
    return found


def cleaned(parameters: tuple[Parameter, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Schema-valid arguments with defaults filled, keys in upper case, and JQL parsed.

    Raises `InvalidCall` for control characters and for JQL that does not parse.
    """
    arguments: dict[str, Any] = {}
    for p in parameters:
        value = given.get(p.name, p.default)
        for text in value if isinstance(value, list | tuple) else (value,):
            if isinstance(text, str) and _CONTROL.search(text):
                raise InvalidCall(f"`{p.name}` contains a control character; remove it and call again.")
        if p.kind is Kind.JQL:
            value = jql.parse(value)
            if value.where is None:
                raise InvalidCall(
                    f"`{p.name}` needs a restriction, e.g. `project = OPEN`; add one and call again."
                )
        elif p.kind in (Kind.ISSUE, Kind.PROJECT) and value is not None:
            value = value.upper()
        arguments[p.name] = value
    return arguments


def input_schema(found: tuple[Parameter, ...]) -> dict[str, Any]:
    """The JSON Schema of a call's arguments: flat, and closed to anything else."""
    return {
        "type": "object",
        "properties": {p.name: dict(p.schema) for p in found},
        "required": [p.name for p in found if p.required],
        "additionalProperties": False,
    }


def output_schema(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of an answer, with every definition in its place."""
    schema = msgspec.json.schema(shape)
    definitions = schema.pop("$defs", {})

    def inlined(node: Any) -> Any:
        if isinstance(node, list):
            return [inlined(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return inlined(definitions[node["$ref"].rsplit("/", 1)[1]])
        return {k: inlined(v) for k, v in node.items()}

    whole: dict[str, Any] = inlined(schema)
    return whole


def explained(problem: Any) -> str:
    """One sentence on what a schema found wrong, for `InvalidCall`."""
    where = ".".join(str(part) for part in problem.instance_path) or "the arguments"
    what = str(problem.message)
    return f"`{where}`: {what[:200]}. Correct it to the tool's input schema and call again."
