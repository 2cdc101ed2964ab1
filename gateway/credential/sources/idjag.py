"""Identity assertion (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant), in two steps.

    1  the person's provider      RFC 8693, requested_token_type=…:id-jag, audience=<the other's issuer>
                                  subject_token = the ID or refresh token of their sign-in with us
    2  Jira's authorization       RFC 7523, grant_type=…:jwt-bearer, assertion=<the ID-JAG>
       server                     -> an access token for Jira, as that person, without their consent page

Experimental: no Jira is known to take part. The assertion comes straight from the provider's own
endpoint, so what it says is compared here, and its signature is for the second server to check. The
access token may be opaque; whose it is, Jira itself says (`/myself`), by the rule of the settings.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Literal, Self

from gateway import clock, limits
from gateway.credential import Parts, Presented, SubjectToken, SubjectTokens, as_they_came
from gateway.credential.answers import access_token, end, thrown_away
from gateway.credential.client import OAuthClient
from gateway.credential.endpoint import Answer, Form, TokenEndpoint
from gateway.credential.match import Matching, MatchSettings, matching
from gateway.credential.onbehalf import OnBehalf, only_issuer
from gateway.credential.refusals import TABLES
from gateway.credential.scopes import ScopedSettings
from gateway.errors import ConfirmationNeeded, ConsentRequired, LinkRefused
from gateway.jose import JoseError, parse
from gateway.model import Account, Caller, Grant, Person, Secret
from gateway.settings import ClientSettings, ExactUrl, Field, model_validator

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_TYPE = "urn:ietf:params:oauth:token-type:"  # noqa: S105 - a name of RFC 8693 §3
ID_JAG = f"{TOKEN_TYPE}id-jag"
ASSERTION_TYPES = ("oauth-id-jag+jwt", "application/oauth-id-jag+jwt")

NOTE = (
    'jira.credential with `source = "idjag"` is experimental: no Jira is known to accept identity assertions. '
    "Use it with a server of your own that stands before Jira."
)


class Settings(ScopedSettings, ClientSettings, MatchSettings):
    """Identity assertions (ID-JAG), experimental: the provider vouches for the person to Jira's server."""

    source: Literal["idjag"] = Field("idjag", description="Identity assertion authorization grant.")
    experimental: bool = Field(
        False, description="Must be `true`: there is no Jira yet that is known to accept this."
    )
    token_endpoint: ExactUrl = Field(description="Step 1: the token endpoint of the person's provider.")
    authorization_server: ExactUrl = Field(description="Step 2: the issuer of Jira's authorization server.")
    authorization_token_endpoint: ExactUrl = Field(description="Step 2: its token endpoint.")
    authorization_client: ClientSettings = Field(
        description="The gateway's client at that server: a table with `client_id` and so on."
    )
    resource: str = Field(min_length=1, description="RFC 8707 `resource`: the API that tokens are for.")
    outlives: float = Field(
        3600.0,
        ge=0,
        description="Seconds that an answer may outlive the caller's token; it is not used longer.",
    )

    def notes(self) -> list[str]:
        return [NOTE]

    @model_validator(mode="after")
    def _on_purpose(self) -> Self:
        if not self.experimental:
            raise ValueError(
                "`experimental = true` is missing: no Jira is known to accept identity assertions"
            )
        if self.match == "confirm":
            raise ValueError("`match` must be `email` or `map`: there is no page on which to confirm")
        return self


