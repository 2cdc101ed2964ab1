"""A Jira site that people connect, as the pages need to know it."""

from dataclasses import dataclass

from gateway.credential import Linking


@dataclass(frozen=True, slots=True)
class LinkedSite:
    """One site and its source."""

    name: str
    """Also the `upstream` of its grants; `NAME/write` is that of a second app for writes."""
    url: str
    """Where people open it."""
    linking: Linking
    callback_url: str
    """Where its authorization server sends the browser back: `…/connect/NAME/callback`."""
