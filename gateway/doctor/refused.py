"""Each refusal of `gateway/credential/refusals.py`, and where to click: a row there is a row here."""

from collections.abc import Mapping

from gateway.credential.endpoint import Answer
from gateway.credential.refusals import Outcome, Row, blocked, consent, dead, down, no_role, second_factor
from gateway.doctor.clicks import click

_KEYCLOAK: Mapping[tuple[str, str], str] = {
    (
        "access_denied",
        "token audience",
    ): "The assistant's client needs an audience mapper for the gateway's client. "
    + click("keycloak", "audience"),
    (
        "invalid_client",
        "audience not found",
    ): "`jira.credential.audience` must be the Client ID of Jira's client (Clients).",
    ("invalid_client", "client disabled"): "Clients > Jira's client: switch *Enabled* on (top right).",
    (
        "invalid_client",
        "public client",
    ): "Clients > the gateway's > Settings > Capability config: switch *Client authentication* on.",
    ("invalid_request", "exchange is not enabled"): click("keycloak", "exchange"),
    (
        "invalid_request",
        "audience not available",
    ): "The gateway's client must be able to get Jira's audience for this "
    "person: "
    + click("keycloak", "person")
    + " And Clients > the gateway's > Client scopes: the scope with the "
    "audience mapper for Jira's client.",
    (
        "invalid_scope",
        "missing consents",
    ): "Clients > the gateway's > Settings > Login settings: switch *Consent required* off.",
    (
        "invalid_scope",
        "invalid scopes",
    ): "Clients > the gateway's > Client scopes > Add client scope > *Optional*: "
    "the scopes of `read_scope` and `write_scope`.",
    (
        "invalid_scope",
        "not present in the initial",
    ): "The token was not asked for with these scopes. The assistant "
    "asks for them, or `read_scope` and `write_scope` name what it has.",
    (
        "invalid_request",
        "sender-constrained",
    ): "Clients > the assistant's > Advanced: switch *Require DPoP bound tokens* off.",
}

_OKTA: Mapping[tuple[str, str], str] = {
    ("access_denied", "policy evaluation failed"): click("okta", "exchange"),
    (
        "access_denied",
        "not assigned to the client",
    ): "Applications > the gateway's service app > Assignments: assign the person or a group.",
    (
        "access_denied",
        "requested scopes",
    ): "Security > API > Authorization Servers > Access Policies > the rule: add "
    "the scopes of `read_scope` and `write_scope`.",
    ("invalid_grant", "subject token is invalid"): "It ended, or its server is not trusted: Security > API > "
    "Authorization Servers > the target > Trusted servers: add the assistants' one.",
}

_AUTH0: Mapping[tuple[str, str], str] = {
    (
        "access_denied",
        "service not found",
    ): "`jira.credential.audience` must be the *Identifier* of Jira's API (Applications > APIs).",
    ("access_denied", "client is not authorized"): click("auth0", "exchange"),
    ("access_denied", "client has not been granted"): click("auth0", "exchange"),
}

_PING: Mapping[tuple[str, str], str] = {
    ("invalid_request", "processor policy"): click("ping", "exchange"),
    ("access_denied", "issuance criteria"): "PingFederate: Access Token Mapping > Issuance Criteria.",
}

_ZITADEL: Mapping[tuple[str, str], str] = {
    ("invalid_request", "featuredisabled"): "Default settings > Features: switch *Token Exchange* on.",
    ("invalid_request", "subject_token_type"): "Let the assistant's application give JWTs (Token settings).",
    ("invalid_request", "notforapi"): "Let the assistant ask for the gateway's project as audience.",
}

_ENTRA: Mapping[tuple[str, str], str] = {
    ("", "aadsts65001:"): click("entra", "consent"),
    ("", "aadsts65004:"): "The person said no: let them sign in again, or " + click("entra", "consent"),
    ("", "aadsts90094:"): click("entra", "consent"),
    ("", "aadsts53000:"): click("entra", "blocked"),
    ("", "aadsts53003:"): click("entra", "blocked"),
    ("", "aadsts50105:"): click("entra", "person"),
    ("", "aadsts50020:"): "Use an account of this tenant, or invite the person as a guest.",
    ("", "aadsts500131:"): "The token is not for the gateway's own app: `client_id` must be the app that the "
    "assistant's token names as `aud`. " + click("entra", "audience"),
    ("", "aadsts7000215:"): click("entra", "client"),
    (
        "",
        "aadsts7000222:",
    ): "The secret has ended: App registrations > the gateway's > Certificates & secrets > New "
    "client secret; put it into `next_client_secret_file`.",
    ("", "aadsts700016:"): "`client_id` is not of this tenant: App registrations > the gateway's > Overview.",
    (
        "",
        "aadsts500011:",
    ): "`api` must be the Application ID URI of the API before Jira (Expose an API), and the API "
    "must have an Enterprise application in this tenant.",
    ("", "aadsts50194:"): "Write the tenant's GUID into `issuer` and `token_endpoint`, not `common`.",
}

WHERE: Mapping[str, Mapping[tuple[str, str], str]] = {
    "keycloak": _KEYCLOAK,
    "okta": _OKTA,
    "auth0": _AUTH0,
    "ping": _PING,
    "zitadel": _ZITADEL,
    "entra": _ENTRA,
}

OUTCOMES: Mapping[Outcome, str] = {
    dead: "The token ended, or the person signed out or was switched off: sign in again.",
    consent: "The person, or an administrator for all, must consent to Jira access.",
    blocked: "A rule of the company about sign-ins refuses this person, device or place.",
    second_factor: "The provider wants a second factor; the assistant is told to sign the person in again.",
    down: "The provider cannot answer now; try again in a minute.",
}


BY_ERROR: Mapping[str, str] = {
    "unauthorized_client": "exchange",
    "unsupported_grant_type": "exchange",
    "invalid_target": "answer",
    "invalid_scope": "answer",
    "access_denied": "person",
}
"""What the standards' own errors are about (RFC 6749 §5.2, RFC 8693 §2.2.2) -> a topic of `clicks.py`."""


def where(vendor: str, profile: str, row: Row, answer: Answer) -> str:
    """What to do about the row that decided; `profile` is the provider's in the settings."""
    error, part, outcome = row
    told = WHERE.get(vendor, {}).get((error, part)) or OUTCOMES.get(outcome)
    if told:
        return told
    if outcome is no_role:
        return click(profile, "person")
    return click(profile, "client" if answer.client_refused else BY_ERROR.get(answer.error, "exchange"))
