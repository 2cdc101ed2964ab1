"""A Jira Data Center's OAuth 2.0 provider for trials and tests, with a Jira behind it.

    app = create_app([App("client", ["secret"], callback)], base_url=url, factor=60)
    app.state.datacenter.tokens, .rules, .faults, .clock_skew, .apps     # the knobs

Codes live ten seconds, a refresh must repeat the `redirect_uri`, a refresh token is good once and its
reuse ends the grant, and a service account's app gets tokens by client credentials.
"""

from sandbox.consent import App
from sandbox.datacenter.app import create_app
from sandbox.datacenter.state import CODE_SECONDS, RULES, SCOPES, DataCenter

__all__ = ["CODE_SECONDS", "RULES", "SCOPES", "App", "DataCenter", "create_app"]
