"""What each vendor means when it refuses: every row of every table, by an answer that it decides."""

import json
from typing import Any

import pytest

from gateway.credential.endpoint import Answer
from gateway.credential.refusals import AUTH0_MFA, GENERIC, TABLES, meaning, refusal
from gateway.errors import ConsentRequired, GatewayError, StepUpRequired, Unauthenticated, Unavailable
from tests.credential.conftest import Bench

CLAIMS = '{"access_token":{"capolids":{"essential":true,"values":["x"]}}}'
DEAD, PERSON, STEP_UP, OURS = Unauthenticated, ConsentRequired, StepUpRequired, Unavailable

EXAMPLES: list[tuple[str, int, str, str, type[GatewayError]]] = [
    # Keycloak 26.7; tests/providers/test_keycloak.py has them from the real one
    ("keycloak", 403, "access_denied", "Client is not within the token audience", OURS),
    ("keycloak", 400, "invalid_client", "Audience not found", OURS),
    ("keycloak", 400, "invalid_client", "Client disabled", OURS),
    ("keycloak", 400, "invalid_request", "Requested audience not available: jira", PERSON),
    ("keycloak", 400, "invalid_scope", "Invalid scopes: jira", OURS),
    ("keycloak", 400, "invalid_scope", "Missing consents for Token Exchange in client gateway", OURS),
    ("keycloak", 400, "invalid_scope", "Scopes [x] not present in the initial access token", OURS),
    ("keycloak", 400, "invalid_request", "Invalid token", DEAD),
    ("keycloak", 400, "invalid_request", "Standard token exchange is not enabled for the client", OURS),
    ("keycloak", 400, "invalid_client", "Public client is not allowed to exchange token", OURS),
    ("keycloak", 400, "invalid_request", "Sender-constrained token exchange rejected", OURS),
    ("keycloak", 400, "invalid_request", "requested_token_type unsupported", OURS),
    ("keycloak", 401, "unauthorized_client", "Invalid client or Invalid client credentials", OURS),
    # Okta, support articles and developer documents
    ("okta", 400, "invalid_grant", "subject token is invalid", DEAD),
    ("okta", 403, "access_denied", "Policy evaluation failed for this request, please check it.", PERSON),
    ("okta", 400, "access_denied", "User is not assigned to the client application.", PERSON),
    ("okta", 400, "access_denied", "Not allowed to access any of the requested scopes.", OURS),
    ("okta", 400, "invalid_scope", "One or more scopes are not configured for the server.", OURS),
    ("okta", 401, "invalid_client", "The client secret supplied is invalid.", OURS),
    # Auth0
    ("auth0", 403, "mfa_required", "Multifactor authentication required", STEP_UP),
    ("auth0", 403, "access_denied", "Service not found: https://jira.test", OURS),
    ("auth0", 403, "access_denied", 'Client is not authorized to access "https://jira.test".', OURS),
    ("auth0", 403, "access_denied", "Client has not been granted scopes: read:jira-work", OURS),
    ("auth0", 401, "access_denied", "Unauthorized", OURS),
    ("auth0", 403, "access_denied", "The Action said no", PERSON),
    ("auth0", 403, "unauthorized_client", "Grant type not allowed for the client.", OURS),
    # PingFederate
    ("ping", 400, "invalid_request", "No Token Exchange Processor Policy for this type", OURS),
    ("ping", 400, "invalid_request", "Unable to validate the token", DEAD),
    ("ping", 400, "access_denied", "Issuance criteria were not met", PERSON),
    ("ping", 400, "invalid_target", "", OURS),
    # ZITADEL
    ("zitadel", 400, "invalid_request", "Errors.TokenExchange.FeatureDisabled", OURS),
    ("zitadel", 400, "invalid_request", "subject_token_type is not supported", OURS),
    ("zitadel", 400, "invalid_request", "Errors.TokenExchange.Token.NotForAPI", OURS),
    ("zitadel", 400, "invalid_request", "subject_token is invalid", DEAD),
    # Entra, its list of error codes
    ("entra", 400, "invalid_grant", "AADSTS65001: The user has not consented", PERSON),
    ("entra", 400, "access_denied", "AADSTS65004: User declined to consent", PERSON),
    ("entra", 400, "consent_required", "AADSTS90094: Admin consent is required", PERSON),
    ("entra", 400, "interaction_required", "AADSTS50076: you must use multi-factor", STEP_UP),
    ("entra", 400, "invalid_grant", "AADSTS50078: multi-factor has expired", STEP_UP),
    ("entra", 400, "interaction_required", "AADSTS50079: must enroll in multi-factor", STEP_UP),
    ("entra", 400, "interaction_required", "AADSTS50158: External security challenge", STEP_UP),
    ("entra", 400, "interaction_required", "AADSTS53000: Device is not compliant", PERSON),
    ("entra", 400, "invalid_grant", "AADSTS53003: blocked by Conditional Access", PERSON),
    ("entra", 400, "invalid_grant", "AADSTS50105: not assigned to a role for the app", PERSON),
    ("entra", 400, "invalid_grant", "AADSTS50020: does not exist in tenant", PERSON),
    ("entra", 400, "invalid_grant", "AADSTS50013: Assertion failed signature validation", DEAD),
    ("entra", 400, "invalid_grant", "AADSTS500133: Assertion is not within its valid time", DEAD),
    ("entra", 400, "invalid_grant", "AADSTS50057: The user account is disabled", DEAD),
    ("entra", 400, "invalid_grant", "AADSTS50173: The provided grant has expired", DEAD),
    ("entra", 400, "invalid_grant", "AADSTS500131: Assertion audience does not match", OURS),
    ("entra", 401, "invalid_client", "AADSTS7000215: Invalid client secret provided", OURS),
    ("entra", 401, "invalid_client", "AADSTS7000222: The provided client secret keys are expired", OURS),
    ("entra", 400, "unauthorized_client", "AADSTS700016: Application not found", OURS),
    ("entra", 400, "invalid_resource", "AADSTS500011: The resource principal was not found", OURS),
    ("entra", 400, "invalid_request", "AADSTS50194: not configured as multi-tenant", OURS),
    ("entra", 400, "invalid_grant", "AADSTS90033: A transient error has occurred", OURS),
    ("entra", 400, "invalid_grant", "AADSTS90055: too many requests", OURS),
    # RFC 8693 §2.2.2, RFC 6749 §5.2, RFC 9470 §3, OpenID Connect Core §3.1.2.6
    ("generic", 400, "invalid_request", "subject_token is expired", DEAD),
    ("generic", 400, "invalid_request", "The subject token has ended", DEAD),
    ("generic", 400, "invalid_grant", "", DEAD),
    ("generic", 401, "invalid_token", "", DEAD),
    ("generic", 400, "interaction_required", "", PERSON),
    ("generic", 400, "consent_required", "", PERSON),
    ("generic", 400, "login_required", "", PERSON),
    ("generic", 401, "insufficient_user_authentication", "", STEP_UP),
    ("generic", 403, "access_denied", "Rule 7 says so", PERSON),
    ("generic", 400, "invalid_request", "Invalid token", DEAD),
    ("generic", 400, "temporarily_unavailable", "", OURS),
    ("generic", 400, "server_error", "", OURS),
    ("generic", 400, "invalid_target", "", OURS),
    ("generic", 400, "unauthorized_client", "", OURS),
    ("generic", 400, "something_new", "", OURS),
]


