"""The store of one process, which tells what was put into it and can be made unusable."""

from gateway.errors import Unavailable
from gateway.store.memory import MemoryStore


class TellingStore(MemoryStore):
    """`kept` is everything that was ever put; with `down` every operation fails."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[str, bytes]] = []
        self.down = False

    async def get(self, key: str) -> bytes | None:
        self._up()
        return await super().get(key)

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        self._up()
        self.kept.append((key, value))
        await super().put(key, value, seconds)

    async def count(self, key: str, seconds: float) -> int:
        self._up()
        return await super().count(key, seconds)

    def _up(self) -> None:
        if self.down:
            raise Unavailable("The store cannot be reached; try again in a minute.", part="store")
