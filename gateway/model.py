"""The nouns of the line. Each is frozen; none can print a secret.

Those that are made anew for every call are `msgspec.Struct`s, which cost a fifth of a frozen dataclass.

Unverified and verified data have different types, so the type checker proves that nobody reads
a claim that was not checked: a `Bearer` is what came in, `VerifiedClaims` is what it proved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NewType, Protocol

import msgspec

from gateway.errors import Denied, StepUpRequired
from gateway.secret import Secret as Secret

Bearer = NewType("Bearer", str)
"""An access token as presented, not yet verified."""

VerifiedClaims = NewType("VerifiedClaims", dict[str, Any])
"""The claims of a token whose signature, issuer, audience, type and times were checked."""


class Effect(StrEnum):
    """What a tool does to Jira; becomes the MCP annotations."""

    READ = "read"
    WRITE = "write"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. The identity key is (issuer, subject), never an e-mail address."""

    issuer: str
    subject: str
    client: str
    """OAuth client id: which assistant."""
    scopes: frozenset[str]
    expires_at: float
    """Unix seconds; nothing derived from this token outlives it."""
    token: Secret
    """The presented access token; only the credential stage reveals it, to the identity provider."""
    token_id: str = ""
    """`jti`."""
    actor: str | None = None
    """The *current* actor (RFC 8693 §4.1 `act.sub`); prior actors never decide."""
    assurance: str = "asserted"
    """How sure we are which client it is: `attested` or `asserted`."""
    groups: frozenset[str] = frozenset()
    """Roles that the provider's groups map to here; the only groups that policy sees."""
    claimed_groups: frozenset[str] = frozenset()
    """Groups as the provider sent them; for `explain` and `doctor`, never for a decision."""
    service: bool = False
    """Whether the token is a program's own (client credentials) and stands for no person."""
    session: str = ""
    """`sid`: the sign-in at the provider that the token comes from, where it says so."""
    family: str = ""
    """Our own name for the sign-in, where assistants sign in with us: all tokens of one consent."""
    issued_at: float = 0.0
    """`iat`, Unix seconds; a revocation ends what was issued before it."""
    email: str | None = None
    acr: str | None = None
    amr: frozenset[str] = frozenset()
    auth_time: float | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """(issuer, subject, client): what per-caller state is kept under."""
        return (self.issuer, self.subject, self.client)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in through a browser, or on whose behalf we refresh: no token, no client."""

    issuer: str
    subject: str
    email: str | None = None
    """Only when the provider says that it is verified."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """A Jira account as `/myself` names it."""

    id: str
    """Cloud: `accountId`; Data Center: `key`."""
    email: str = ""
    name: str = ""


class ToolRequest(msgspec.Struct, frozen=True):
    """What was asked, as it came over the wire. Not yet validated."""

    name: str
    arguments: Any
    source: str = ""
    """Peer address, for the record and for counting strangers."""
    protocol: str = ""
    """MCP revision."""
    call_id: str = ""
    """Our correlation id: in the record, in the log and in the error text."""


class Resource(msgspec.Struct, frozen=True):
    """A thing in Jira that policy decides about, with the facts that Jira returned.

    `kind` is the Cedar entity type (`Issue`, `Project`, `Site`). `id` is the issue key, project key
    or site name. `facts` uses the attribute names of `schema.cedarschema`; absent means unknown.
    """

    kind: str
    id: str
    facts: Mapping[str, Any] = {}


class ToolCall(msgspec.Struct, frozen=True):
    """A request bound to its tool and caller: valid, typed, not yet allowed."""

    caller: Caller
    tool: str
    """The tool's name, which is also the Cedar action."""
    effect: Effect
    schema_digest: str
    arguments: Mapping[str, Any]
    input: Mapping[str, Any]
    """The projection of the arguments that policy sees as `context.input` (camelCase names)."""
    target: str
    """Cedar type of the resource that is decided on: `Issue`, `Project` or `Site`."""
    target_id: str
    """The key as asked; the decision uses what Jira returns."""
    scopes: tuple[str, ...]
    """OAuth scopes that the caller's token needs for this tool."""
    request: ToolRequest


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """A tool as policy knows it: what the Cedar schema is generated from."""

    name: str
    effect: Effect
    target: str
    """Cedar type of its resource: `Issue`, `Project` or `Site`."""
    input: Mapping[str, str]
    """Attribute of `context.input` -> Cedar type, followed by `?` when it may be absent."""


