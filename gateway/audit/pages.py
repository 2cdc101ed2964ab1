"""Bytes of a file that belong to nothing: where SQLite's own check does not look.

Between the records of a page there is unused room, and nobody notices what is put there. Because our
files only grow and are written with `secure_delete`, that room is zero: walk the three trees (the
schema, the records, the checkpoints), blank every byte that belongs to something, and whatever is
left over was put there by somebody else. (Not in the pages between a root and its leaves: when SQLite
splits one of those it leaves copies of page numbers behind. There is one for some 450 leaves.)

The form of the file: https://www.sqlite.org/fileformat2.html (sections 1.3, 1.5, 1.6).
"""

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

_INTERIOR, _LEAF = 5, 13
_HEADER = 100
_FIXED = {
    "text encoding and format": (44, b"\x00\x00\x00\x04"),
    "cache size, largest root, encoding": (48, b"\x00" * 11 + b"\x01"),
    "user version and vacuum mode": (60, b"\x00" * 8),
    "reserved": (72, b"\x00" * 20),
}
_NUMBERS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)
"""Bytes of a column by its type, for the types that are no text and no blob."""

ROOTS = (1, 2, 3)
"""Pages at which the schema, the records and the checkpoints begin, in the order of their making."""


class Pages:
    """A settled file (no write-ahead log beside it) whose trees SQLite found in order."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._data = mmap(file.fileno(), 0, access=ACCESS_READ)
        size = int.from_bytes(self._data[16:18], "big")
        self._size = 65536 if size == 1 else size
        self._usable = self._size - self._data[20]
        self._seen: set[int] = set()

    def strays(self) -> Iterator[str]:
        """One sentence part for each page with bytes of nobody. Raises ValueError when it is no such file."""
        try:
            yield from self._header()
            waiting = list(ROOTS)
            while waiting:
                number = waiting.pop()
                page, start = self._page(number), _HEADER if number == 1 else 0
                children = self._blank(page, start)
                if (number in ROOTS or not children) and page.count(0) != len(page):
                    yield f"page {number} holds bytes that belong to no record"
                waiting += children
        except IndexError as wrong:
            raise ValueError("a page points out of the file") from wrong
        if len(self._seen) * self._size != len(self._data):
            yield "there are pages, or bytes behind the last one, that belong to nothing"

    def _header(self) -> Iterator[str]:
        data = self._data
        # Both are written together, so that a reader knows whether the page count can be believed.
        if data[24:28] != data[92:96] or data[18] != data[19]:
            yield "the header's counters differ"
        for name, (at, expected) in _FIXED.items():
            if data[at : at + len(expected)] != expected:
                yield f"the header's {name} is not ours"

    def _page(self, number: int) -> bytearray:
        if number in self._seen or not 0 < number <= len(self._data) // self._size:
            raise ValueError(f"page {number} is used twice or is not there")
        self._seen.add(number)
        page = bytearray(self._data[(number - 1) * self._size : number * self._size])
        if number == 1:
            page[:_HEADER] = bytes(_HEADER)
        return page

    def _blank(self, page: bytearray, start: int) -> list[int]:
        """Zero everything that belongs to something; the numbers of the pages below this one."""
        kind, whole = page[start], bytes(page)
        if kind not in (_LEAF, _INTERIOR):
            raise ValueError("a page of a table is of another kind")
        cells = int.from_bytes(whole[start + 3 : start + 5], "big")
        header = 8 if kind == _LEAF else 12
        children = [int.from_bytes(whole[start + 8 : start + 12], "big")] if kind == _INTERIOR else []
        free = int.from_bytes(whole[start + 1 : start + 3], "big")
        while free:
            page[free : free + 4] = bytes(4)
            free = int.from_bytes(whole[free : free + 2], "big")
        array = start + header
        page[start : array + 2 * cells] = bytes(header + 2 * cells)
        for at in range(array, array + 2 * cells, 2):
            begin = int.from_bytes(whole[at : at + 2], "big")
            if kind == _INTERIOR:
                children.append(int.from_bytes(whole[begin : begin + 4], "big"))
                end = _varint(whole, begin + 4)[1]
            else:
                end = self._payload(whole, begin)
            page[begin:end] = bytes(end - begin)
        return children

    def _payload(self, page: bytes, begin: int) -> int:
        """Where the cell ends; the overflow pages that it goes on in are looked at as well."""
        length, at = _varint(page, begin)
        at = _varint(page, at)[1]
        _columns(page, at, length)
        largest = self._usable - 35
        if length <= largest:
            return max(at + length, begin + 4)
        least = (self._usable - 12) * 32 // 255 - 23
        local = least + (length - least) % (self._usable - 4)
        local = local if local <= largest else least
        end = at + local
        self._overflow(int.from_bytes(page[end : end + 4], "big"), length - local)
        return end + 4

    def _overflow(self, number: int, left: int) -> None:
        while left > 0:
            page = self._page(number)
            used = min(left, self._usable - 4)
            if page.count(0, 4 + used) != len(page) - 4 - used:
                raise ValueError(f"page {number} holds bytes that belong to no record")
            number, left = int.from_bytes(page[:4], "big"), left - used
        if number:
            raise ValueError("a record goes on behind its end")


def _columns(page: bytes, begin: int, length: int) -> None:
    """Raises ValueError unless the row's header accounts for exactly its length; SQLite forgives some."""
    size, at = _varint(page, begin)
    total = size
    while at < begin + size:
        kind, at = _varint(page, at)
        total += _NUMBERS[kind] if kind < 12 else (kind - 12) // 2
    if at != begin + size or total != length:
        raise ValueError("a row's header does not account for its length")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and where it ends."""
    value = 0
    for n in range(9):
        byte = data[at + n]
        if n == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + n + 1
    raise AssertionError("a loop of nine ends at the ninth")
