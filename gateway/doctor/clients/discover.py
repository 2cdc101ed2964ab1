"""From the address that a person typed to the endpoints, in the assistant's order and by its rules.

RFC 9728 (metadata of the resource), RFC 8414 and OpenID Connect Discovery (of the authorization server).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gateway.doctor import Line, good, wrong
from gateway.doctor.clients import Profile
from gateway.doctor.clients.speech import Answer, Stopped, get, post, say
from gateway.http import Ask, Outward

WELL_KNOWN = "/.well-known/"
CHALLENGE = "discover: 401"
RESOURCE = "discover: metadata of the resource"
SERVER = "discover: metadata of the authorization server"


@dataclass(frozen=True, slots=True)
class Found:
    """What the assistant knows before it registers."""

    url: str
    challenge: dict[str, str]
    resource: dict[str, Any]
    server: dict[str, Any]
    lines: tuple[Line, ...]

    def scopes(self, profile: Profile) -> str:
        """What it asks for, in its own order."""
        listed = {
            "challenge": self.challenge.get("scope", "").split() or self.resource.get("scopes_supported", []),
            "resource": self.resource.get("scopes_supported", []),
            "server": self.server.get("scopes_supported", []),
            "none": [],
        }[profile.scopes]
        offline = "offline_access"
        more = profile.offline_access and offline in self.server.get("scopes_supported", [])
        return " ".join(dict.fromkeys([*listed, *([offline] if more else [])]))


def hello(protocol: str, name: str) -> dict[str, Any]:
    """The first message of a session (MCP lifecycle)."""
    return {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": protocol,
            "capabilities": {},
            "clientInfo": {"name": name, "version": "replay"},
        },
    }


async def discover(http: Outward, profile: Profile, url: str) -> Found:
    """All that is found. Raises `Stopped` where this assistant would stop."""
    challenge, first = await _challenge(http, profile, url)
    resource, second = await _resource(http, profile, url, challenge)
    server, third = await _server(http, profile, str(resource["authorization_servers"][0]))
    return Found(url, challenge, resource, server, (first, second, third))


async def _challenge(http: Outward, profile: Profile, url: str) -> tuple[dict[str, str], Line]:
    if profile.first == "POST":
        answer = await post(http, CHALLENGE, url, hello(profile.protocol, profile.title))
    else:
        answer = await say(http, CHALLENGE, Ask("GET", url, {"Accept": "text/event-stream"}))
    found = answer.challenge
    if answer.status != 401 or "resource_metadata" not in found:
        raise Stopped(
            wrong(
                CHALLENGE,
                f"{profile.first} without a token: {answer.said}, challenge {sorted(found) or 'none'}",
                "A proxy before the gateway must pass 401 and WWW-Authenticate through.",
            )
        )
    scope = found.get("scope", "")
    return found, good(
        CHALLENGE, f"{profile.first} without a token: 401 with metadata, scope {scope or 'none'}"
    )


async def _resource(
    http: Outward, profile: Profile, url: str, challenge: dict[str, str]
) -> tuple[dict[str, Any], Line]:
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}oauth-protected-resource"
    places = {"challenge": challenge["resource_metadata"], "path": root + parts.path, "root": root}
    for place in profile.resource_places:
        answer = await get(http, RESOURCE, places[place])
        if answer.status == 200 and answer.body:
            return answer.body, _fits(profile, url, place, answer)
    raise Stopped(
        wrong(RESOURCE, f"at none of {', '.join(profile.resource_places)}", "Let /.well-known/ through.")
    )


def _fits(profile: Profile, url: str, place: str, answer: Answer) -> Line:
    """Whether the document is for that address, by this assistant's rule. Raises `Stopped`."""
    named, servers = str(answer.body.get("resource", "")), answer.body.get("authorization_servers")
    if not same_resource(profile.same_resource, url, named):
        do = f"Add {named} in the assistant instead, or set server.public_url to what people type."
        raise Stopped(wrong(RESOURCE, f"it is for {named}, not for {url} ({profile.same_resource})", do))
    if not isinstance(servers, list) or not servers:
        raise Stopped(wrong(RESOURCE, "it names no authorization server", "Set identity.issuers."))
    return good(
        RESOURCE, f"by {place}; resource is the same ({profile.same_resource}); signs in at {servers[0]}"
    )


def same_resource(rule: str, typed: str, named: str) -> bool:
    """Whether `named` in the metadata is the resource that a person typed."""
    ours, theirs = urlsplit(typed), urlsplit(named)
    if rule == "exact":
        return typed == named
    origin = (ours.scheme, ours.netloc.lower()) == (theirs.scheme, theirs.netloc.lower())
    if rule == "normalised":
        return origin and (ours.path or "/") == (theirs.path or "/") and ours.query == theirs.query
    if rule == "place":
        return origin and ours.path == theirs.path
    return origin and f"{ours.path.rstrip('/')}/".startswith(f"{theirs.path.rstrip('/')}/")


def server_places(issuer: str) -> dict[str, str]:
    """Where its metadata may be (RFC 8414 §3.1, §5; OpenID Connect Discovery §4)."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}", parts.path.rstrip("/")
    return {
        "oauth": f"{origin}oauth-authorization-server{path}",
        "openid": f"{origin}openid-configuration{path}",
        "oauth-appended": f"{issuer.rstrip('/')}{WELL_KNOWN}oauth-authorization-server",
        "openid-appended": f"{issuer.rstrip('/')}{WELL_KNOWN}openid-configuration",
    }


async def _server(http: Outward, profile: Profile, issuer: str) -> tuple[dict[str, Any], Line]:
    places = server_places(issuer)
    for place in profile.server_places:
        answer = await get(http, SERVER, places[place])
        if answer.status == 200 and answer.body:
            break
    else:
        raise Stopped(wrong(SERVER, f"not found at {issuer}", "Let /.well-known/ through."))
    lacks = list(_lacks(profile, issuer, answer.body))
    if lacks:
        raise Stopped(
            wrong(SERVER, "; ".join(lacks), "Set server.public_url to what people type, and signin.")
        )
    return answer.body, good(SERVER, f"by {place}; issuer is the same; S256, refresh, registration")


def _lacks(profile: Profile, issuer: str, found: dict[str, Any]) -> Iterator[str]:
    """What this assistant misses in it."""
    if found.get("issuer") != issuer:
        yield f"issuer is {found.get('issuer')}, not {issuer}"
    for name in ("authorization_endpoint", "token_endpoint"):
        if not isinstance(found.get(name), str):
            yield f"no {name}"
    if "S256" not in found.get("code_challenge_methods_supported", []):
        yield "code_challenge_methods_supported lacks S256"
    if "refresh_token" not in found.get("grant_types_supported", []):
        yield "grant_types_supported lacks refresh_token"
    method = profile.body.get("token_endpoint_auth_method", "none")
    if method not in found.get("token_endpoint_auth_methods_supported", []):
        yield f"token_endpoint_auth_methods_supported lacks {method}"
    by_document = profile.document and found.get("client_id_metadata_document_supported") is True
    if not by_document and not isinstance(found.get("registration_endpoint"), str):
        yield "it takes neither documents nor registrations"