@dataclass(frozen=True, slots=True)
class StepUp:
    """How a sign-in must be so that a refusal falls away (RFC 9470)."""

    acr_values: tuple[str, ...] = ()
    """Authentication context classes of which one would do."""
    max_age: int | None = None
    """seconds since the sign-in, at most."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that decided: its `@id`, its public `@reason`, and where it stands."""

    rule: str
    text: str
    where: str = ""
    step_up: StepUp | None = None
    """What would make a `forbid` fall away; None: no sign-in would."""


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something the gateway promised so that a standing forbid is discharged."""

    rule: str
    kind: str
    """`redact_fields` or `cap_results`."""
    fields: frozenset[str] = frozenset()
    maximum: int | None = None


class Decision(msgspec.Struct, frozen=True):
    """The policy's answer: effect, the rules behind it, the exact version, and what was asked."""

    allowed: bool
    reasons: tuple[Reason, ...]
    policy: str
    """Digest of the bundle that decided, `sha256:…`."""
    obligations: tuple[Obligation, ...] = ()
    errors: tuple[str, ...] = ()
    refused: frozenset[str] = frozenset()
    """Ids of the elements (issues of a search, links) that may not be shown."""
    narrowing: str | None = None
    """JQL that a search must be narrowed with; None when policy leaves it as it is."""
    facts: tuple[Mapping[str, Any], ...] = ()
    """The questions asked, for the record and for replay."""

    @property
    def redacted(self) -> frozenset[str]:
        """Jira field names that must not leave."""
        return frozenset().union(*(o.fields for o in self.obligations))

    @property
    def maximum(self) -> int | None:
        """The strictest cap on results, if any."""
        return min((o.maximum for o in self.obligations if o.maximum is not None), default=None)

    def joined(self, later: "Decision") -> "Decision":
        """This decision and a later one on the same call: both must allow; all their parts are kept."""
        return Decision(
            allowed=self.allowed and later.allowed,
            reasons=tuple(dict.fromkeys((*self.reasons, *later.reasons))),
            policy=later.policy,
            obligations=tuple(dict.fromkeys((*self.obligations, *later.obligations))),
            errors=(*self.errors, *later.errors),
            refused=self.refused | later.refused,
            narrowing=self.narrowing,
            facts=(*self.facts, *later.facts),
        )

    def enforce(self) -> None:
        """Raises `Denied` with the public reason and the rules, unless allowed; `StepUpRequired` when another
        sign-in is all that lacks."""
        if self.allowed and not self.errors:
            return
        rules = tuple(r.rule for r in self.reasons)
        why = " ".join(r.text for r in self.reasons) or "No rule allows this."
        named = f" (rule {', '.join(rules)})" if rules else ""
        asked = [reason.step_up for reason in self.reasons if reason.step_up is not None]
        if asked and len(asked) == len(self.reasons) and not self.errors:
            ages = [one.max_age for one in asked if one.max_age is not None]
            raise StepUpRequired(
                f"Sign in again{named}: {why}",
                acr_values=tuple(dict.fromkeys(acr for one in asked for acr in one.acr_values)),
                max_age=min(ages, default=None),
                rules=rules,
            )
        raise Denied(
            f"Refused by policy{named}: {why} Ask your security team if you need it.",
            rules=rules,
            private="; ".join(self.errors),
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """A credential for one person at one Jira."""

    issuer: str
    subject: str
    audience: str
    scopes: frozenset[str]
    expires_at: float
    secret: Secret
    source: str
    """Which credential source gave it, e.g. `exchange`."""
    id: str = ""
    """`jti` of the Jira-audience token, for the record."""
    account: str = ""
    """The Jira account that was linked, where one was: Jira must answer as this one."""
    broad: bool = False
    """Whether the credential could do more than the call needs (a read with a token that can write)."""
    scheme: str = "Bearer"
    """How Jira takes the secret: `Bearer`, or `Basic` for a service account's API token."""


class Answer(Protocol):
    """What a tool returns: Jira's data, still whole, that knows how to be cut and shown."""

    def resources(self) -> Sequence[Resource]:
        """Every resource whose content this answer would disclose."""

    def without(self, refused: frozenset[str], fields: frozenset[str], maximum: int | None) -> "Answer":
        """The same answer less refused elements, redacted fields, and elements beyond `maximum`."""

    def render(self) -> "Result":
        """The compact form that is released."""


class Result(msgspec.Struct, frozen=True):
    """What the assistant gets: structured content that fits the output schema, and short text."""

    structured: Mapping[str, Any]
    text: str
