"""What the sections of the settings are made of."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

_PLAIN = re.compile(r"[A-Za-z0-9:/._~%\[\]-]+")
"""What an address is made of. We publish addresses, and some clients hand them to a shell (CVE-2025-6514)."""


def _plain_url(value: str) -> str:
    parts = urlsplit(value)
    loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must be an absolute https:// address")
    if parts.scheme == "http" and not loopback:
        raise ValueError("must be https:// (plain http is allowed on loopback only)")
    if not _has_port(parts):
        raise ValueError("must have a port from 1 to 65535, or none")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("must have no query, fragment or user name")
    if not _PLAIN.fullmatch(value):
        raise ValueError("must hold only ASCII letters, digits and `:/._~%[]-`")
    return value


def _has_port(parts: SplitResult) -> bool:
    """Whether what stands where a port does is one, or nothing stands there."""
    try:
        return parts.port != 0 and not parts.netloc.endswith(":")
    except ValueError:
        return False


def apart(what: str, names: Iterable[str]) -> None:
    """Raises ValueError, with the name, when two of them are the same."""
    listed = list(names)
    twice = sorted({name for name in listed if listed.count(name) > 1})
    if twice:
        raise ValueError(f"two have the {what} `{twice[0]}`: each must have another one")


def _base_url(value: str) -> str:
    if value.endswith("/"):
        raise ValueError("must have no query, fragment, user name or trailing slash")
    return _plain_url(value)


Url = Annotated[str, AfterValidator(_base_url)]
"""An absolute address to which paths are added."""

ExactUrl = Annotated[str, AfterValidator(_plain_url)]
"""An address that is compared or asked as it stands; a last slash counts."""


class Section(BaseModel):
    """A section of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def notes(self) -> list[str]:
        """What `check` tells of it although nothing is wrong, a sentence each."""
        return []


class SecretFile(SecretStr):
    """A secret that was read from a file, and knows the file, so that it can be read again when replaced."""

    def __init__(self, secret: str, path: Path) -> None:
        super().__init__(secret)
        self.path = path
