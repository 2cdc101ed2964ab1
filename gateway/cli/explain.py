"""`explain user`: whom a token names here, by which claims, and which rules give which roles."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import orjson
from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from gateway import limits
from gateway.assistants import own_keys
from gateway.cli import FAILED, GOOD, USAGE
from gateway.cli.secrets import client_keys
from gateway.config import Settings, load
from gateway.credential.keys import ClientKeys
from gateway.errors import ConfigError
from gateway.http import Outward
from gateway.identity.explain import Explanation, explain
from gateway.identity.profiles import IssuerProfile
from gateway.identity.revocation import Revocations
from gateway.identity.roles import RoleTable
from gateway.jose import Key
from gateway.model import Bearer
from gateway.providers import Providers
from gateway.signin.server.access import KEY_FILE
from gateway.site import site_paths
from gateway.store.sql import Database


def user(arguments: argparse.Namespace) -> int:
    """`explain user FILE|- [--config FILE] [--site NAME] [--json]`: 0 accepted, 1 refused."""
    settings = load(arguments.config)
    path = _path(settings, arguments.site)
    try:
        bearer = _token(arguments.token)
    except OSError as unreadable:
        # Its name is not repeated: it may be the token.
        print(
            f"The file cannot be read ({unreadable.strerror}). Write the token into a file and name that, or pipe "
            "it in and say `-`: what stands on a command line, others can read.",
            file=sys.stderr,
        )
        return USAGE
    found = _elsewhere(settings, asyncio.run(_explained(settings, path, bearer)))
    if arguments.json:
        print(orjson.dumps(asdict(found)).decode())
    else:
        Console().print(shown(found))
    return GOOD if found.accepted else FAILED


async def _explained(settings: Settings, path: str, bearer: Bearer) -> Explanation:
    async with Outward() as outward:
        database = Database(settings.database.url.get_secret_value())
        revocations = Revocations(database)
        providers = Providers(settings, outward, revocations, _own(settings), client_keys=_keys(settings))
        profiles, verified = providers.profiles(path), providers.verified(path)
        own = _readings(settings, path)
        if not database.exists():  # so nobody was ever cut off, and none is made for a look
            return await explain(bearer, profiles, verified, own=own)
        async with database:
            return await explain(bearer, profiles, verified, revocations.against, own=own)


def _own(settings: Settings) -> Callable[[], Mapping[str, Key]] | None:
    """The keys of our own tokens, as they lie; where there are none, none are made for a look."""
    if settings.signin.mode != "signin":
        return None
    keys = own_keys(settings) if _key_file(settings).exists() else None
    return dict if keys is None else keys.public


def _key_file(settings: Settings) -> Path:
    return settings.signin.key_file or settings.audit.dir / KEY_FILE


def _elsewhere(settings: Settings, found: Explanation) -> Explanation:
    """With a hint when the keys of our own tokens are not here: on another machine no token of ours is known."""
    file = _key_file(settings)
    if found.accepted or settings.signin.mode != "signin" or file.exists():
        return found
    hint = f"The keys of the gateway's own tokens are not here ({file}): look where the gateway runs."
    return replace(found, hints=(*found.hints, hint))


def _readings(settings: Settings, path: str) -> dict[str, IssuerProfile]:
    """How our own tokens for that endpoint are read, by the provider that the person is of."""
    if settings.signin.mode != "signin":
        return {}
    ours = settings.server.public_url
    return {
        one.issuer: IssuerProfile(ours, ours + path, roles=RoleTable(one.roles))
        for one in settings.identity.issuers
    }


def _keys(settings: Settings) -> ClientKeys | None:
    """What we prove ourselves with where opaque tokens are asked about; they are made only where they are needed."""
    asked = [one.introspection for one in settings.identity.issuers if one.introspection is not None]
    return client_keys(settings) if any(one.client_auth == "private_key_jwt" for one in asked) else None


def _token(name: str) -> Bearer:
    """Of standard input for `-`, else of the file. One byte more than is taken, so that more is refused."""
    most = limits.TOKEN_BYTES + 1
    if name == "-":
        raw = sys.stdin.buffer.read(most)
    else:
        with Path(name).open("rb") as file:
            raw = file.read(most)
    return Bearer(raw.decode("utf-8", "replace").strip())


def _path(settings: Settings, site: str) -> str:
    paths = {one.name: path for path, one in reversed(site_paths(settings).items())}
    if site and site not in paths:
        raise ConfigError([f"There is no site {site!r}; choose one of {', '.join(sorted(paths))}."])
    return paths[site] if site else next(iter(site_paths(settings)))


def shown(found: Explanation) -> Group:
    """For a terminal."""
    verdict = (
        Text("✔ accepted", "bold green")
        if found.accepted
        else Text(f"✘ refused: {_clean(found.refused)}", "bold red")
    )
    parts: list[Table | Text] = [verdict]
    if found.said:
        parts.append(
            _table(("what", "value", "from"), [(one.what, one.value, one.claims) for one in found.said])
        )
    if found.accepted:
        rows = [
            row
            for group in found.groups
            for row in [(group.name, role, rule) for role, rule in group.gives]
            or [(group.name, "nothing", "no rule fits")]
        ]
        parts.append(Text(_clean(f"Groups: {found.groups_from}.")))
        parts += [_table(("group", "gives", "by the rule"), rows)] if rows else []
        parts.append(Text(_clean(f"Roles: {', '.join(found.roles) or 'none'}."), "bold"))
    parts += [Text(f"· {_clean(hint)}", "yellow") for hint in found.hints]
    return Group(*parts)


def _table(columns: tuple[str, ...], rows: list[tuple[str, str, str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_clean(cell)) for cell in row))
    return table


def _clean(text: str) -> str:
    """With nothing that a terminal would obey: some of it a stranger wrote."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
