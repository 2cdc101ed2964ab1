"""`doctor user --login`: the person signs in by their own browser, as with an assistant, instead of bringing a token.

Authorization code with PKCE S256 (RFC 7636) as a public client, the answer on loopback (RFC 8252 §7.3). The
client is an assistant's at the provider; with it comes whatever the provider gives assistants.
"""

from dataclasses import dataclass

from gateway.credential.client import OAuthClient
from gateway.credential.endpoint import TokenEndpoint
from gateway.doctor.clients.by_hand import by_hand
from gateway.doctor.clients.signing import Opener, code_request, free_port, query_of
from gateway.doctor.clients.speech import Stopped
from gateway.errors import ConfigError, Unavailable
from gateway.http import Outward, OutwardError
from gateway.model import Bearer, Secret
from gateway.settings import ClientSettings, Issuer, Settings
from gateway.signin.endpoints import Endpoints
from gateway.site import site_paths

SCOPE = "openid jira:read jira:write"
CALLBACK = "/callback"


@dataclass(frozen=True, slots=True)
class Wish:
    """With what to sign in: an assistant's `client` at the provider, what it asks for, where it listens."""

    client: str
    scope: str = SCOPE
    port: int = 0
    """0: any that is free."""


async def signed_in(settings: Settings, issuer: Issuer, wish: Wish, opener: Opener = by_hand) -> Bearer:
    """The access token of who signs in. Raises `ConfigError` with what went wrong."""
    async with Outward() as outward:
        try:
            return await _signed_in(settings, issuer, wish, outward, opener)
        except Stopped as stopped:
            raise ConfigError([f"--login: {stopped.line.found}. {stopped.line.do}"]) from None
        except Unavailable as away:
            raise ConfigError([f"--login: {issuer.issuer} cannot be asked ({away.private})."]) from None
        except OutwardError as failed:
            raise ConfigError([f"--login: the token endpoint cannot be reached ({failed})."]) from None


async def _signed_in(
    settings: Settings, issuer: Issuer, wish: Wish, outward: Outward, opener: Opener
) -> Bearer:
    metadata = await Endpoints(issuer.issuer, frozenset(issuer.key_origins), outward).metadata()
    redirect = f"http://127.0.0.1:{wish.port or free_port()}{CALLBACK}"
    more = {"scope": wish.scope}
    if not issuer.profile.startswith("entra"):  # Entra's version 2 refuses it (AADSTS9010010)
        more["resource"] = settings.server.public_url + next(iter(site_paths(settings)))
    made = code_request(metadata.authorization, wish.client, redirect, more)
    landed = query_of(await opener(made.url, redirect))
    if landed.get("state") != made.state or landed.get("iss", issuer.issuer) != issuer.issuer:
        raise ConfigError(["--login: the answer is to another question (`state` or `iss`). Run it again."])
    if "code" not in landed:
        said = f"{landed.get('error', 'no code')} {landed.get('error_description', '')}".strip()
        raise ConfigError([f"--login: the provider refused: {said}. Look at the client and its scopes."])
    form = [
        ("grant_type", "authorization_code"),
        ("code", landed["code"]),
        ("redirect_uri", redirect),
        ("code_verifier", made.verifier),
    ]
    client = OAuthClient(ClientSettings(client_id=wish.client, client_auth="none"))
    answer = await TokenEndpoint(outward, metadata.token, client).ask(
        form, secrets=[Secret(landed["code"]), Secret(made.verifier)]
    )
    token = answer.body.get("access_token")
    if answer.status != 200 or not isinstance(token, str):
        raise ConfigError([f"--login: no access token ({answer.said}). The client must be a public one."])
    return Bearer(token)
