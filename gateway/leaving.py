"""Somebody is cut off: durably and on every replica, and where they are to come no more, their grants end."""

from collections.abc import Iterable

from gateway.credential.vault import Vault
from gateway.errors import Unavailable
from gateway.identity.revocation import Revocation, Revocations

KILLED = "killed"
CUT_OFF = "cut_off"
"""Why their grants ended."""
FOR_GOOD = frozenset({KILLED, "account-disabled", "account-purged"})
"""Reasons for which also the grants that a person linked are destroyed."""


async def cut_off(found: Iterable[Revocation], revocations: Revocations, vault: Vault | None) -> int:
    """Refuse them from now on, then end the grants of those who leave for good; how many. Raises `Unavailable`."""
    ended = 0
    for one in found:
        await revocations.add(one)
        if vault is not None and one.kind == "user" and one.reason in FOR_GOOD:
            ended += await end_grants(one.issuer, one.subject, vault)
    return ended


async def end_grants(issuer: str, subject: str, vault: Vault) -> int:
    """Destroy every linked grant of that person; how many. Raises `Unavailable` when one is left."""
    live = [head for head in await vault.of(issuer, subject) if not head.ended]
    for head in live:
        if not await vault.end(head.key, head.generation, CUT_OFF):
            now = await vault.head(head.key)  # refreshed at that very moment
            if now is not None and not now.ended and not await vault.end(now.key, now.generation, CUT_OFF):
                raise Unavailable(
                    "A grant is being refreshed at this moment; run the command again.", part="vault"
                )
    return len(live)
