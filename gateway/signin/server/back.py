"""The way back from our pages to the assistant that asked (RFC 6749 §4.1.2)."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.responses import Response

from gateway.signin import pages
from gateway.signin.flows import Facts
from gateway.signin.server import Client, consent_page, host_of
from gateway.signin.server.consent_page import KNOWN_HOSTS
from gateway.signin.server.refused import OAuthError
from gateway.signin.sessions import Session


class Back:
    """`issuer` stands in each answer (RFC 9207 §2). Only checked redirect URIs may come in here."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer

    def by_redirect(
        self, redirect_uri: str, state: str, answer: Mapping[str, str], session: Session | None = None
    ) -> Response:
        """At once; to an app's own scheme by a page that a person can close."""
        to = self._answered(redirect_uri, state, answer)
        web = urlsplit(to).scheme in ("https", "http")
        return shown(pages.elsewhere(to) if web else consent_page.closing(session, to))

    def after_form(self, session: Session, asked: Facts, answer: Mapping[str, str]) -> Response:
        """After a form of ours: browsers hold `form-action` against every redirect that follows, also those of the
        assistant's own pages, so a page leads there."""
        to = self._answered(asked["redirect_uri"], asked["state"], answer)
        return shown(consent_page.closing(session, to))

    def _answered(self, redirect_uri: str, state: str, answer: Mapping[str, str]) -> str:
        parts = urlsplit(redirect_uri)
        more = urlencode({**answer, **({"state": state} if state else {}), "iss": self._issuer})
        return urlunsplit(parts._replace(query=f"{parts.query}&{more}" if parts.query else more))


def returns(client: Client, redirect_uri: str) -> bool:
    """Whether an error goes back there before anybody has signed in (RFC 9700 §4.11.2): to this computer, to a host
    that is known, or for a client that an administrator added. Else anybody who registers could redirect in our
    name, and a page says it instead."""
    parts = urlsplit(redirect_uri)
    local = host_of(redirect_uri) == "this computer"
    return (
        local or client.registration == "static" or (parts.scheme == "https" and parts.netloc in KNOWN_HOSTS)
    )


def refusal(no: OAuthError) -> dict[str, str]:
    """What an error says to the assistant (RFC 6749 §4.1.2.1)."""
    return {"error": no.error, "error_description": no.description}


def shown(response: Response) -> Response:
    """Assistants open us in a window of theirs and wait for it: with an opener policy they would lose it."""
    if "cross-origin-opener-policy" in response.headers:
        del response.headers["cross-origin-opener-policy"]
    return response
