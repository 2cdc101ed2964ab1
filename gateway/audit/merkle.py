"""The tree of RFC 6962 §2 (RFC 9162 §2.1): pure functions and one small accumulator.

    leaf hash    SHA-256(0x00 || bytes)
    node hash    SHA-256(0x01 || left || right)
    empty tree   SHA-256()

All hashes are 32 bytes; `leaves` are leaf hashes, in order. Appending needs only the roots of the
perfect subtrees that make up the tree so far (one for each bit of its size), never the leaves.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that only grows. Appending costs two hashes on average, the root one for each peak."""

    __slots__ = ("_peaks", "size")

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._peaks: list[bytes] = []
        for leaf in leaves:
            self.append(leaf)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the end."""
        peaks, carried, size = self._peaks, leaf, self.size
        while size & 1:
            carried = node_hash(peaks.pop(), carried)
            size >>= 1
        peaks.append(carried)
        self.size += 1

    def root(self) -> bytes:
        """The tree hash (RFC 6962 §2.1)."""
        if not self._peaks:
            return sha256(b"").digest()
        *rest, folded = self._peaks
        for peak in reversed(rest):
            folded = node_hash(peak, folded)
        return folded


def _split(size: int) -> int:
    """The largest power of two smaller than `size` (size > 1)."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf `index` (RFC 6962 §2.1.1), nearest sibling first. Raises IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} in a tree of {len(leaves)}")
    low, high = 0, len(leaves)
    path: list[bytes] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(Tree(leaves[middle:high]).root())
            high = middle
        else:
            path.append(Tree(leaves[low:middle]).root())
            low = middle
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `leaf` is at `index` of the tree of `size` leaves with this `root` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, hashed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            hashed = node_hash(sibling, hashed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and hashed == root


def consistency_proof(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """Shows that the tree of the first `first` leaves is a prefix (RFC 6962 §2.1.2). Raises IndexError."""
    if not 0 < first <= len(leaves):
        raise IndexError(f"no tree of {first} within a tree of {len(leaves)}")
    low, high, whole = 0, len(leaves), True
    path: list[bytes] = []
    while high != first:
        middle = low + _split(high - low)
        if first <= middle:
            path.append(Tree(leaves[middle:high]).root())
            high = middle
        else:
            path.append(Tree(leaves[low:middle]).root())
            low, whole = middle, False
    if not whole:
        path.append(Tree(leaves[low:high]).root())
    return path[::-1]


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether `proof` shows that the tree of `first` leaves became that of `second` (RFC 9162 §2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root
