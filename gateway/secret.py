"""A value that goes to one destination and is printed nowhere."""

import base64
from typing import Any
from urllib.parse import quote_plus


class Secret:
    """A value that cannot be printed, formatted, compared by accident or pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value. Call it only where the bytes leave for their one destination."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not serialised")


def basic(client_id: str, secret: Secret) -> str:
    """`client_secret_basic`: both parts are form-encoded before Base64 (RFC 6749 §2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}"
    return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
