"""A Jira Cloud site (REST v3) with the permission model of the real one, and nothing else of it.

    app = create_app(verify, base_url="http://127.0.0.1:8081")
    app = create_app(verify, base_url=url, flavour=DATACENTER)    # the same over REST v2, as a Data Center

Projects OPEN, VAULT and HELP hold 60 issues; `DEMO` names those that a story needs. `USERS` are the
accounts, with `api_token` for Basic auth. State lives in the app that was created.
"""

from sandbox.jira.app import create_app
from sandbox.jira.auth import api_token
from sandbox.jira.data import DEMO
from sandbox.jira.datacenter import DATACENTER
from sandbox.jira.door import Logged
from sandbox.jira.faults import Asked, Fault, Faults, Kind
from sandbox.people import PEOPLE as USERS

__all__ = [
    "DATACENTER",
    "DEMO",
    "USERS",
    "Asked",
    "Fault",
    "Faults",
    "Kind",
    "Logged",
    "api_token",
    "create_app",
]
