"""Client ID metadata documents: an assistant whose id is the https address of its own description
(draft-ietf-oauth-client-id-metadata-document; MCP authorization, "Client ID Metadata Documents").

    the id's form ── fetched once (`gateway/public.py`) ──> JSON ──> a `Client`, and how long it is fresh

Two failures, which whoever keeps copies must tell apart: a document that *cannot be had* now, for which the
last good copy may serve, and one that *is not good*, which replaces nothing and is not used. Neither is
fetched again for some seconds, and no host is asked more than so often a minute.

What is stricter than the draft: the id has no query, because many sites echo one, and then anybody could
write a document in their name; its host is a public name at port 443; its keys are of its own origin.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from gateway import clock, limits
from gateway.http import OutwardError, Reply, UnusableReply
from gateway.jose import JoseError, lasting_object, public_key
from gateway.public import Internet
from gateway.signin.server import AuthMethod, Client, UnknownClient
from gateway.store.flight import SingleFlight
from gateway.store.memory import ExpiringCache, WindowCounter

_PATH = re.compile(r"(?=.*[^/])/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})+")
"""RFC 3986 §3.3, and more than the root."""

_DOTS = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)
_JSON = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json")
_AGE = re.compile(r"(?:^|[\s,])(s-maxage|max-age)=\"?(\d{1,9})\"?(?=$|[\s,;])")
_METHODS: Mapping[Any, AuthMethod] = {"none": "none", "private_key_jwt": "private_key_jwt"}


class DocumentUnavailable(UnknownClient):
    """The document cannot be had now. A copy from before may serve. `private` is for the operator's log."""

    def __init__(self, text: str, private: str = "") -> None:
        super().__init__(text)
        self.private = private


@dataclass(frozen=True, slots=True)
class Document:
    """A good document."""

    client: Client
    """Its redirect URIs are not checked here, but for number and length."""
    fresh_seconds: float
    """How long it need not be fetched again: its own headers (RFC 9111), within `CLIENT_DOCUMENT_FRESH`."""


