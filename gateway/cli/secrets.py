"""`secrets status`, `rotate`, `roll-key` and `roll-access-key`: the gateway's own secrets, here and at the providers.

Changing one takes two commands, and no call fails in between:

    secrets rotate NAME            a new secret is made there and written into `next_client_secret_file`;
                                   the running gateway has both and uses the one that is taken
    secrets rotate NAME --finish   the next one becomes the current one, and all others end there
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway import clock
from gateway.cli import FAILED, GOOD
from gateway.config import Settings, load
from gateway.credential.client import DAY, OAuthClient
from gateway.credential.keys import KEY_FILE, ClientKeys, roll
from gateway.credential.rotation import rotation
from gateway.errors import ConfigError
from gateway.files import write_atomically
from gateway.http import Ask, Outward, OutwardError
from gateway.settings import ClientSettings, SecretFile, Section
from gateway.signin.server import access


def status(arguments: argparse.Namespace) -> int:
    """How old each secret is, which is in use, and what to do. 1 when there is something to do."""
    settings = load(arguments.config)
    running = asyncio.run(_readyz(settings))
    rows = [_row(name, client, running) for name, client in clients(settings).items()]
    keys = client_keys(settings)
    age = (clock.wall() - keys.changed_at()) / DAY
    signing = {"kid": keys.signing.kid, "age_days": round(age, 1), "published": len(keys.jwks()["keys"])}
    if arguments.json:
        print(orjson.dumps({"clients": rows, "key": signing}).decode())
    else:
        _show(rows, signing)
    return FAILED if any(row["warnings"] for row in rows) else GOOD


def rotate(arguments: argparse.Namespace) -> int:
    """Make a new secret, or with `--finish` end the old one."""
    found = clients(load(arguments.config))
    if arguments.name not in found:
        raise ConfigError([f"There is no client `{arguments.name}`; there are: {', '.join(found)}."])
    client = found[arguments.name]
    done = asyncio.run(_finish(client) if arguments.finish else _begin(client, arguments.name))
    print(orjson.dumps({"done": done}).decode() if arguments.json else done)
    return GOOD


def roll_key(arguments: argparse.Namespace) -> int:
    """Sign with the next key, which is published already, and publish a new one."""
    settings = load(arguments.config)
    file = _key_file(settings)
    try:
        signing, following = roll(file)
    except (OSError, ValueError) as unusable:
        raise ConfigError([f"{file}: {unusable}. Put EC P-256 keys there."]) from None
    if arguments.json:
        print(orjson.dumps({"signing": signing.kid, "next": following.kid}).decode())
    else:
        print(f"{signing.kid} signs from now on; {following.kid} is published for the next time.")
    return GOOD


def roll_access_key(arguments: argparse.Namespace) -> int:
    """Sign access tokens with the next key; those of the key before stay good until the next roll.

    So a second roll within their life would sign out calls: it needs `--now`, which is for a key that leaked.
    """
    settings = load(arguments.config)
    file = settings.signin.key_file or settings.audit.dir / access.KEY_FILE
    try:
        keys = ClientKeys(file)
        left = settings.signin.access_minutes * 60 - (clock.wall() - keys.changed_at())
        if len(keys.public()) > 2 and left > 0 and not arguments.now:
            raise ConfigError(
                [
                    f"{file}: it was rolled just now, and access tokens of the key before are in use; wait "
                    f"{left / 60:.0f} minutes. If a key leaked: roll twice with --now."
                ]
            )
        signing, following, _ = access.roll(file)
    except (OSError, ValueError) as unusable:
        raise ConfigError([f"{file}: {unusable}. Put EC P-256 keys there."]) from None
    if arguments.json:
        print(orjson.dumps({"signing": signing.kid, "next": following.kid}).decode())
    else:
        print(
            f"{signing.kid} signs access tokens from now on; {following.kid} is published for the next time."
        )
    return GOOD


def clients(settings: Settings) -> dict[str, ClientSettings]:
    """SITE.SOURCE, and SITE.SOURCE.TABLE for a client in a table of its own; a second one gets a number.

    PROVIDER.TABLE for those of a provider.
    """
    found = {
        name: client for issuer in settings.identity.issuers for name, client in _within(issuer.short, issuer)
    }
    for site in settings.jira:
        for order in site.credential:
            for name, client in _within(f"{site.name}.{order.source}", order):
                same = sum(known.partition("#")[0] == name for known in found)
                found[f"{name}#{same + 1}" if same else name] = client
    return found


def _within(name: str, section: Section) -> Iterator[tuple[str, ClientSettings]]:
    if isinstance(section, ClientSettings):
        yield name, section
    for field, value in section:
        if isinstance(value, ClientSettings):
            yield f"{name}.{field}", value


async def _begin(client: ClientSettings, name: str) -> str:
    file = _file(client.next_client_secret, "next_client_secret_file")
    async with Outward() as outward:
        secret = await (await rotation(client, outward)).make()
    write_atomically(file, secret.reveal().encode() + b"\n")
    return (
        f"A new secret is in {file}; the running gateway has it within a second. When it is on every "
        f"replica: jira-agent-gateway secrets rotate {name} --finish"
    )


async def _finish(client: ClientSettings) -> str:
    current = _file(client.client_secret, "client_secret_file")
    following = client.next_client_secret.get_secret_value()
    if not following or following == client.client_secret.get_secret_value():
        raise ConfigError(["There is no next secret: run `secrets rotate` without `--finish` first."])
    async with Outward() as outward:
        way = await rotation(client, outward)
        write_atomically(current, following.encode() + b"\n")
        ended = await way.retire()
    return f"The next secret is the current one, in {current}; {ended} older one(s) ended at the provider."


def _file(secret: object, key: str) -> Path:
    if not isinstance(secret, SecretFile):
        raise ConfigError([f"{key} is missing: a secret is rotated in its file. Name one, it may be empty."])
    return secret.path


def _row(name: str, client: ClientSettings, running: str | None) -> dict[str, Any]:
    plain = (
        client.model_copy(update={"client_auth": "none"})
        if client.client_auth == "private_key_jwt"
        else client
    )
    own = OAuthClient(plain)
    next_in_use = running is not None and f"{own.id}: the next secret is in use" in running
    in_use = (
        "next"
        if next_in_use
        else "current"
        if running is not None
        else "unknown: the gateway does not answer"
    )
    secret = client.client_auth.startswith("client_secret")
    age = own.age_days()
    return {
        "name": name,
        "client_id": own.id,
        "method": client.client_auth,
        "in_use": in_use if secret else client.client_auth,
        "client_secret_age_days": None if age is None else round(age, 1),
        "next": bool(client.next_client_secret.get_secret_value()),
        "warnings": [*own.warnings(), *([f"{own.id}: make the next secret the current one"] * next_in_use)],
    }


async def _readyz(settings: Settings) -> str | None:
    """What the running gateway says of itself; None when it does not answer."""
    async with Outward() as outward:
        try:
            reply = await outward.send(Ask("GET", f"{settings.server.public_url}/readyz", seconds=3.0))
        except OutwardError:
            return None
    return reply.body.decode(errors="replace") if reply.status in (200, 503) else None


def _key_file(settings: Settings) -> Path:
    return settings.client.key_file or settings.audit.dir / KEY_FILE


def client_keys(settings: Settings) -> ClientKeys:
    """What the gateway signs with at providers. Raises `ConfigError`."""
    try:
        return ClientKeys(_key_file(settings))
    except (OSError, ValueError) as unusable:
        raise ConfigError([f"client.key_file: {unusable}. Put EC P-256 keys there."]) from None


def _show(rows: list[dict[str, Any]], signing: dict[str, Any]) -> None:
    table = Table(title="The gateway's own secrets", title_justify="left")
    for column in ("client", "method", "in use", "days old", "next"):
        table.add_column(column)
    for row in rows:
        age = row["client_secret_age_days"]
        shown = (
            row["name"],
            row["method"],
            row["in_use"],
            "–" if age is None else f"{age:g}",
            "yes" if row["next"] else "no",
        )
        table.add_row(*(escape(str(cell)) for cell in shown))
    Console().print(table)
    print(f"Key {signing['kid'][:16]}… signs; {signing['published']} are published.")
    for warning in (warning for row in rows for warning in row["warnings"]):
        print(f"Warning: {warning}", file=sys.stderr)
