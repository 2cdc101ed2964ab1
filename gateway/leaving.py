"""Somebody is cut off: durably and on every replica, and where they are to come no more, their grants end."""

from collections.abc import Iterable

from gateway.credential.vault import SIGN_IN, Vault
from gateway.errors import Unavailable
from gateway.identity.revocation import LIFTED, Revocation, Revocations

KILLED = "killed"
CUT_OFF = "cut_off"
"""Why their grants ended."""
FOR_GOOD = frozenset({KILLED, "account-disabled", "account-purged"})
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
