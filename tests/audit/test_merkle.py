"""The tree against published vectors, against the definition, and against forged proofs."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import merkle

# Inputs and results of the reference implementation of RFC 6962
# (github.com/google/certificate-transparency, Apache-2.0; quoted in the test suites of most logs).
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
LEAVES = [merkle.leaf_hash(data) for data in INPUTS]


def naive(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive(leaves[:k]) + naive(leaves[k:])).digest()


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(str(n).encode()) for n in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    """The first leaves give the published roots."""
    assert merkle.Tree(LEAVES[:size]).root().hex() == ROOTS[size]


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [(0, 8, [A, B, C]), (5, 8, [D, E, ROOTS[4]]), (2, 3, [ROOTS[2]]), (1, 5, [ROOTS[1], B, D])],
)
def test_published_inclusion_proofs(index: int, size: int, proof: list[str]) -> None:
    """The audit paths are the published ones."""
    assert [h.hex() for h in merkle.inclusion_proof(LEAVES[:size], index)] == proof


@pytest.mark.parametrize(
    ("first", "second", "proof"), [(1, 8, [A, B, C]), (6, 8, [F, E, ROOTS[4]]), (2, 5, [B, D]), (1, 1, [])]
)
def test_published_consistency_proofs(first: int, second: int, proof: list[str]) -> None:
    """The consistency proofs are the published ones."""
    assert [h.hex() for h in merkle.consistency_proof(LEAVES[:second], first)] == proof


def test_appending_is_the_definition() -> None:
    """After every append the root is that of the recursive definition."""
    tree, all_leaves = merkle.Tree(), leaves(130)
    for size, leaf in enumerate(all_leaves, 1):
        tree.append(leaf)
        assert tree.root() == naive(all_leaves[:size])


@given(st.integers(1, 70).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_inclusion_holds_for_that_leaf_alone(case: tuple[int, int]) -> None:
    """A proof verifies for its leaf, index, size and root, and for no other."""
    size, index = case
    tree = leaves(size)
    proof, root = merkle.inclusion_proof(tree, index), naive(tree)
    assert merkle.verify_inclusion(tree[index], index, size, proof, root)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, proof, root)
    assert not merkle.verify_inclusion(tree[index], index, size, [*proof, root], root)
    assert not merkle.verify_inclusion(tree[index], index, size, proof, merkle.leaf_hash(b"root"))
    assert not merkle.verify_inclusion(tree[index], size, size, proof, root)
    for other in range(size):
        if other != index:
            assert not merkle.verify_inclusion(tree[index], other, size, proof, root)
    if proof:
        assert not merkle.verify_inclusion(tree[index], index, size, proof[:-1], root)


@given(st.integers(1, 70).flatmap(lambda size: st.tuples(st.integers(1, size), st.just(size))))
def test_consistency_holds_for_a_prefix_alone(case: tuple[int, int]) -> None:
    """A proof verifies for the true prefix, and not when the old or the new tree is another."""
    first, second = case
    tree = leaves(second)
    proof = merkle.consistency_proof(tree, first)
    old, new = naive(tree[:first]), naive(tree)
    other = merkle.leaf_hash(b"other")
    assert merkle.verify_consistency(first, second, old, new, proof)
    assert not merkle.verify_consistency(first, second, other, new, proof)
    assert not merkle.verify_consistency(first, second, old, other, proof)
    assert not merkle.verify_consistency(first, second, old, new, [*proof, other])
    assert not merkle.verify_consistency(0, second, old, new, proof)
    if first < second:
        assert not merkle.verify_consistency(first, second, old, new, proof[:-1])
        assert not merkle.verify_consistency(second, first, new, old, proof)


def test_a_proof_that_cannot_be_is_refused() -> None:
    """There is no proof about leaves that are not there."""
    for wrong in (-1, 3):
        with pytest.raises(IndexError):
            merkle.inclusion_proof(leaves(3), wrong)
    for wrong in (0, 4):
        with pytest.raises(IndexError):
            merkle.consistency_proof(leaves(3), wrong)
