"""Atlassian's authorization server and API gateway (OAuth 2.0, 3LO) for trials and tests.

    app = create_app([App("client", ["secret"], callback)], factor=600)
    add_site(app.state.atlassian, "cloud-id", url="https://acme.atlassian.net")
    app.state.atlassian.tokens, .rules, .faults, .clock_skew, .apps     # the knobs

Refresh tokens rotate with a leeway of ten minutes, a late reuse ends the grant, an access token dies
with its spent companion; `factor` divides every lifetime, `strict` takes the leeway away. What is not
documented by the vendor says so where it stands.
"""

from sandbox.atlassian.app import add_site, create_app
from sandbox.atlassian.state import CLASSIC, RULES, Atlassian, CloudSite
from sandbox.consent import App

__all__ = ["CLASSIC", "RULES", "App", "Atlassian", "CloudSite", "add_site", "create_app"]
