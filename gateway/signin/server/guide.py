"""What to type into each assistant (`assistants.toml`), and which of them a client is."""

import base64
import tomllib
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Literal
from urllib.parse import quote, urlencode

import orjson

_FILE = Path(__file__).with_name("assistants.toml")


@dataclass(frozen=True, slots=True)
class Guide:
    """One assistant. `$url` and `$name` in its texts are for `filled`."""

    slug: str
    title: str
    steps: tuple[str, ...]
    checked: Literal["ran", "read", "not"]
    source: str
    lead: str = ""
    where: str = ""
    paste: str = ""
    link: str = ""
    ids: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def filled(self, name: str, url: str) -> str:
        """The text to paste for that address."""
        return Template(self.paste).substitute(name=name, url=url).strip()

    def one_click(self, name: str, url: str) -> str:
        """A link that the assistant's own app opens; empty where it has none."""
        make = _LINKS.get(self.link)
        return make(name, url) if make else ""


def guides() -> tuple[Guide, ...]:
    """All, in the order in which they are shown."""
    found = tomllib.loads(_FILE.read_text(encoding="utf-8"))["assistant"]
    return tuple(_guide(one) for one in found)


def which(guides: tuple[Guide, ...], client_id: str, host: str, name: str = "") -> Guide | None:
    """The assistant that this client most likely is: by its id, else by where its answers go, else by its name.

    For showing only. A name is anybody's, so nothing may depend on it.
    """
    for guide in guides:
        if any(client_id.startswith(begin) for begin in guide.ids):
            return guide
    for guide in guides:
        if host in guide.hosts:
            return guide
    return next((g for g in guides if any(name.lower().startswith(begin) for begin in g.names)), None)


def server_name(site: str, *, only: bool) -> str:
    """The short name under which an assistant keeps our address: with the tool's name at most 60 characters
    (Cursor drops longer ones)."""
    return "jira" if only else f"jira-{site}"[:20]


def _vscode(name: str, url: str) -> str:
    told = orjson.dumps({"name": name, "type": "http", "url": url}).decode()
    return f"vscode:mcp/install?{quote(told, safe='')}"


def _cursor(name: str, url: str) -> str:
    told = base64.b64encode(orjson.dumps({"url": url})).decode()
    return "cursor://anysphere.cursor-deeplink/mcp/install?" + urlencode({"name": name, "config": told})


_LINKS = {"vscode": _vscode, "cursor": _cursor}


def _guide(one: dict[str, Any]) -> Guide:
    fields: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in one.items()}
    return Guide(**fields)
