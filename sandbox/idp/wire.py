"""What goes over the wire: parameters in, JSON and RFC-shaped errors out.

Everything a stranger sends is read here, so nothing malformed reaches the flows behind it.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response

BODY_BYTES = 64 * 1024
"""bytes of one request body or query: four of the largest access tokens."""

PARAMETERS = 50
"""parameters in one request: three times what any of our flows has."""

REPEATABLE = frozenset({"resource", "audience"})
"""RFC 8707 §2 and RFC 8693 §2.1 allow these more than once; RFC 6749 §3.1 forbids it for all others."""


class OAuthError(Exception):
    """An error answer (RFC 6749 §5.2). `error` is the registered code, `description` says what to change."""

    def __init__(
        self, error: str, description: str, *, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status
        self.headers = headers or {}


class Json(Response):
    """A JSON answer that no cache keeps (RFC 6749 §5.1)."""

    media_type = "application/json"

    def __init__(self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status, {"Cache-Control": "no-store", **(headers or {})})

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


async def error_answer(request: Request, error: Exception) -> Response:
    """Starlette's handler for `OAuthError`."""
    assert isinstance(error, OAuthError)
    body = {"error": error.error, "error_description": error.description}
    return Json(body, error.status, error.headers)


class Params:
    """Decoded parameters. An empty value counts as absent (RFC 6749 §3.1)."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            if value:
                self._values.setdefault(name, []).append(value)
        for name, values in self._values.items():
            if len(values) > 1 and name not in REPEATABLE:
                raise OAuthError(
                    "invalid_request", "A parameter was sent more than once; send each one once."
                )

    @classmethod
    def parse(cls, raw: bytes) -> "Params":
        """`raw` as application/x-www-form-urlencoded. Raises `OAuthError` invalid_request."""
        if len(raw) > BODY_BYTES:
            raise OAuthError("invalid_request", f"Send at most {BODY_BYTES} bytes.", status=413)
        try:
            text = raw.decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS)
        except ValueError as broken:
            raise OAuthError(
                "invalid_request", "The parameters are not well-formed percent-encoding."
            ) from broken
        return cls(pairs)

    def get(self, name: str) -> str | None:
        """The only value, or None."""
        values = self._values.get(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """Every value of a repeatable parameter."""
        return self._values.get(name, [])

    def need(self, name: str) -> str:
        """The only value. Raises `OAuthError` invalid_request when it is absent."""
        value = self.get(name)
        if value is None:
            raise OAuthError("invalid_request", f"The parameter {name} is missing.")
        return value


async def body(request: Request) -> bytes:
    """The request's body. Raises `OAuthError` with status 413 beyond `BODY_BYTES`."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > BODY_BYTES:
            raise OAuthError("invalid_request", f"Send at most {BODY_BYTES} bytes.", status=413)
    return bytes(parts)


async def form(request: Request) -> Params:
    """The parameters of a form body. Raises `OAuthError` invalid_request."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "Send the parameters as application/x-www-form-urlencoded.")
    return Params.parse(await body(request))
