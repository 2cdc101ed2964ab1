"""A Data Center beside the sandbox's Cloud site: the settings of one gateway in front of both."""

from sandbox import idp
from sandbox.consent import App

NAME = "dc"
"""The site's name: it is served at `/mcp/dc`."""

LINK_ID, LINK_SECRET = "gateway-link", "gateway-link-secret"


def link(gateway: str) -> App:
    """The incoming link that the gateway at that URL uses."""
    return App(LINK_ID, [LINK_SECRET], f"{gateway}/connect/{NAME}/callback")


def both_toml(cloud: str, datacenter: str) -> str:
    """`cloud`, a complete gateway.toml for the Cloud site, with the Data Center at that URL as a second one.

    Each address gets tokens of its own, so the provider's one `audience` is left out.
    """
    lines = [line for line in cloud.splitlines() if not line.startswith("audience") or "/mcp" not in line]
    before, _, after = "\n".join(lines).partition("[jira]")
    sites, _, rest = after.partition("[policy]")
    return f"""\
{before}[identity.issuers.login]
client_id = "{idp.GATEWAY_CLIENT_ID}"
client_secret = "{idp.GATEWAY_CLIENT_SECRET}"

[[jira]]{sites}[[jira]]
url = "{datacenter}"
name = "{NAME}"
kind = "datacenter"

[jira.credential]
source = "datacenter"
client_id = "{LINK_ID}"
client_secret = "{LINK_SECRET}"
match = "email"

[database]
url = "sqlite:///gateway.db"

[vault]
key_secret = "k1:{"A" * 43}="

[policy]{rest}
"""
