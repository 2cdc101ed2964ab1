"""A token endpoint's good answer is believed only after it was checked; a wrong one is thrown away.

It must be the caller's, for Jira alone, worth what was asked and no more, and live no longer than the
caller's own token. What is wrong with it goes to the operator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import clock
from gateway.credential import Verify
from gateway.credential.endpoint import Answer
from gateway.credential.refusals import unusable
from gateway.errors import Unauthenticated, Unavailable
from gateway.model import Bearer, Caller

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name of RFC 8693 §3
JWT = "urn:ietf:params:oauth:token-type:jwt"


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer must be."""

    scopes: frozenset[str]
    """What the call needs."""
    allowed: frozenset[str]
    """What the token may be worth at most."""
    outlives: float = 0.0
    """Seconds that it may outlive the caller's token, for providers that give every token its own life. The
    grant is never used beyond the caller's token either way."""
    issuer: str = ""
    """Whose token it must be; empty: that of the caller's own issuer."""


def thrown_away(why: str) -> Unavailable:
    """The answer is not believed."""
    return unusable(f"the provider's answer was thrown away: {why}")


def access_token(answer: Answer, allowed: frozenset[str], *, kinds: tuple[str | None, ...] = ()) -> Bearer:
    """The access token of a well-formed answer (RFC 6749 §5.1, RFC 8693 §2.2.1).

    `kinds` are the `issued_token_type`s that will do, where the answer must have one.
    """
    if not answer.body:
        raise thrown_away("not a JSON object")
    token, scope = answer.body.get("access_token"), answer.body.get("scope", "")
    if not isinstance(token, str) or not token:
        raise thrown_away("access_token is missing")
    if kinds and answer.body.get("issued_token_type") not in kinds:
        raise thrown_away("issued_token_type is not an access token")
    if str(answer.body.get("token_type")).lower() != "bearer":
        raise thrown_away("token_type is not Bearer")
    if not isinstance(scope, str) or not frozenset(scope.split()) <= allowed:
        raise thrown_away("scope is more than was asked")
    return Bearer(token)


async def proven(token: Bearer, verify: Verify) -> Caller:
    """What the token says, verified like any token of that issuer, for the audience of `verify`."""
    try:
        return await verify(token)
    except Unauthenticated as wrong:
        raise thrown_away(wrong.private) from None
    except Unavailable as failed:
        raise unusable(f"the answer cannot be verified: {failed.private}") from None


def check(proof: Caller, caller: Caller, expected: Expected) -> None:
    """The token is the caller's, for what was asked and no longer. (Its audience was verified.)"""
    if proof.issuer != (expected.issuer or caller.issuer):
        raise thrown_away("iss is another")
    check_worth(proof, caller, expected)


def check_worth(proof: Caller, caller: Caller, expected: Expected, *, subject: str | None = None) -> None:
    """The same where another issuer made the token, which knows the caller as `subject`."""
    if proof.subject != (caller.subject if subject is None else subject):
        raise thrown_away("sub is another person")
    if proof.service:
        raise thrown_away("it is a program's own token")
    if not proof.scopes <= expected.allowed:
        raise thrown_away("scope is more than was asked")
    if not expected.scopes <= proof.scopes:
        raise thrown_away("scope is less than was asked")
    if proof.expires_at > caller.expires_at + expected.outlives:
        raise thrown_away("exp is beyond the caller's token")


def end(body: Mapping[str, Any], latest: float) -> float:
    """Unix seconds; `expires_in` (RFC 6749 §5.1) may only shorten what the token says."""
    seconds = body.get("expires_in", latest)
    if type(seconds) not in (int, float) or not seconds > 0:
        raise thrown_away("expires_in is malformed")
    return float(min(latest, clock.wall() + seconds))
