"""For which of our endpoints a token is asked (RFC 8707), as assistants write it.

They send the URL that the person typed, or none, or with a slash or a query behind it. What is ours after
that is ours; anything else is `invalid_target`, our own origin too: it is the issuer, not an endpoint.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from gateway import limits
from gateway.signin.server.refused import OAuthError


class Resources:
    """`sites`: URL of each MCP endpoint -> name of its Jira site; the first is meant where none is named."""

    def __init__(self, sites: Mapping[str, str]) -> None:
        self._sites = dict(sites)
        self._first = next(iter(self._sites))
        self._ours = {_plain(url): url for url in self._sites}

    def one(self, asked: str | None) -> str:
        """The URL of the endpoint, byte for byte. Raises `OAuthError`."""
        if not asked:
            return self._first
        found = self._ours.get(_plain(asked)) if len(asked) <= limits.URI_CHARS else None
        if found is None:
            known = ", ".join(self._sites)
            raise OAuthError("invalid_target", f"The resource is none of this server: {known}.")
        return found

    def same(self, asked: str | None, bound: str) -> None:
        """Whether a later request means the endpoint that the sign-in was for. Raises `OAuthError`."""
        if asked and self.one(asked) != bound:
            raise OAuthError("invalid_target", f"This sign-in is for {bound}.")

    def names(self, resource: str) -> list[str]:
        """The Jira site behind it, for people."""
        return [self._sites[resource]] if resource in self._sites else []


def _plain(url: str) -> str:
    """Without query, fragment and last slash; scheme and host in lower case (RFC 3986 §6.2.2.1)."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
    except ValueError:
        return url
