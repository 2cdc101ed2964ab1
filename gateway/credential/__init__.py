"""As whom at Jira: a credential of that very person, or an error. There is no fallback.

The stage raises only `ConsentRequired`, `LinkRefused` (the linked account turned out to be another
person's), `StepUpRequired`, `Unauthenticated` (the provider says the subject token is dead) and
`Unavailable` with part `credential`, `vault` or `store`.

A way to a credential is one file in `credential/sources/`: its `Settings`, and `build`, which makes a
`CredentialSource` of them and of the `Parts` that the gateway hands to all alike.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gateway.credential.keys import ClientKeys
from gateway.credential.renewal import Refresher
from gateway.http import Outward
from gateway.model import Account, Bearer, Caller, Effect, Grant, Person, Secret


@dataclass(frozen=True, slots=True)
class GrantOrder:
    """What the line needs a credential for: this caller, a read or a write."""

    caller: Caller
    effect: Effect
    refused: Grant | None = None
    """A grant that Jira has just refused as expired: it is not given again."""


class CredentialSource(Protocol):
    """Turns a caller into a `Grant` at one Jira."""

    async def grant(self, order: GrantOrder) -> Grant:
        """A grant whose subject is the caller; with `order.refused`, another one than that."""

    def forget(
        self, issuer: str, subject: str, *, client: str = "", actor: str = "", session: str = ""
    ) -> None:
        """Drop every grant that is kept in this process for callers whom all of these fit; empty fits everybody.

        What a person linked is theirs whatever they call with: only their own name drops it.
        """

    def state(self) -> tuple[bool, str]:
        """(ready, one line for `/readyz`)."""


class Linking(Protocol):
    """What a source that people link through their browser offers besides (`linked.py` implements it).

    `write` asks for what writes need: a page gets it as `?scope=write` and passes it to both calls.
    `redirect_uri` is the `callback_url` of the `Parts`.
    """

    @property
    def lasts_days(self) -> int | None:
        """After so many days the person must connect again, however often the grant was refreshed."""

    @property
    def apps_url(self) -> str:
        """Where the person ends what Jira keeps of a connection that was ended here; empty without such a page."""

    def authorize_url(self, *, state: str, challenge: str, redirect_uri: str, write: bool = False) -> str:
        """Where the browser goes: the authorization request (RFC 6749 §4.1.1) with PKCE S256."""

    async def complete(
        self,
        person: Person,
        *,
        code: str,
        verifier: str,
        redirect_uri: str,
        write: bool = False,
        confirmed: str | None = None,
    ) -> Account:
        """Redeem the code at once, match the Jira account with the person, and keep the grant.

        Raises `LinkRefused`, `ConfirmationNeeded` (with the account; nothing is kept for use) or
        `Unavailable`. After `ConfirmationNeeded` the same call with `confirmed`, the account id that the
        person confirmed in the browser, ends it; the code, used up by then, is not looked at again.
        """

    async def unlink(self, person: Person) -> None:
        """The person disconnects: the grant is destroyed here."""


Events = Callable[..., Awaitable[None]]
"""(kind, **fields) -> once this is durable in the record. Raises `Sealed`."""


async def unrecorded(kind: str, **fields: object) -> None:
    """`Events` that keeps nothing."""


Verify = Callable[[Bearer], Awaitable[Caller]]
"""Verifies a token of one issuer for exactly one audience. Raises `Unauthenticated` or `Unavailable`."""


class Verifier(Protocol):
    """How tokens that are not for us are verified."""

    def __call__(self, issuer: str, audience: str, by: str = "") -> Verify:
        """Those of `issuer` for `audience`; or those of `by`, another authorization server of the same
        provider, which writes its tokens as `issuer` does and signs them with its own keys."""


@dataclass(frozen=True, slots=True)
class SubjectToken:
    """What proves to the provider that a person has signed in with us: their ID token or a refresh token."""

    token: Secret
    kind: Literal["id_token", "refresh_token"] = "id_token"


SubjectTokens = Callable[[Caller], Awaitable[SubjectToken | None]]
"""That of the very sign-in with us that the caller's token comes from, while it is good; None without one."""


async def nobody_signed_in(caller: Caller) -> SubjectToken | None:
    """`SubjectTokens` where nobody signs in with us."""
    return None


Presented = Callable[[Caller], Awaitable[Caller]]
"""The caller as their provider knows them: with its access token, and no longer than that lives. Asked right
before the provider is. Raises `Unauthenticated` when it does not stand behind the sign-in any more, and
`Unavailable`."""


async def as_they_came(caller: Caller) -> Caller:
    """`Presented` where callers bring the provider's own access token."""
    return caller


@dataclass(frozen=True, slots=True)
class Parts:
    """What the gateway hands to every source of one site."""

    outward: Outward
    site: str
    """The site's name; also the `upstream` of what is kept for it."""
    site_url: str
    issuers: Mapping[str, str]
    """Name of each configured provider -> its issuer identifier."""
    verifier: Verifier
    whose: Callable[[str], Awaitable[Account]]
    """(access token) -> the account that the site's `/myself` names. Raises `Unavailable`."""
    connect_url: str
    """Where a person links this site, in a browser that is signed in."""
    callback_url: str = ""
    """Where the authorization server sends the browser back; registered there, letter for letter."""
    events: Events = unrecorded
    """Puts what happens to a link on record: `link.made`, `link.refused`, `link.ended`."""
    vendors: Mapping[str, str] = field(default_factory=dict)
    """Name of each configured provider -> the token profile of the settings (`keycloak`, `entra`, …)."""
    keys: ClientKeys | None = None
    """What the gateway signs its client assertions with (`private_key_jwt`)."""
    subject: Presented = as_they_came
    """For sources that obtain a grant with the caller's own token: whose token the provider is shown."""
    subject_token: SubjectTokens = nobody_signed_in
    """For sources that need more of a person than the access token that came with the call (`idjag`)."""
    refresher: Refresher | None = None
    """The vault and who refreshes in it; None when no vault is configured."""
