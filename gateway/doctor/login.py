"""The client for signing people in through their browser: does the provider know it, and our address?

Nobody signs in here. The provider is asked as by a browser that wants no page (`prompt=none`, OpenID Connect
Core §3.1.2.1): if it knows the redirect URI it sends the browser there with an error, and if it does not it
must show an error itself (RFC 6749 §4.1.2.1). Then a code that is none is redeemed: who is refused, the code
or the client?
"""

import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from gateway.credential.client import OAuthClient
from gateway.credential.endpoint import TokenEndpoint
from gateway.doctor import Line, good, note, shown, wrong
from gateway.doctor.patient import Patient
from gateway.http import Ask, OutwardError, Reply
from gateway.identity.profiles import trusted
from gateway.settings.identity import Login

CALLBACK = "/login/callback"
NOBODY_YET = frozenset(
    {"login_required", "interaction_required", "account_selection_required", "consent_required"}
)
"""What a provider tells a client that it knows, about a browser that it does not (Core §3.1.2.6)."""
CHALLENGE = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
"""S256 of nothing: a well-formed challenge to which there is no verifier."""
_SAID = re.compile(
    r"AADSTS\d+[^<\n\"]{0,120}|[^<>\n\"]{0,60}redirect[_ ]ur[il][^<>\n\"]{0,80}", re.IGNORECASE
)


async def login(patient: Patient) -> list[Line]:
    """Redirect URI and secret."""
    order = patient.settings.login
    if order is None:
        return [note("sign-in", "it has no `login`: nobody signs in here with a browser by it")]
    places = [patient.metadata.get(f"{name}_endpoint") for name in ("authorization", "token")]
    if not all(isinstance(place, str) and trusted(place) for place in places):
        return [wrong("sign-in", "the metadata names no usable endpoints", patient.click("metadata"))]
    return [await _redirect(patient, order, str(places[0])), await _secret(patient, order, str(places[1]))]


async def _redirect(patient: Patient, order: Login, endpoint: str) -> Line:
    what, back = "sign-in: redirect URI", f"{patient.public_url}{CALLBACK}"
    asked = {
        "response_type": "code",
        "client_id": order.client_id,
        "redirect_uri": back,
        "scope": " ".join(order.scopes),
        "state": "doctor",
        "nonce": "doctor",
        "prompt": "none",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    url = f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"
    try:
        reply = await patient.ear.send(Ask("GET", url, {"Accept": "text/html"}))
    except OutwardError as failed:
        return wrong(what, failed, patient.click("metadata"))
    to = reply.said("Location")
    if to.startswith((f"{back}?", f"{back}#")):
        return _sent_back(patient, what, back, to)
    if 300 <= reply.status < 400 and "error" not in to.lower():
        return note(
            what, f"the provider goes on to {_place(to)}, so it is not known", f"Look that {back} is there."
        )
    refused = f"the provider does not send browsers of {order.client_id} to {back}"
    found = f"status {reply.status}: {refused}{_said(reply)}"
    return wrong(what, found, patient.click("redirect"))


def _sent_back(patient: Patient, what: str, back: str, to: str) -> Line:
    """It knows the address; what it says there is about the rest of the request."""
    parts = urlsplit(to)
    said = parse_qs(parts.query or parts.fragment)
    error = said.get("error", [""])[0]
    if error in NOBODY_YET or "code" in said:
        return good(what, f"{back} is registered")
    found = (
        f"{back} is registered, but the request is refused: {error} {said.get('error_description', [''])[0]}"
    )
    if error == "invalid_scope":
        return wrong(what, found, "Allow the scopes of `login.scopes` to this client, or ask for fewer.")
    return wrong(what, found, patient.click("redirect"))


async def _secret(patient: Patient, order: Login, endpoint: str) -> Line:
    what = "sign-in: client"
    client = OAuthClient(order, patient.gateway.keys, audience=patient.issuer)
    form = [
        ("grant_type", "authorization_code"),
        ("code", "doctor"),
        ("redirect_uri", f"{patient.public_url}{CALLBACK}"),
        ("code_verifier", "doctor-only-looks-and-has-no-verifier-at-all"),
    ]
    try:
        answer = await TokenEndpoint(patient.ear, endpoint, client).ask(form)
    except OutwardError as failed:
        return wrong(what, failed, patient.click("endpoint"))
    if answer.client_refused:
        return wrong(what, f"{order.client_id} is refused: {answer.said}", patient.click("client"))
    if answer.error == "invalid_grant":
        return good(what, f"{order.client_id} proves itself ({order.client_auth})")
    return note(what, f"not what was expected: {answer.said}", patient.click("client"))


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"


def _said(reply: Reply) -> str:
    """What its page says of the address, if it can be found."""
    found: Any = _SAID.search(reply.body.decode("utf-8", "replace"))
    return f" ({shown(found[0].strip())})" if found else ""