class IdJagSource(OnBehalf):
    """A `CredentialSource` by identity assertion."""

    name: ClassVar[str] = "idjag"

    def __init__(
        self,
        settings: Settings,
        issuer: str,
        provider: TokenEndpoint,
        server: TokenEndpoint,
        people: "People",
        *,
        vendor: str = "generic",
        subject: Presented = as_they_came,
        cached: int = limits.GRANTS_CACHED,
    ) -> None:
        super().__init__(settings, issuer, provider, vendor, subject=subject, cached=cached)
        self._settings = settings
        self._server = server
        self._people = people

    def state(self) -> tuple[bool, str]:
        """As for every source, and what there is to say of our client at the second server."""
        (ready, told), (there_ready, there) = super().state(), self._server.state()
        return ready and there_ready, f"{told}; then {there}"

    async def _fetch(self, caller: Caller, scopes: frozenset[str]) -> Grant:
        assertion = await self._assertion(caller, scopes)
        form = [
            ("grant_type", JWT_BEARER),
            ("assertion", assertion.reveal()),
            ("scope", " ".join(sorted(scopes))),
        ]
        answer = await self._asked(self._server, form, assertion, vendor="generic")
        token = access_token(answer, scopes)
        ends = self._looked_at(answer, token, caller, scopes)
        account = await self._people.account(token, caller)
        return Grant(
            issuer=caller.issuer,
            subject=caller.subject,
            audience=self._settings.resource,
            scopes=scopes,
            expires_at=ends,
            secret=Secret(token),
            source=self.name,
            account=account.id,
        )

    async def _assertion(self, caller: Caller, scopes: frozenset[str]) -> Secret:
        """Step 1: the provider's word for the person, for that server and client alone."""
        subject = await self._people.signed_in(caller)
        form: Form = [
            ("grant_type", EXCHANGE),
            ("requested_token_type", ID_JAG),
            ("audience", self._settings.authorization_server),
            ("resource", self._settings.resource),
            ("scope", " ".join(sorted(scopes))),
            ("subject_token", subject.token.reveal()),
            ("subject_token_type", f"{TOKEN_TYPE}{subject.kind}"),
        ]
        answer = await self._asked(self._endpoint, form, subject.token)
        token = answer.body.get("access_token")
        if answer.body.get("issued_token_type") != ID_JAG or not isinstance(token, str):
            raise thrown_away("issued_token_type is not an identity assertion")
        try:
            found = parse(token)
        except JoseError as wrong:
            raise thrown_away(f"the assertion is {wrong}") from None
        if str(found.header.get("typ")).lower() not in ASSERTION_TYPES:
            raise thrown_away("typ is not that of an identity assertion")
        self._vouched(found.claims, caller, scopes)
        return Secret(token)

    def _vouched(self, claims: Mapping[str, Any], caller: Caller, scopes: frozenset[str]) -> None:
        """The assertion is the caller's, for the one server and our client there, and worth no more than asked."""
        resources = claims.get("resource", self._settings.resource)
        wrong = {
            "iss is another": claims.get("iss") != self._issuer,
            "sub is another person": claims.get("sub") != caller.subject,
            "aud is not that server alone": claims.get("aud")
            not in (self._settings.authorization_server, [self._settings.authorization_server]),
            "client_id is not ours": claims.get("client_id") != self._settings.authorization_client.client_id,
            "resource is another": resources not in (self._settings.resource, [self._settings.resource]),
            "scope is more than was asked": not _scopes(claims) <= scopes,
            "exp is too far": not _soon(claims.get("exp")),
        }
        for why, is_wrong in wrong.items():
            if is_wrong:
                raise thrown_away(f"assertion: {why}")

    def _looked_at(self, answer: Answer, token: str, caller: Caller, scopes: frozenset[str]) -> float:
        """When the access token ends; what can be read in it must fit. It may be opaque."""
        try:
            claims = parse(token).claims
        except JoseError:
            claims = {}
        if claims.get("aud", self._settings.resource) not in (
            self._settings.resource,
            [self._settings.resource],
        ):
            raise thrown_away("aud is not the resource alone")
        if not _scopes(claims) <= scopes:
            raise thrown_away("scope is more than was asked")
        ends = end(answer.body, math.inf)  # without `expires_in` it never ends, and that is too long
        latest = caller.expires_at + self._settings.outlives + limits.LEEWAY_SECONDS
        if max(ends, _time(claims.get("exp", 0))) > latest:
            raise thrown_away("exp is beyond the caller's token")
        return ends


class People:
    """Who has signed in with us, and whose a Jira account is."""

    def __init__(
        self,
        subject_token: SubjectTokens,
        whose: Callable[[str], Awaitable[Account]],
        rule: Matching,
        connect_url: str,
    ) -> None:
        self._subject_token = subject_token
        self._whose = whose
        self._rule = rule
        self._connect_url = connect_url

    async def signed_in(self, caller: Caller) -> SubjectToken:
        """What that person signed in with. Raises `ConsentRequired` when they have not signed in with us."""
        found = await self._subject_token(caller)
        if found is None:
            raise ConsentRequired(
                f"Sign in to this gateway in your browser at {self._connect_url}, then try again.",
                url=self._connect_url,
                private="idjag needs the ID token of a browser sign-in, and there is none",
            )
        return found

    async def account(self, token: str, caller: Caller) -> Account:
        """The Jira account behind the token. Raises `Unavailable` when it is not the person's."""
        account = await self._whose(token)
        try:
            person = Person(caller.issuer, caller.subject, email=caller.email)
            self._rule.linking(person, account, before="", confirmed=None)
        except (LinkRefused, ConfirmationNeeded) as refused:
            raise thrown_away(f"the account is another person's: {refused.private}") from None
        return account


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    found = claims.get("scope", "")
    return frozenset(found.split()) if isinstance(found, str) else frozenset({"?"})


def _time(value: Any) -> float:
    return float(value) if type(value) in (int, float) else float("inf")


def _soon(exp: Any) -> bool:
    """An assertion is spent at once: five minutes are plenty."""
    return clock.wall() < _time(exp) <= clock.wall() + limits.ID_JAG_SECONDS


def build(settings: Settings, parts: Parts) -> IdJagSource:
    """The source for one provider. Raises `ConfigError`."""
    name = only_issuer(settings, parts)
    issuer, server = parts.issuers[name], settings.authorization_server
    client = OAuthClient(settings, parts.keys, audience=issuer)
    there = OAuthClient(settings.authorization_client, parts.keys, audience=server)
    vendor = parts.vendors.get(name, "")
    return IdJagSource(
        settings,
        issuer,
        TokenEndpoint(parts.outward, settings.token_endpoint, client),
        TokenEndpoint(parts.outward, settings.authorization_token_endpoint, there),
        People(parts.subject_token, parts.whose, matching(settings, parts.issuers), parts.connect_url),
        vendor=vendor if vendor in TABLES else "generic",
        subject=parts.subject,
    )