class Documents:
    """Fetches the documents of assistants. What is fresh, and the last good copy, is for the registry."""

    def __init__(self, internet: Internet) -> None:
        self._internet = internet
        self._flight: SingleFlight[str, Document] = SingleFlight()
        self._failed: ExpiringCache[str, UnknownClient] = ExpiringCache(limits.CLIENT_DOCUMENT_FAILURES)
        self._asked: WindowCounter[str] = WindowCounter(60.0)

    async def fetch(self, client_id: str) -> Document:
        """The document at `client_id`. Raises `UnknownClient` when the id or the document is not good, and
        `DocumentUnavailable` when it cannot be had; many who ask at once wait for one fetch."""
        self._check(client_id)
        failed = self._failed.get(client_id)
        if failed is not None:
            raise type(failed)(str(failed))
        return await self._flight.run(client_id, lambda: self._fetched(client_id))

    def _check(self, client_id: str) -> None:
        """The id's own form (draft §3). Raises `UnknownClient`."""
        if len(client_id) > limits.URI_CHARS:
            raise UnknownClient(f"The client_id is longer than {limits.URI_CHARS} characters.")
        refused = self._internet.refusal(client_id)
        if refused:
            raise UnknownClient(f"No document is fetched from this client_id: {refused}.")
        parts = urlsplit(client_id)
        if not _PATH.fullmatch(parts.path) or any(map(_DOTS.fullmatch, parts.path.split("/"))):
            raise UnknownClient("The client_id must have a path besides `/`, without dot segments.")
        if "?" in client_id or "#" in client_id:
            raise UnknownClient("The client_id must have neither a query nor a fragment.")

    async def _fetched(self, client_id: str) -> Document:
        try:
            return await self._read(client_id, clock.mono() + limits.CLIENT_DOCUMENT_SECONDS)
        except UnknownClient as failed:
            # Another object than the one raised: that one holds frames, and with them whole answers.
            again = clock.wall() + limits.CLIENT_DOCUMENT_RETRY_SECONDS
            self._failed.put(client_id, type(failed)(str(failed)), until=again)
            raise

    async def _read(self, client_id: str, deadline: float) -> Document:
        reply = await self._get(
            client_id, deadline, limits.CLIENT_DOCUMENT_BYTES, "document at the client_id"
        )
        found = _object(reply, "document at the client_id")
        if found.get("client_id") != client_id:
            raise UnknownClient("The document's client_id is not, letter for letter, its own address.")
        if any(name.startswith("client_secret") for name in found):
            raise UnknownClient("The document holds a client_secret; what everybody can read is no secret.")
        method = _METHODS.get(_method(found))
        if method is None:
            raise UnknownClient(
                "The document's token_endpoint_auth_method must be `none` or `private_key_jwt`."
            )
        fresh = _fresh(reply)
        keys = None
        if method == "private_key_jwt":
            keys, also = await self._keys(found, client_id, deadline)
            fresh = min(fresh, also)
        return Document(_client(client_id, found, method, keys), fresh)

    async def _keys(
        self, found: Mapping[str, Any], client_id: str, deadline: float
    ) -> tuple[Mapping[str, Any], float]:
        """The keys in the document or at its `jwks_uri`, and how long those are fresh (RFC 7591 §2)."""
        if ("jwks" in found) == ("jwks_uri" in found):
            raise UnknownClient("With private_key_jwt the document must have either `jwks` or `jwks_uri`.")
        if "jwks" in found:
            return _usable(found["jwks"]), limits.CLIENT_DOCUMENT_FRESH[1]
        uri = found["jwks_uri"]
        if not isinstance(uri, str) or len(uri) > limits.URI_CHARS or self._internet.refusal(uri):
            raise UnknownClient("The document's jwks_uri is no https address of a public host.")
        if urlsplit(uri).netloc.removesuffix(":443") != urlsplit(client_id).netloc.removesuffix(":443"):
            raise UnknownClient("The document's jwks_uri must be at the client_id's own host.")
        reply = await self._get(uri, deadline, limits.CLIENT_KEYS_BYTES, "key set at the jwks_uri")
        return _usable(_object(reply, "key set at the jwks_uri")), _fresh(reply)

    async def _get(self, url: str, deadline: float, max_bytes: int, what: str) -> Reply:
        """The answer with status 200. Which of our own names there are shows in no text."""
        seconds, host = deadline - clock.mono(), urlsplit(url).netloc
        if seconds <= 0 or self._asked.count(host) >= limits.CLIENT_DOCUMENTS_A_MINUTE:
            raise DocumentUnavailable(f"The {what} cannot be fetched at the moment; try again in a minute.")
        self._asked.add(host)
        try:
            reply = await self._internet.get(
                url, accept="application/json", seconds=seconds, max_bytes=max_bytes
            )
        except UnusableReply as wrong:
            if wrong.status == 200:
                raise UnknownClient(
                    f"The {what} is larger than {max_bytes} bytes, or comes compressed."
                ) from None
            raise DocumentUnavailable(f"The {what} cannot be had: status {wrong.status}.") from None
        except OutwardError as failed:
            raise DocumentUnavailable(
                f"The {what} cannot be fetched from here within {limits.CLIENT_DOCUMENT_SECONDS:g} s: it must be "
                "on the open internet, by https at port 443 with a valid certificate.",
                private=str(failed),
            ) from None
        if reply.status in (404, 410):
            raise UnknownClient(f"There is no {what}: status {reply.status}.")
        if reply.status != 200:
            raise DocumentUnavailable(
                f"The {what} cannot be had: status {reply.status}; redirects are not followed."
            )
        return reply


