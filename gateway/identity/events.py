"""Security events that a provider pushes (SET, RFC 8417; Shared Signals, CAEP 1.0 and RISC 1.0).

A signed event about somebody becomes a revocation: what was issued to them until then is refused, on
every replica. An event can only take away, so a repeated one takes nothing more; each is acted on once.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from gateway import clock, limits
from gateway.errors import Unauthenticated
from gateway.identity.jwks import IssuerKeys, UnknownKey
from gateway.identity.profiles import IssuerProfile
from gateway.identity.revocation import Revocation
from gateway.jose import BadSignature, JoseError, parse
from gateway.store import Store

TYPE = "secevent+jwt"
_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC = "https://schemas.openid.net/secevent/risc/event-type/"
CUTS_OFF = frozenset(
    {
        f"{_CAEP}session-revoked",
        f"{_CAEP}credential-change",
        f"{_RISC}account-disabled",
        f"{_RISC}account-purged",
        f"{_RISC}account-credential-change-required",
        f"{_RISC}credential-compromise",
        f"{_RISC}sessions-revoked",
    }
)
"""Events after which nothing that was issued before holds."""

CutOff = Callable[[Iterable[Revocation]], Awaitable[object]]
"""Refuses them from now on, durably. Raises `Unavailable`."""


class NotTaken(Exception):
    """The event is refused: `err` is a code of RFC 8935 §2.4."""

    def __init__(self, err: str, description: str) -> None:
        super().__init__(description)
        self.err = err


class SecurityEvents:
    """Takes events of the providers that may push them."""

    def __init__(
        self,
        profiles: Iterable[IssuerProfile],
        keys: Mapping[str, IssuerKeys],
        cut_off: CutOff,
        store: Store,
        *,
        audience: str,
    ) -> None:
        """`profiles` of the providers with `events = true`; `audience` is what their events are for: our URL."""
        self._profiles = {one.issuer: replace(one, types=frozenset({TYPE})) for one in profiles}
        self._keys = keys
        self._cut_off = cut_off
        self._store = store
        self._audience = audience

    async def take(self, token: str) -> tuple[Revocation, ...]:
        """Who was cut off because of it; nobody for an event of another kind, or that was taken before.

        Raises `NotTaken`, and `Unavailable` when it could not be acted on: the provider then sends it again.
        """
        claims = await self._verified(token)
        found = [one for kind, event in claims["events"].items() for one in _cut(claims, kind, event)]
        if not found or await self._store.get(_seen(claims)) is not None:
            return ()
        await self._cut_off(found)
        # Done: now it need not be again.
        await self._store.put(_seen(claims), b"1", limits.EVENT_KEPT_SECONDS)
        return tuple(found)

    async def _verified(self, token: str) -> Mapping[str, Any]:
        if len(token) > limits.TOKEN_BYTES:
            raise NotTaken("invalid_request", "The event is too large.")
        try:
            unverified = parse(token)
            profile = self._profiles.get(str(unverified.claims.get("iss")))
            if profile is None:
                raise NotTaken("invalid_issuer", "This issuer sends no events here.")
            claims, _ = await self._keys[profile.issuer].signed(token, unverified, profile)
        except UnknownKey:
            raise NotTaken("invalid_key", "The issuer has no such key.") from None
        except BadSignature:
            raise NotTaken("authentication_failed", "The signature is wrong.") from None
        except (JoseError, Unauthenticated):
            raise NotTaken("invalid_request", "This is not a security event token.") from None
        return self._checked(claims, profile.issuer)

    def _checked(self, claims: Mapping[str, Any], issuer: str) -> Mapping[str, Any]:
        audience = claims.get("aud")
        if claims.get("iss") != issuer:
            raise NotTaken("invalid_issuer", "This issuer sends no events here.")
        named = [audience] if isinstance(audience, str) else audience
        if not isinstance(named, list) or self._audience not in named:
            raise NotTaken("invalid_audience", "The event is for somebody else.")
        issued, events = claims.get("iat"), claims.get("events")
        if (
            not isinstance(issued, int | float)
            or isinstance(issued, bool)
            or not isinstance(events, dict)
            or not events
        ):
            raise NotTaken("invalid_request", "`iat` and `events` must be there.")
        if not isinstance(claims.get("jti"), str) or not claims["jti"]:
            raise NotTaken("invalid_request", "`jti` must be there.")
        if issued > clock.wall() + limits.LEEWAY_SECONDS:
            raise NotTaken("invalid_request", "`iat` is in the future.")
        return claims


def _seen(claims: Mapping[str, Any]) -> str:
    return f"event:{claims['iss']}:{claims['jti']}"


def _cut(claims: Mapping[str, Any], kind: str, event: Any) -> list[Revocation]:
    """What an event takes away. Raises `NotTaken` when it says not of whom in a form that we know.

    A session that is named with its user ends the user too: not every provider's tokens name their session.
    """
    if kind not in CUTS_OFF:
        return []
    event = event if isinstance(event, dict) else {}
    subject = claims.get("sub_id") or event.get("subject")
    person, session = _subject(subject, claims["iss"])
    until = min(float(claims["iat"]), clock.wall())
    name = kind.rsplit("/", 1)[1]
    found = []
    if session:
        found.append(Revocation("session", until, claims["iss"], session=session, reason=name))
    if person:
        found.append(Revocation("user", until, claims["iss"], person, reason=name))
    if found:
        return found
    raise NotTaken("invalid_request", "The subject must be `iss_sub` of this issuer, or a session's id.")


def _subject(subject: Any, issuer: str) -> tuple[str, str]:
    """(subject, session) of a subject identifier (RFC 9493): `iss_sub`, `opaque`, or complex with both."""
    if not isinstance(subject, dict):
        return "", ""
    if "user" in subject or "session" in subject:
        return _subject(subject.get("user"), issuer)[0], _opaque(subject.get("session"))
    if subject.get("format") == "iss_sub" and subject.get("iss") == issuer:
        return str(subject.get("sub") or ""), ""
    return "", ""


def _opaque(subject: Any) -> str:
    found = subject.get("id") if isinstance(subject, dict) and subject.get("format") == "opaque" else ""
    return found if isinstance(found, str) else ""
