"""What a provider means when it refuses. RFC 8693 §2.2.2 names two errors and vendors use others, so this
is a table for each vendor, and the first row that fits decides; the generic rows come after each table.

A row that is about the person tells the person; everything else is the operator's, told in private.
The vendors' own words are in part known from their documents only (docs/identity says which).
"""

from collections.abc import Callable, Mapping

from gateway.credential.endpoint import Answer
from gateway.errors import ConsentRequired, GatewayError, StepUpRequired, Unauthenticated, Unavailable

Outcome = Callable[[Answer], GatewayError]

AUTH0_MFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
"""The sign-in class that asks Auth0 for a second factor."""


def unusable(private: str) -> Unavailable:
    """No credential can be had; the person can only wait or tell the operator."""
    return Unavailable(
        "No Jira credential could be obtained for you, and nothing was changed; "
        "try again in a minute, then tell the operator.",
        part="credential",
        private=private,
    )


def down(answer: Answer) -> GatewayError:
    """The provider cannot answer at the moment."""
    return unusable(answer.said)


def ours(answer: Answer) -> GatewayError:
    """A setting is wrong, here or at the provider: the operator's."""
    return unusable(f"check the gateway's client at the identity provider: {answer.said}")


def fix(what: str) -> Outcome:
    """A setting is wrong, and it is known which: `what` tells the operator."""
    return lambda answer: unusable(f"{what}: {answer.said}")


def dead(answer: Answer) -> GatewayError:
    """The token that was presented is not good any more."""
    return Unauthenticated(answer.said)


def consent(answer: Answer) -> GatewayError:
    """The person, or an administrator for all, must agree first."""
    return ConsentRequired(
        "Sign in to your identity provider in a browser and agree to Jira access, then try again.",
        private=answer.said,
    )


def no_role(answer: Answer) -> GatewayError:
    """The person may not."""
    return ConsentRequired(
        "Your identity provider gives you no access to Jira; ask its administrator for it.",
        private=answer.said,
    )


def step_up(answer: Answer) -> GatewayError:
    """A stronger or newer sign-in is wanted; what Entra says of it in `claims` is passed on as it came."""
    claims = answer.body.get("claims")
    return StepUpRequired(
        "Your identity provider wants a stronger or newer sign-in for Jira: sign in again.",
        claims=claims if isinstance(claims, str) else "",
        private=answer.said,
    )


def blocked(answer: Answer) -> GatewayError:
    """A rule of the company about sign-ins, devices or places; with `claims`, a new sign-in may do."""
    if "claims" in answer.body:
        return step_up(answer)
    return ConsentRequired(
        "Your company's sign-in rules do not let you use Jira from here; ask your administrator.",
        private=answer.said,
    )


def second_factor(answer: Answer) -> GatewayError:
    """Auth0 wants a second factor."""
    return StepUpRequired(
        "Your identity provider wants a second factor for Jira: sign in again.",
        acr_values=(AUTH0_MFA,),
        private=answer.said,
    )


def interaction(answer: Answer) -> GatewayError:
    """Something that only the person can do in a browser."""
    return step_up(answer) if "claims" in answer.body else consent(answer)


ANY = ""
Row = tuple[str, str, Outcome]
"""error, a part of error_description in lower case, what it means."""

GENERIC: tuple[Row, ...] = (
    ("invalid_grant", ANY, dead),
    ("invalid_token", ANY, dead),
    ("invalid_request", "invalid token", dead),  # RFC 8693 §2.2.2: the subject token, in some words
    ("invalid_request", "subject_token is", dead),
    ("invalid_request", "subject token", dead),
    ("consent_required", ANY, consent),  # OpenID Connect Core §3.1.2.6, as the next two
    ("interaction_required", ANY, interaction),
    ("login_required", ANY, interaction),
    ("insufficient_user_authentication", ANY, step_up),  # RFC 9470 §3
    ("access_denied", ANY, no_role),
    ("server_error", ANY, down),
    ("temporarily_unavailable", ANY, down),
    (ANY, ANY, ours),  # invalid_client, unauthorized_client, invalid_target, invalid_scope, …
)