def _object(reply: Reply, what: str) -> dict[str, Any]:
    """The JSON object in an answer. Raises `UnknownClient`."""
    if not _JSON.fullmatch(reply.said("Content-Type").partition(";")[0].strip().lower()):
        raise UnknownClient(f"The {what} is not sent as application/json.")
    try:
        return lasting_object(reply.body, "body")
    except JoseError:
        raise UnknownClient(f"The {what} is not one JSON object, or names a member twice.") from None


def _method(found: Mapping[str, Any]) -> Any:
    """How the client proves itself; without a word it does not, for it cannot share a secret with us."""
    said = found.get("token_endpoint_auth_method", "none")
    return said if isinstance(said, str) else ""


def _client(
    client_id: str, found: Mapping[str, Any], method: AuthMethod, keys: Mapping[str, Any] | None
) -> Client:
    """What the document says that matters here (RFC 7591 §2). Raises `UnknownClient`."""
    grants = _texts(found, "grant_types", 16, limits.CLAIM_CHARS)
    granted = frozenset(grants) if grants else frozenset({"authorization_code", "refresh_token"})
    redirects = _texts(found, "redirect_uris", limits.REDIRECTS_PER_CLIENT, limits.URI_CHARS)
    if "authorization_code" in granted and not redirects:
        raise UnknownClient("The document names no redirect_uris.")
    name = found.get("client_name", "")
    printable = "".join(c for c in name if c.isprintable()) if isinstance(name, str) else ""
    return Client(
        id=client_id,
        registration="document",
        name=printable[: limits.CLAIM_CHARS].strip(),
        redirect_uris=tuple(dict.fromkeys(redirects)),
        auth_method=method,
        jwks=keys,
        grant_types=granted,
    )


def _texts(found: Mapping[str, Any], member: str, most: int, chars: int) -> Sequence[str]:
    """A list of texts; empty when it is absent. Raises `UnknownClient`."""
    listed = found.get(member, [])
    if not isinstance(listed, list) or len(listed) > most:
        raise UnknownClient(f"The document's {member} must be a list of at most {most}.")
    if not all(isinstance(one, str) and 0 < len(one) <= chars for one in listed):
        raise UnknownClient(f"The document's {member} must be texts of at most {chars} characters.")
    return listed


def _usable(key_set: Any) -> Mapping[str, Any]:
    """The members of a key set that we can verify with (RFC 7517 §5). Raises `UnknownClient`."""
    members = key_set.get("keys") if isinstance(key_set, Mapping) else None
    found: dict[str, Any] = {}
    for member in members if isinstance(members, list) and len(members) <= limits.JWKS_KEYS else ():
        try:
            kid = public_key(member).kid
        except JoseError:
            continue
        if kid in found:
            raise UnknownClient("The document's keys must each have a `kid` of their own.")
        found[kid] = member
    if not found:
        raise UnknownClient(
            "Among the document's keys there is no public RSA, EC or Ed25519 key that has a `kid`."
        )
    return {"keys": list(found.values())}


def _fresh(reply: Reply) -> float:
    """Seconds for which an answer is fresh (RFC 9111 §4.2), within our own bounds; we are a shared cache."""
    least, most = limits.CLIENT_DOCUMENT_FRESH
    control = reply.said("Cache-Control").lower()
    ages = {name: float(value) for name, value in _AGE.findall(control)}
    if re.search(r"\bno-(?:store|cache)\b|\bprivate\b", control):
        return least
    told = ages.get("s-maxage", ages.get("max-age"))
    if told is None:
        ends, sent = _date(reply, "Expires"), _date(reply, "Date")
        told = 0.0 if ends is None else ends - (clock.wall() if sent is None else sent)
    age = reply.said("Age")
    return min(max(told - (float(age) if re.fullmatch(r"[0-9]{1,9}", age) else 0.0), least), most)


def _date(reply: Reply, header: str) -> float | None:
    """RFC 9110 §5.6.7; None when it cannot be read."""
    try:
        return parsedate_to_datetime(reply.said(header)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
