"""What stands beside the tokens: introspection, security events, the directory."""

from urllib.parse import urlsplit

from gateway.doctor import Line, good, listed, note, wrong
from gateway.doctor.patient import Patient
from gateway.errors import Unauthenticated, Unavailable
from gateway.identity.discovery import Unusable, document
from gateway.identity.introspection import question
from gateway.identity.wire import told
from gateway.model import Person
from gateway.transport.events import PATH as EVENTS

NOBODY = "doctor-knows-nobody-of-this-name"


async def beside(patient: Patient) -> list[Line]:
    """A line for each."""
    return [await _introspection(patient), await _events(patient), await _directory(patient)]


async def _introspection(patient: Patient) -> Line:
    """RFC 7662 §2.2: about a token that is none, a known client is told `{"active": false}`."""
    order = patient.settings.introspection
    if order is None:
        return note("introspection", "not set: opaque tokens are refused")
    status, answer = 0, dict[str, object]()
    try:
        for proof in patient.client(order).proofs():
            status, answer = await told(patient.ear, question(order.endpoint, proof, NOBODY), order.endpoint)
            if status != 401:
                break
    except Unavailable as silent:
        return wrong("introspection", silent.private, patient.click("introspection"))
    if status != 200 or answer.get("active") is not False:
        found = f"{order.endpoint}: status {status}, error {answer.get('error')!r}"
        return wrong("introspection", found, patient.click("introspection"))
    return good("introspection", f"{order.endpoint} answers {order.client_id}")


async def _events(patient: Patient) -> Line:
    """Shared Signals Framework 1.0 §7.1: where a transmitter says what it sends."""
    to = f"{patient.public_url}{EVENTS}"
    if not patient.settings.events:
        return note("events", "off: who signs out or is switched off is refused when the token ends")
    parts = urlsplit(patient.issuer)
    url = f"{parts.scheme}://{parts.netloc}/.well-known/ssf-configuration{parts.path.rstrip('/')}"
    do = f"{patient.click('events')} Address and audience: {to}"
    try:
        found = await document(url, patient.ear)
    except Unusable as why:
        return note("events", f"on, but the provider does not say that it sends any ({why})", do)
    if found.get("issuer") != patient.issuer:
        return wrong("events", f"they come from {found.get('issuer')!r}, not from {patient.issuer!r}", do)
    methods = found.get("delivery_methods_supported")
    if isinstance(methods, list) and "urn:ietf:rfc:8935" not in methods:
        return wrong(
            "events", f"it delivers by {listed(methods)} only; pushing (RFC 8935) is what is taken", do
        )
    return good("events", f"{url}; address and audience: {to}")


async def _directory(patient: Patient) -> Line:
    """About somebody: the person of the token, else a name that nobody has."""
    source = patient.directory
    if source is None:
        return note("directory", "not set: groups come from tokens alone")
    caller = patient.caller
    person = (
        Person(caller.issuer, caller.subject, caller.email)
        if caller is not None
        else Person(patient.issuer, NOBODY, f"{NOBODY}@example.com")
    )
    try:
        found = await source.groups(person)
    except Unauthenticated as unknown:
        if caller is None:
            return good("directory", "it answers, and knows nobody of a made-up name")
        return wrong("directory", f"{person.subject}: {unknown.private}", patient.click("directory"))
    except Unavailable as silent:
        return wrong("directory", silent.private, patient.click("directory"))
    return good("directory", f"{len(found)} groups of {person.subject}: {listed(found)}")
