"""What a directory said, for a while. After that it is asked again, and until it answers nobody gets in by it."""

from gateway import clock, limits
from gateway.identity.groups import GroupSource
from gateway.model import Person
from gateway.store.flight import SingleFlight
from gateway.store.memory import ExpiringCache


class CachedGroups:
    """A directory that is asked once in `limits.GROUPS_SECONDS` about each person."""

    def __init__(self, source: GroupSource) -> None:
        self._source = source
        self._known: ExpiringCache[tuple[str, str], tuple[frozenset[str], float]] = ExpiringCache(
            limits.GROUPS_CACHED
        )
        self._flight: SingleFlight[tuple[str, str], tuple[frozenset[str], float]] = SingleFlight()

    async def of(self, person: Person) -> tuple[frozenset[str], float]:
        """(the groups, Unix seconds until which they may be used). Raises as a `GroupSource` does."""
        key = (person.issuer, person.subject)
        return self._known.get(key) or await self._flight.run(key, lambda: self._ask(person))

    async def _ask(self, person: Person) -> tuple[frozenset[str], float]:
        until = clock.wall() + limits.GROUPS_SECONDS
        found = await self._source.groups(person), until
        self._known.put((person.issuer, person.subject), found, until=until)
        return found
