"""Somebody is cut off: durably and on every replica, and where they are to come no more, their grants end."""

from collections.abc import Iterable
from math import inf

from gateway import clock
from gateway.credential.vault import SIGN_IN, Vault
from gateway.errors import Unavailable
from gateway.identity.revocation import LIFTED, Revocation, Revocations

KILLED = "killed"
DEPROVISIONED = "deprovisioned"
CUT_OFF = "cut_off"
"""Why their grants ended."""
FOR_GOOD = frozenset({KILLED, DEPROVISIONED, "account-disabled", "account-purged"})
"""Reasons for which also the grants that a person linked are destroyed."""


async def cut_off(found: Iterable[Revocation], revocations: Revocations, vault: Vault | None) -> int:
    """Refuse them from now on, end the provider's grants of their sign-ins, and for those who leave for good also
    what they connected; how many connections. Raises `Unavailable`."""
    ended = 0
    for one in found:
        await revocations.add(one)
        if vault is not None and one.kind == "user" and one.reason != LIFTED:
            ended += await end_grants(
                one.issuer, one.subject, vault, sign_ins_only=one.reason not in FOR_GOOD
            )
    return ended


async def cut_off_family(id: str, reason: str, revocations: Revocations) -> None:
    """The tokens of one sign-in with an assistant are refused for ever: it never comes back. Raises `Unavailable`."""
    await revocations.add(Revocation("family", inf, session=id, reason=reason))


async def deprovision(issuer: str, subject: str, revocations: Revocations, vault: Vault | None) -> None:
    """The provider says that the person is gone: kept out until it says otherwise, and every grant destroyed, also
    of somebody who was never here. Raises `Unavailable`."""
    await cut_off([Revocation("user", inf, issuer, subject, reason=DEPROVISIONED)], revocations, vault)


async def reinstate(issuer: str, subject: str, revocations: Revocations) -> None:
    """The provider says that the person is back: new sign-ins are let in again, unless an administrator here keeps
    them out (`kill --keep-out`). Raises `Unavailable`."""
    kept_out = False
    for row in await revocations.all():
        if (row.kind, row.issuer, row.subject) == ("user", issuer, subject):
            kept_out = row.reason != LIFTED and (kept_out or (row.reason == KILLED and row.not_before == inf))
    if not kept_out:
        await revocations.add(Revocation("user", clock.wall(), issuer, subject, reason=LIFTED))


async def end_grants(issuer: str, subject: str, vault: Vault, *, sign_ins_only: bool = False) -> int:
    """Destroy every grant of that person, or those of their sign-ins with assistants; how many connections to Jira
    were among them. Raises `Unavailable` when one is left."""
    heads = [head for head in await vault.of(issuer, subject) if not head.ended]
    linked = [] if sign_ins_only else [head for head in heads if not head.key.upstream.startswith(SIGN_IN)]
    for head in (*linked, *(head for head in heads if head.key.upstream.startswith(SIGN_IN))):
        if not await vault.end(head.key, head.generation, CUT_OFF):
            now = await vault.head(head.key)  # refreshed at that very moment
            if now is not None and not now.ended and not await vault.end(now.key, now.generation, CUT_OFF):
                raise Unavailable(
                    "A grant is being refreshed at this moment; run the command again.", part="vault"
                )
    return len(linked)