def answer(status: int, error: str, described: str = "", **more: Any) -> Answer:
    """As the endpoint would hand it on."""
    return Answer(status, {"error": error, "error_description": described, **more}, f"{error}: {described}")


@pytest.mark.parametrize(
    ("vendor", "status", "error", "described", "kind"),
    EXAMPLES,
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_refusal_means_what_the_vendor_means(
    vendor: str, status: int, error: str, described: str, kind: type[GatewayError]
) -> None:
    """A dead token is the caller's, a missing consent the person's, a setting the operator's; the vendor's
    words are told in private only."""
    refused = refusal(vendor, answer(status, error, described))
    assert type(refused) is kind
    assert error in refused.private and described in refused.private
    assert described == "" or described not in refused.public


@pytest.mark.parametrize("vendor", TABLES)
def test_each_row_has_an_example(vendor: str) -> None:
    """No row stands there that no answer was seen to reach."""
    rows = TABLES[vendor] or GENERIC
    reached = [
        meaning(vendor, answer(status, error, described))
        for name, status, error, described, _ in EXAMPLES
        if name == vendor
    ]
    assert [row[:2] for row in rows if row not in reached] == []


def test_the_last_row_fits_everything() -> None:
    """So every refusal has a meaning."""
    assert GENERIC[-1][:2] == ("", "")


@pytest.mark.parametrize("vendor", TABLES)
@pytest.mark.parametrize(
    ("status", "error"), [(500, "invalid_grant"), (503, "access_denied"), (429, "x"), (400, "")]
)
def test_a_provider_out_of_order_accuses_nobody(vendor: str, status: int, error: str) -> None:
    """5xx, 429 and answers without an error code say nothing of the person."""
    assert isinstance(refusal(vendor, answer(status, error)), Unavailable)


@pytest.mark.parametrize("code", [50076, 50079, 50158, 53000, 53003])
def test_a_claims_challenge_is_passed_on_as_it_came(code: int) -> None:
    """What Conditional Access wants is in `claims`; the assistant takes it along to the next sign-in."""
    refused = refusal("entra", answer(400, "interaction_required", f"AADSTS{code}: more", claims=CLAIMS))
    assert isinstance(refused, StepUpRequired)
    assert refused.claims == CLAIMS and json.loads(refused.claims)
    generic = refusal("generic", answer(400, "interaction_required", claims=CLAIMS))
    assert isinstance(generic, StepUpRequired)


def test_claims_that_are_no_text_are_left_out() -> None:
    """Only what can stand in a header as it came is passed on."""
    refused = refusal("entra", answer(400, "interaction_required", "AADSTS50076: x", claims={"a": 1}))
    assert isinstance(refused, StepUpRequired) and refused.claims == ""


def test_auth0_names_the_sign_in_that_would_do() -> None:
    """RFC 9470: the class that has a second factor."""
    refused = refusal("auth0", answer(403, "mfa_required"))
    assert isinstance(refused, StepUpRequired) and refused.acr_values == (AUTH0_MFA,)


async def test_a_refused_exchange_is_not_kept(bench: Bench) -> None:
    """Each call asks anew, and the first good answer counts."""
    caller = await bench.caller()
    bench.idp.faults.refuse = (400, "invalid_request", "subject_token is expired")
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await bench.grant(caller)
    assert len(bench.idp.exchanges) == 2
    bench.idp.faults.refuse = None
    assert await bench.grant(caller)
