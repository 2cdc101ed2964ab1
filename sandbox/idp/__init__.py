"""A small identity provider for trials and tests: OpenID Connect, OAuth 2.1 for assistants, token exchange.

    app = create_app(issuer=…, gateway_resource=…, jira_audience=…, people=PEOPLE)
    app.state.idp.mint("ana")             # a token without a sign-in
    app.state.idp.rotate_keys()           # and the other knobs of `Idp` and `Faults`

Everything secret in it is public, so `sandbox.run` serves it on loopback only.
"""

from sandbox.idp.app import create_app
from sandbox.idp.clients import DEMO_CLIENT_ID, GATEWAY_CLIENT_ID, GATEWAY_CLIENT_SECRET
from sandbox.idp.faults import Faults
from sandbox.idp.keys import KeyRing, SigningKey
from sandbox.idp.otp import totp
from sandbox.idp.records import ACR_MFA, ACR_PASSWORD
from sandbox.idp.state import OFFERED, Idp, Lifetimes

__all__ = [
    "ACR_MFA",
    "ACR_PASSWORD",
    "DEMO_CLIENT_ID",
    "GATEWAY_CLIENT_ID",
    "GATEWAY_CLIENT_SECRET",
    "OFFERED",
    "Faults",
    "Idp",
    "KeyRing",
    "Lifetimes",
    "SigningKey",
    "create_app",
    "totp",
]