KEYCLOAK: tuple[Row, ...] = (
    ("invalid_request", "invalid token", dead),  # it expired, or the person signed out or is switched off
    ("invalid_request", "audience not available", no_role),
    ("access_denied", "token audience", fix("the assistant's client needs an audience mapper for ours")),
    ("invalid_client", "audience not found", fix("`audience` must be the client id of Jira's client")),
    ("invalid_client", "client disabled", fix("enable Jira's client")),
    ("invalid_client", "public client", fix("switch client authentication on at the gateway's client")),
    ("invalid_request", "exchange is not enabled", fix("switch it on at the gateway's client")),
    ("invalid_scope", "missing consents", fix("switch consent off at the gateway's client: it has no page")),
    ("invalid_scope", "invalid scopes", fix("give them to the gateway's client as optional client scopes")),
    (
        "invalid_scope",
        "not present in the initial",
        fix("ask for scopes by the names that assistants have them"),
    ),
    (
        "invalid_request",
        "sender-constrained",
        fix("the assistant must ask for tokens that no key is bound to"),
    ),
)
"""As version 26.7 answers; tests/providers/test_keycloak.py has each from the real one."""

OKTA: tuple[Row, ...] = (
    ("invalid_grant", "subject token is invalid", dead),  # also a wrong issuer or audience: then for all
    ("access_denied", "policy evaluation failed", no_role),  # no access policy of the server fits
    ("access_denied", "not assigned to the client", no_role),
    ("access_denied", "requested scopes", ours),
)

AUTH0: tuple[Row, ...] = (
    ("mfa_required", ANY, second_factor),
    ("access_denied", "service not found", ours),  # no API has that audience
    ("access_denied", "client is not authorized", ours),  # no client grant for the API
    ("access_denied", "client has not been granted", ours),
)

PING: tuple[Row, ...] = (
    ("invalid_request", "processor policy", ours),  # PingFederate: none fits the token's type
    ("invalid_request", "unable to validate", dead),
    ("access_denied", "issuance criteria", no_role),
)

ZITADEL: tuple[Row, ...] = (
    ("invalid_request", "featuredisabled", ours),  # the flag `oidcTokenExchange`
    ("invalid_request", "subject_token_type", ours),
    ("invalid_request", "notforapi", ours),  # the token was not issued for the API
)

ENTRA: tuple[Row, ...] = (
    (ANY, "aadsts65001:", consent),  # nobody has agreed for this person
    (ANY, "aadsts65004:", consent),  # the person said no
    (ANY, "aadsts90094:", consent),  # an administrator must agree
    (ANY, "aadsts50076:", step_up),  # multi-factor, by Conditional Access
    (ANY, "aadsts50078:", step_up),  # the second factor was shown too long ago
    (ANY, "aadsts50079:", step_up),  # a second factor must be enrolled
    (ANY, "aadsts50158:", step_up),  # another provider's challenge
    (ANY, "aadsts53000:", blocked),  # the device does not comply
    (ANY, "aadsts53003:", blocked),  # blocked by Conditional Access
    (ANY, "aadsts50105:", no_role),  # not assigned to the application
    (ANY, "aadsts50020:", no_role),  # an account of another tenant
    (ANY, "aadsts50013:", dead),  # the assertion is not good
    (ANY, "aadsts500133:", dead),  # or not any more
    (ANY, "aadsts50057:", dead),  # the account is disabled
    (ANY, "aadsts50173:", dead),  # the password was changed
    (ANY, "aadsts500131:", ours),  # the assistant's token is not for our application
    (ANY, "aadsts7000215:", ours),  # wrong secret
    (ANY, "aadsts7000222:", ours),  # the secret has expired
    (ANY, "aadsts700016:", ours),  # no such application in the tenant
    (ANY, "aadsts500011:", ours),  # no such API in the tenant
    (ANY, "aadsts50194:", ours),  # not multi-tenant
    (ANY, "aadsts90033:", down),
    (ANY, "aadsts90055:", down),
)
"""By the code at the start of the text: Entra says `invalid_grant` for nearly everything."""

TABLES: Mapping[str, tuple[Row, ...]] = {
    "generic": (),
    "keycloak": KEYCLOAK,
    "okta": OKTA,
    "auth0": AUTH0,
    "ping": PING,
    "zitadel": ZITADEL,
    "entra": ENTRA,
}


def meaning(vendor: str, answer: Answer) -> Row:
    """The row that decides. A refused client is ours, unless the vendor means something else by it."""
    described = answer.described.lower()
    refused: tuple[Row, ...] = ((ANY, ANY, ours),) if answer.client_refused else ()
    rows = (*TABLES.get(vendor, ()), *refused, *GENERIC)
    return next(row for row in rows if row[0] in (ANY, answer.error) and row[1] in described)


def refusal(vendor: str, answer: Answer) -> GatewayError:
    """The error for a refused request; the provider's words go to the private text."""
    if answer.status >= 500 or answer.status == 429 or not answer.error:
        return down(answer)
    return meaning(vendor, answer)[2](answer)
