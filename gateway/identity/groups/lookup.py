"""Whether a directory must be asked about the bearer of a token, and what it said."""

from math import inf

from gateway.identity.claims import subject_of, verified_email
from gateway.identity.groups.cached import CachedGroups
from gateway.identity.profiles import IssuerProfile
from gateway.identity.roles import sent_groups
from gateway.model import Person, VerifiedClaims


async def looked_up(
    claims: VerifiedClaims, profile: IssuerProfile, directory: CachedGroups | None
) -> tuple[frozenset[str] | None, float]:
    """(the groups, Unix seconds until which they hold); None when those of the token are all there are.

    A token that says nothing of groups leaves them out as well as one that says so: where a directory is
    set, it is asked. It knows people only. Raises `Unavailable`, `Unauthenticated`.
    """
    sent = sent_groups(claims, profile.groups)
    if directory is None or profile.program or not (sent.left_out or sent.missing):
        return None, inf
    person = Person(profile.issuer, subject_of(claims, profile), verified_email(claims))
    return await directory.of(person)
