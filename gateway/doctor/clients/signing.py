"""Registration, the authorization request, the person's answer, and the code redeemed (RFC 7591, 6749, 7636, 9207)."""

import secrets
import shlex
import socket
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from gateway.doctor import Line, good, note, shown, wrong
from gateway.doctor.clients import Profile
from gateway.doctor.clients.discover import Found
from gateway.doctor.clients.speech import Answer, Stopped, form, post, say
from gateway.http import Ask, Outward

REGISTER = "register"
SIGN_IN = "sign in"
STAYS = "register: stays"

MARK = " (doctor)"
"""Ends the name of whatever a replay registers: administrators see what it is, and, since equal registrations
are one client, nobody's real assistant is ever the same client as a replay of it."""

Opener = Callable[[str, str], Awaitable[str]]
"""(address to open in a browser, redirect) -> the address that the browser was sent to at last. It raises
`Stopped` when the person was not let in."""


@dataclass(frozen=True, slots=True)
class Registered:
    """Who the assistant is to this authorization server."""

    client_id: str
    redirect: str
    secret: str = field(default="", repr=False)


@dataclass(slots=True)
class Tokens:
    """What it holds after a sign-in."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    scopes: frozenset[str]


def addresses(profile: Profile) -> tuple[tuple[str, ...], str]:
    """(redirects as it registers them, the one that it uses), with a port and an id of this moment."""
    made = {"port": str(free_port()), "id": secrets.token_hex(8)}
    registered = tuple(uri.format_map(made) for uri in profile.redirects)
    return registered, profile.uses.format_map(made) or registered[0]


def published(profile: Profile) -> dict[str, Any]:
    """Its document, but for the `client_id`, which is where it stands."""
    return {**profile.body, "redirect_uris": list(addresses(profile)[0])}


async def register(
    http: Outward, profile: Profile, found: Found, *, document: str, by_document: bool
) -> tuple[Registered, Line]:
    """By its document (at `document`), where it has one and the server takes them; else by itself, marked.

    A line that is wrong: it is registered, and the assistant stops there. Raises `Stopped` when it is not.
    """
    registered, uses = addresses(profile)
    if by_document:
        told = "" if document == profile.document else f"; this replay serves it at {document}"
        return Registered(document, uses), good(REGISTER, f"its document {profile.document} is its id{told}")
    answer = await post(
        http,
        REGISTER,
        str(found.server["registration_endpoint"]),
        {**profile.body, "client_name": marked(profile), "redirect_uris": list(registered)},
    )
    kept = answer.body.get("redirect_uris", registered)
    if answer.status not in (200, 201) or not isinstance(answer.body.get("client_id"), str):
        raise Stopped(
            wrong(REGISTER, answer.said, "See `signin` in docs/settings.md: admission, private_schemes.")
        )
    client = Registered(answer.body["client_id"], uses, str(answer.body.get("client_secret", "")))
    if not any(_same_but_port(uses, uri) for uri in kept):
        do = "Add its scheme to signin.private_schemes."
        return client, wrong(REGISTER, f"{uses} was dropped; kept: {', '.join(kept)}", do)
    return client, good(REGISTER, f"registered itself; {len(kept)} of {len(registered)} redirects kept")


def marked(profile: Profile) -> str:
    """The name under which a replay of it registers."""
    return f"{profile.body['client_name']}{MARK}"


def stays(profile: Profile, found: Found, client: Registered) -> Line:
    """What the replay leaves behind, and how it is deleted: no request of an assistant does that here (RFC 7592)."""
    issuer = str(found.server["issuer"])
    ours = f"{found.url}/".startswith(f"{issuer.rstrip('/')}/")
    command = f"jira-agent-gateway client revoke {shlex.quote(shown(client.client_id))}"
    do = command if ours else f"Delete {shown(client.client_id)} at {issuer}."
    return note(STAYS, f"{client.client_id} stays registered as {marked(profile)}", do)


@dataclass(frozen=True, slots=True)
class Request:
    """One authorization request."""

    url: str
    state: str
    verifier: str = field(repr=False)


def request(profile: Profile, found: Found, client: Registered, scope: str) -> Request:
    """As this assistant makes it."""
    more = {
        **({"scope": scope} if scope else {}),
        **({"resource": str(found.resource["resource"])} if profile.resource else {}),
        **profile.authorize,
    }
    return code_request(str(found.server["authorization_endpoint"]), client.client_id, client.redirect, more)


def code_request(endpoint: str, client_id: str, redirect: str, more: Mapping[str, str]) -> Request:
    """A request for a code with PKCE S256 (RFC 6749 §4.1.1, RFC 7636 §4.3)."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **more,
    }
    return Request(f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}", state, verifier)


