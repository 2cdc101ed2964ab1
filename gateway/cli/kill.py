"""`kill`: end everything of a person, of a client or of an agent, now and on every replica."""

import argparse
import asyncio
import math
import sys

import orjson

from gateway import clock
from gateway.cli import GOOD
from gateway.config import Settings, load
from gateway.credential.sealed import vault_from
from gateway.errors import ConfigError
from gateway.http import Outward
from gateway.identity.revocation import LIFTED, Revocation, Revocations
from gateway.leaving import KILLED, cut_off
from gateway.providers import issuer_names
from gateway.store.sql import Database


def kill(arguments: argparse.Namespace) -> int:
    """`kill (--user SUBJECT [--issuer NAME] | --client ID | --agent NAME) [--keep-out | --lift]`."""
    settings = load(arguments.config)
    one = _revocation(arguments, settings)
    ended = asyncio.run(_cut(settings, one))
    if arguments.json:
        told: dict[str, object] = {
            "kind": one.kind,
            "issuer": one.issuer,
            "subject": one.subject,
            "client": one.client,
        }
        told |= {"reason": one.reason, "keep_out": one.not_before == math.inf, "disconnected": ended}
        print(orjson.dumps(told).decode())
        return GOOD
    print(_sentence(one, ended), file=sys.stderr)
    return GOOD


def _revocation(arguments: argparse.Namespace, settings: Settings) -> Revocation:
    not_before = math.inf if arguments.keep_out else clock.wall()
    reason = LIFTED if arguments.lift else KILLED
    if arguments.user is not None:
        issuer = _issuer(arguments.issuer, settings)
        return Revocation("user", not_before, issuer, arguments.user, reason=reason)
    issuer = "" if arguments.issuer is None else _issuer(arguments.issuer, settings)
    if arguments.client is not None:
        return Revocation("client", not_before, issuer, client=arguments.client, reason=reason)
    if issuer:
        raise ConfigError(["--issuer: an agent is the same at every provider; leave it out."])
    return Revocation("agent", not_before, client=arguments.agent, reason=reason)


def _issuer(name: str | None, settings: Settings) -> str:
    """The issuer of that name, or the only one."""
    known = issuer_names(settings)
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name not in known:
        raise ConfigError([f"--issuer: choose one of {', '.join(known)}; a subject is known at one of them."])
    return known[name]


async def _cut(settings: Settings, one: Revocation) -> int:
    async with Outward() as outward, Database(settings.database.url.get_secret_value()) as database:
        vault = vault_from(settings, outward, database)
        return await cut_off([one], Revocations(database), vault)


def _sentence(one: Revocation, ended: int) -> str:
    who = {"user": f"The person {one.subject}", "client": f"The client {one.client}"}.get(
        one.kind, f"The agent {one.client}"
    )
    if one.reason == LIFTED:
        return f"{who} may sign in again; what was issued before stays refused."
    if one.not_before == math.inf:
        return f"{who} is kept out within a second on every replica, until `kill … --lift`."
    more = f" Jira accounts disconnected: {ended}. Whether the subject is anybody's is not known here."
    more = more if one.kind == "user" else ""
    return f"Everything issued to {who[0].lower()}{who[1:]} until now is refused within a second.{more}"
