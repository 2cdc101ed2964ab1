"""The vocabulary of the rules, generated from the tools. Committed as `policies/schema.cedarschema`.

Whatever the gateway cannot guarantee is optional (`?`): strict validation then makes the author of a
rule write `has`, so that no rule fails for want of a fact. Small fixed vocabularies are enumerations, so
that a misspelt one is an error when the rules are loaded.
"""

from collections.abc import Iterable, Mapping

from gateway.model import ActionSpec, Effect

RESULT = "issue_in_results"
"""Not a tool: the action that is asked for each issue which a search, a link or a parent would show."""

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ASSURANCES = ("attested", "asserted")

ISSUE = {
    "project": "Project",
    "issueType": "String",
    "status": "String",
    "statusCategory": "String",
    "priority": "String?",
    "labels": "Set<String>",
    "components": "Set<String>",
    "securityLevel": "String?",
    "reporter": "String?",
    "assignee": "String?",
}
"""Attributes of an issue. Labels are in lower case; persons are accountIds; a level is its name."""

USER = {
    "issuer": "String",
    "subject": "String",
    "email": "String?",
    "mfa": "Bool",
    "amr": "Set<String>",
    "acr": "String?",
    "authTime": "datetime?",
    "clearances": "Set<String>",
    "service": "Bool",
}

AGENT = {
    "client": "String",
    "assurance": "Assurance",
    "writesPerHour": "Long?",
    "ceilingPerHour": "Long?",
}

CALL = {
    "now": "datetime",
    "hour": "Long",
    "weekday": "Weekday",
    "writesLastHour": "Long",
    "agentWritesLastHour": "Long",
}


def groups_of(action: ActionSpec) -> tuple[str, ...]:
    """The action groups that a tool is in, the nearest first."""
    match action.effect, action.target:
        case Effect.READ, "Issue":
            return ("discloseIssue", "read")
        case Effect.READ, _:
            return ("read",)
        case Effect.DESTROY, _:
            return ("delete", "write")
        case _:
            return ("write",)


def with_results(actions: Iterable[ActionSpec]) -> dict[str, ActionSpec]:
    """All actions by name: the tools, and `issue_in_results`."""
    every = [*actions, ActionSpec(RESULT, Effect.READ, "Issue", {})]
    return {action.name: action for action in sorted(every, key=lambda a: (a.name == RESULT, a.name))}


def cedar_schema(actions: Iterable[ActionSpec]) -> str:
    """The text of `schema.cedarschema`."""
    return _HEAD.format(
        user=_record(USER, "    "),
        agent=_record(AGENT, "    "),
        issue=_record(ISSUE, "    "),
        call=_record(CALL, "    "),
        weekdays=_quoted(WEEKDAYS),
        assurances=_quoted(ASSURANCES),
        actions="\n".join(_action(action) for action in with_results(actions).values()),
    )


def _action(action: ActionSpec) -> str:
    return (
        f"  action {action.name} in [{groups_of(action)[0]}] appliesTo {{\n"
        f"    principal: [User],\n"
        f"    resource: [{action.target}],\n"
        f"    context: {{\n"
        f"      agent: Agent, call: Call, discharged: Set<String>,\n"
        f"      input: {{{_inline(action.input)}}},\n"
        f"    }},\n"
        f"  }};"
    )


def _inline(attributes: Mapping[str, str]) -> str:
    return ", ".join(_attribute(name, kind) for name, kind in sorted(attributes.items()))


def _record(attributes: Mapping[str, str], indent: str) -> str:
    return "\n".join(f"{indent}{_attribute(name, kind)}," for name, kind in attributes.items())


def _attribute(name: str, kind: str) -> str:
    return f"{name}?: {kind[:-1]}" if kind.endswith("?") else f"{name}: {kind}"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


_HEAD = """\
// The vocabulary of the rules. Generated: `jira-agent-gateway tools --cedar-schema`. Do not edit.
namespace Jira {{

  // The person, as the identity provider vouches for them. `mfa` is worked out from `amr` (RFC 8176).
  // `service`: it is no person but a program, whose token is its own.
  entity Group;
  entity User in [Group] = {{
{user}
  }};

  // The assistant: the OAuth client that the person uses. Its groups and budgets come from agents.yaml.
  entity AgentGroup;
  entity Assurance enum [{assurances}];
  entity Agent in [AgentGroup] = {{
{agent}
  }};

  // What is acted on, as Jira returned it. A security level is known by its name, a person by accountId;
  // labels are in lower case.
  entity Site;
  entity ProjectCategory;
  entity Project in [Site, ProjectCategory] = {{
    key: String,
  }};
  entity Issue in [Project] = {{
{issue}
  }};

  // When, and how often already: in UTC; writes of this person with this agent, and of everybody with it.
  entity Weekday enum [{weekdays}];
  type Call = {{
{call}
  }};

  // Groups of tools.
  action read;
  action discloseIssue in [read];
  action write;
  action delete in [write];

  // One action a tool; issue_in_results is asked for each issue that a search or a link would show.
{actions}
}}
"""
