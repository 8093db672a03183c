"""Merkle trees: roots as RFC 6962 has them, and proofs that hold for what they prove and nothing else."""

from itertools import pairwise

import pytest

from assess_core.domain.merkle import EMPTY, Tree, consistency_ranges, inclusion_ranges, root_by_inclusion, roots

LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""The roots of Certificate Transparency's test vectors, for 1 to 8 of its leaves."""


def test_the_roots_are_those_of_certificate_transparency() -> None:
    tree = Tree()
    assert tree.root() == EMPTY
    for data, root in zip(LEAVES, ROOTS, strict=True):
        tree.add(data)
        assert tree.root().hex() == root


def test_a_tree_continues_from_its_complete_subtrees() -> None:
    before = Tree()
    for data in LEAVES[:5]:
        before.add(data)
    after = Tree(before.size, before.peaks)
    for data in LEAVES[5:]:
        after.add(data)

    assert after.root().hex() == ROOTS[-1]
    with pytest.raises(ValueError, match="2 complete subtrees"):
        Tree(5, before.peaks[:1])


def test_every_leaf_of_every_tree_has_a_proof_that_holds_for_it_alone() -> None:
    leaves = [bytes([number]) for number in range(19)]
    for size in range(1, len(leaves) + 1):
        tree = Tree()
        for data in leaves[:size]:
            tree.add(data)
        for index in range(size):
            ranges = inclusion_ranges(index, size)
            found = roots(leaves, ranges)
            path = [found[range_] for range_ in ranges]
            assert root_by_inclusion(index, size, leaves[index], path) == tree.root()
            assert root_by_inclusion(index, size, b"another", path) != tree.root()
            assert root_by_inclusion(index, size, leaves[index], [*path, b""]) is None


def test_the_subtrees_of_a_consistency_proof_are_complete_and_cover_the_new_leaves() -> None:
    for new in range(2, 20):
        for old in range(1, new):
            ranges = sorted(consistency_ranges(old, new))
            assert all(left.end == right.first for left, right in pairwise(ranges))
            assert ranges[-1].end == new
            assert all(range_.first % (range_.end - range_.first) == 0 for range_ in ranges[:-1])
    assert consistency_ranges(3, 3) == []
