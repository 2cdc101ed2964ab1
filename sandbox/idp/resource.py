"""Resource indicators (RFC 8707): the one thing that assistants' tokens are good for is the gateway."""

from urllib.parse import urlsplit

from sandbox.idp.wire import OAuthError, Params


def _normal(uri: str) -> tuple[str, str, str]:
    """Scheme, authority and path, without what clients add or lose: case, a last slash, a query."""
    parts = urlsplit(uri)
    return parts.scheme.lower(), parts.netloc.lower(), parts.path.rstrip("/")


def check(params: Params, ours: str) -> None:
    """Every `resource` given is `ours`; none is fine too. Raises `OAuthError` invalid_target."""
    for asked in params.all("resource"):
        try:
            same = "#" not in asked and _normal(asked) == _normal(ours)
        except ValueError:
            same = False
        if not same:
            raise OAuthError("invalid_target", f"Tokens are issued here for the resource {ours} only.")
