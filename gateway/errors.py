"""Everything that can go wrong with a call, told apart by type.

    GatewayError
    ├── Unauthenticated     nobody we know: HTTP 401
    ├── InvalidCall         the request is not of the tool's form; nothing was sent to Jira
    │   └── UnknownTool     no tool of that name
    ├── Denied              a policy rule, or the absence of one, refuses
    ├── StepUpRequired      the token lacks a scope or a fresh enough sign-in: HTTP 403 challenge
    ├── ConsentRequired     the person must link or consent first
    ├── LinkRefused         the Jira account is not that person's
    ├── ConfirmationNeeded  the person must say in the browser that the account is theirs
    ├── JiraRefused         Jira answered, and the answer is no
    ├── OutcomeUnknown      a write was sent and no answer came: it may or may not have happened
    ├── Unavailable         something that we need is down; nothing was changed
    └── Sealed              the record cannot be written, so nothing happens and nothing is released
    ConfigError             the settings are wrong; only ever raised at start

`public` is one sentence for the person (and the model) that says what to do next and tells a
stranger nothing. `private` is for the operator's log, under the call's correlation id.
"""


class GatewayError(Exception):
    """Root. `code` is stable and may be built upon; `retryable` says whether the same call may succeed later."""

    code = "error"
    retryable = False

    def __init__(self, public: str, *, private: str = "", rules: tuple[str, ...] = ()) -> None:
        super().__init__(public)
        self.public = public
        self.private = private
        self.rules = rules


class Unauthenticated(GatewayError):
    """RFC 6750 §3.1. `presented` is False when no token came at all (then no error code is told)."""

    code = "unauthenticated"

    def __init__(self, private: str = "", *, presented: bool = True) -> None:
        super().__init__("Sign in again: this access token is not accepted here.", private=private)
        self.presented = presented


class InvalidCall(GatewayError):
    """The tool, its arguments or their form is wrong."""

    code = "invalid_call"


class UnknownTool(InvalidCall):
    """No such tool: a protocol error in MCP (-32602), where other invalid calls are tool errors."""

    code = "unknown_tool"

    def __init__(self) -> None:
        super().__init__("There is no such tool here; list the tools and choose one of them.")


class Denied(GatewayError):
    """Refused by policy; `rules` are the ids of the rules that decided."""

    code = "denied"


class StepUpRequired(GatewayError):
    """RFC 6750 §3.1 `insufficient_scope` with all the `scopes` that this call needs; RFC 9470
    `insufficient_user_authentication` when the sign-in itself is too weak or too old; `insufficient_claims`
    when the provider wants more (Conditional Access)."""

    code = "insufficient_scope"

    def __init__(
        self,
        public: str,
        *,
        scopes: tuple[str, ...] = (),
        acr_values: tuple[str, ...] = (),
        max_age: int | None = None,
        claims: str = "",
        rules: tuple[str, ...] = (),
        private: str = "",
    ) -> None:
        super().__init__(public, private=private, rules=rules)
        if claims:
            self.code = "insufficient_claims"
        elif acr_values or max_age is not None:
            self.code = "insufficient_user_authentication"
        self.scopes = scopes
        self.acr_values = acr_values
        """RFC 9470: sign-in classes of which one would do."""
        self.max_age = max_age
        """RFC 9470: seconds since the person signed in, at most."""
        self.claims = claims
        """Entra's claims challenge, passed on as it came."""


class ConsentRequired(GatewayError):
    """The person must do something in a browser before this can work.

    `url` is ours and needs a signed-in browser; clients that can are asked to open it (MCP URL elicitation).
    """

    code = "consent_required"

    def __init__(self, public: str, *, url: str = "", private: str = "") -> None:
        super().__init__(public, private=private)
        self.url = url


class LinkRefused(GatewayError):
    """The Jira account is not the person's, or may not be linked; nothing is kept."""

    code = "link_refused"


class ConfirmationNeeded(GatewayError):
    """The person must confirm in the browser that the account is theirs; nothing is used before."""

    code = "confirmation_needed"

    def __init__(self, public: str, *, account: str, name: str = "", private: str = "") -> None:
        super().__init__(public, private=private)
        self.account = account
        self.name = name


class JiraRefused(GatewayError):
    """Jira answered with a refusal. `status` is Jira's HTTP status."""

    code = "jira_refused"

    def __init__(self, public: str, *, status: int, private: str = "") -> None:
        super().__init__(public, private=private)
        self.status = status


class OutcomeUnknown(GatewayError):
    """The write left us and no usable answer came back. Never retried by us."""

    code = "outcome_unknown"


class Unavailable(GatewayError):
    """`part` names what is down: `jira`, `identity`, `credential`, `vault`, `policy`, `store`."""

    code = "unavailable"
    retryable = True

    def __init__(self, public: str, *, part: str, private: str = "") -> None:
        super().__init__(public, private=private)
        self.part = part


class TokenRefused(Unavailable):
    """Jira refused an access token with HTTP 401, and did nothing: another one may do."""


class Sealed(GatewayError):
    """The audit log cannot be written. Left only by a good probe write."""

    code = "sealed"
    retryable = True

    def __init__(self, private: str = "") -> None:
        super().__init__(
            "The gateway cannot write its record and has stopped all calls. "
            "Tell the operator; nothing is answered until the record works again.",
            private=private,
        )


class ConfigError(Exception):
    """One or more settings are wrong. `problems` are complete sentences, one a problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