async def asked(http: Outward, client: Registered, made: Request) -> Line:
    """Whether the browser is shown a sign-in, by a request without a person. Raises `Stopped`."""
    what = f"{SIGN_IN}: request"
    answer = await say(http, what, Ask("GET", made.url, {"Accept": "text/html"}))
    to = answer.reply.said("Location")
    refused = to.startswith(f"{client.redirect}?")
    if answer.status >= 400 or refused:
        said = query_of(to).get("error", "") if refused else answer.said
        raise Stopped(wrong(what, f"refused: {said}", "The page, or the log of the gateway, says why."))
    return good(what, f"accepted; the browser goes on to {urlsplit(to).netloc or 'a page'}")


async def sign_in(
    http: Outward, profile: Profile, found: Found, client: Registered, made: Request, opener: Opener
) -> tuple[Tokens, list[Line]]:
    """The person's answer, redeemed. Raises `Stopped`."""
    landed = query_of(await opener(made.url, client.redirect))
    what = f"{SIGN_IN}: answer"
    if "code" not in landed:
        raise Stopped(
            wrong(what, f"{landed.get('error')} {landed.get('error_description', '')}", "Sign in again.")
        )
    issuer, expected = landed.get("iss"), found.server["issuer"]
    announced = found.server.get("authorization_response_iss_parameter_supported") is True
    if landed.get("state") != made.state or (announced and issuer != expected):
        raise Stopped(wrong(what, f"state or iss ({issuer}) is not what was sent", "Look who answered."))
    fields = {
        "grant_type": "authorization_code",
        "code": landed["code"],
        "redirect_uri": client.redirect,
        "code_verifier": made.verifier,
    }
    answer = await token(http, f"{SIGN_IN}: token", profile, found, client, fields)
    return tokens(f"{SIGN_IN}: token", answer), [
        good(what, "a code, its state, and iss" if announced else "a code and its state"),
        good(f"{SIGN_IN}: token", f"for {answer.body.get('expires_in')} s, scope {answer.body.get('scope')}"),
    ]


async def token(
    http: Outward, what: str, profile: Profile, found: Found, client: Registered, fields: dict[str, str]
) -> Answer:
    """One request to the token endpoint, as this assistant authenticates."""
    sent = {
        **fields,
        "client_id": client.client_id,
        **({"client_secret": client.secret} if client.secret else {}),
        **({"resource": str(found.resource["resource"])} if profile.resource else {}),
    }
    return await form(http, what, str(found.server["token_endpoint"]), sent)


def tokens(what: str, answer: Answer) -> Tokens:
    """Of a good answer: always a refresh token and an end (A12). Raises `Stopped`."""
    body = answer.body
    if answer.status != 200 or not isinstance(body.get("access_token"), str):
        raise Stopped(wrong(what, answer.said, "The log of the gateway says why."))
    lacks = [name for name in ("refresh_token", "expires_in", "token_type") if not body.get(name)]
    if lacks:
        raise Stopped(wrong(what, f"without {', '.join(lacks)}", "People would sign in again each hour."))
    return Tokens(body["access_token"], body["refresh_token"], frozenset(str(body.get("scope", "")).split()))


def nobody() -> Line:
    """Without a person, all after this is not looked at."""
    return note(SIGN_IN, "nobody signs in, so the rest was not looked at", "Run it again with --open.")


def query_of(url: str) -> dict[str, str]:
    """The first value of each parameter."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def _same_but_port(one: str, other: str) -> bool:
    """On loopback the port does not count (RFC 8252 §7.3)."""
    a, b = urlsplit(one), urlsplit(other)
    if a.scheme == b.scheme == "http":
        return (a.hostname, a.path) == (b.hostname, b.path)
    return one == other


def free_port() -> int:
    """A port on loopback that nobody has at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
