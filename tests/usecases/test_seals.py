"""Seals: what a check finds, what is later and no difference, and what a kill leaves behind."""

from pathlib import Path

import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.manifest import Action
from assess_core.domain.seals import parse_seal, sentence
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadSeal, SealBroken, UnknownSeal
from assess_core.ports.stores import Stores
from assess_core.usecases import seals
from assess_core.usecases.archiving import archive, verify
from tests.factories import version
from tests.lakes import five_versions, keep, stores_over
from tests.loop import NOW, put_away

SLICE = ArchiveSlice.parse("b1|2024-W05")


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """Two slices that were archived and verified, and are not cleared."""
    made = stores_over(MemoryHot(), tmp_path)
    keep(made.hot, [*five_versions(), version(batch_id="b2")])
    archive(made.hot.slices(), made, NOW)
    verify(made.hot.slices(), made, NOW)
    return made


def rewrite(lake: Path, table: str, column: str, value: object, where: pc.Expression) -> None:
    """Change a table as someone with write access to the lake could."""
    rows = DeltaTable(str(lake / table)).to_pyarrow_table()
    chosen = rows.filter(where)
    changed = [{**row, column: value} for row in chosen.to_pylist()]
    kept = [row for row in rows.to_pylist() if row not in chosen.to_pylist()]
    write_deltalake(str(lake / table), rows.from_pylist(kept + changed, rows.schema), mode="overwrite")


def test_without_new_entries_the_last_seal_is_returned(stores: Stores) -> None:
    first = seals.seal(stores.lake, NOW)

    assert seals.seal(stores.lake, NOW + 60_000) == first
    assert parse_seal(str(first)) == first
    assert first.size == 4


def test_what_is_done_after_a_seal_is_later_and_no_difference(stores: Stores) -> None:
    sealed = seals.seal(stores.lake, NOW)
    put_away(stores)

    found = seals.check(stores.lake, sealed)

    assert (found.problems, found.slices) == ((), 2)
    assert found.later.actions == {Action.CLEARING: 2, Action.CLEARED: 2}
    assert sentence(found.later, NOW).endswith("4 entries of 2 slices (clearing 2, cleared 2)")


def test_a_later_seal_begins_with_the_entries_of_the_earlier_one(stores: Stores) -> None:
    old = seals.seal(stores.lake, NOW)
    put_away(stores)
    new = seals.seal(stores.lake, NOW)

    proof = seals.prove_consistency(stores.lake, old, new)
    inclusion = seals.prove(stores.lake, SLICE, new)

    assert (old.size, new.size, old.origin) == (4, 8, new.origin)
    assert len(proof.path) == 1
    assert (inclusion.leaf.number, seals.prove(stores.lake, SLICE, old).leaf.number) == (4, 2)
    with pytest.raises(UnknownSeal, match="name the older seal first"):
        seals.prove_consistency(stores.lake, new, old)


def test_a_compacted_manifest_adds_no_entry_twice(stores: Stores) -> None:
    seals.seal(stores.lake, NOW)
    put_away(stores)
    stores.lake.compact_small_tables()

    new = seals.seal(stores.lake, NOW)
    stores.lake.compact_small_tables()

    assert new.size == len(stores.lake.manifest()) == 8
    assert seals.check(stores.lake, new).problems == ()
    assert seals.prove(stores.lake, SLICE, new).seal == new


def test_a_seal_that_was_killed_after_its_entries_is_finished_by_the_next_one(stores: Stores) -> None:
    assert stores.lake.seals.grow(()).leaves == 4  # the first of the two commits of a seal
    with pytest.raises(UnknownSeal, match="there is no seal yet"):
        seals.newest(stores.lake)

    sealed = seals.seal(stores.lake, NOW)

    assert sealed.size == 4
    assert seals.check(stores.lake, sealed).problems == ()


def test_a_changed_a_missing_and_an_inserted_entry_are_named(stores: Stores, tmp_path: Path) -> None:
    sealed = seals.seal(stores.lake, NOW)
    manifest = DeltaTable(str(tmp_path / "lake" / "archive_manifest")).to_pyarrow_table()
    of_b2 = pc.field("batch_id") == "b2"

    rewrite(tmp_path / "lake", "archive_manifest", "rows", 99, (pc.field("number") == 1) & of_b2)
    [changed] = seals.check(stores.lake, sealed).problems
    gone = manifest.filter((pc.field("number") == 1) | ~of_b2)
    write_deltalake(str(tmp_path / "lake" / "archive_manifest"), gone, mode="overwrite")
    [missing] = seals.check(stores.lake, sealed).problems

    assert changed.startswith("b2|2024-W05: entry 1 of the manifest is not the one that was sealed; restore")
    assert missing.startswith("b2|2024-W05: entry 2 of the manifest was sealed and is missing; restore")


def test_changed_leaves_are_found_by_the_root(stores: Stores, tmp_path: Path) -> None:
    sealed = seals.seal(stores.lake, NOW)
    rewrite(tmp_path / "lake", "sealed_entries", "hash", "0" * 64, pc.field("position") == 0)

    found = seals.check(stores.lake, sealed)

    assert found.problems[0].startswith("the table sealed_entries is not as it was sealed")
    with pytest.raises(SealBroken, match="do not match"):
        seals.prove(stores.lake, SLICE, sealed)


def test_missing_leaves_are_counted(stores: Stores, tmp_path: Path) -> None:
    sealed = seals.seal(stores.lake, NOW)
    rows = DeltaTable(str(tmp_path / "lake" / "sealed_entries")).to_pyarrow_table().slice(0, 3)
    write_deltalake(str(tmp_path / "lake" / "sealed_entries"), rows, mode="overwrite")

    assert "only 3 of 4 sealed entries are left" in seals.check(stores.lake, sealed).problems[0]


def test_a_changed_character_another_installation_and_another_time_are_told_apart(stores: Stores) -> None:
    sealed = seals.seal(stores.lake, NOW)
    line = str(sealed)

    for place in range(len(line)):
        with pytest.raises(BadSeal):
            parse_seal(line[:place] + ("0" if line[place] != "0" else "1") + line[place + 1 :])
    with pytest.raises(UnknownSeal, match="this is a seal of installation 0000000000000000"):
        seals.check(stores.lake, sealed._replace(origin="0" * 16))
    [problem] = seals.check(stores.lake, sealed._replace(at=sealed.at + 1000)).problems
    assert problem.startswith("the time of the seal was changed")
    with pytest.raises(SealBroken, match="do not match"):
        seals.prove_consistency(stores.lake, sealed, sealed._replace(size=10**14))


def test_what_a_seal_does_not_contain_is_not_proved(stores: Stores) -> None:
    sealed = seals.seal(stores.lake, NOW)

    with pytest.raises(UnknownSeal, match=r"the seal does not contain b9\|2024-W05"):
        seals.prove(stores.lake, ArchiveSlice.parse("b9|2024-W05"), sealed)


def test_an_empty_lake_has_nothing_to_seal(tmp_path: Path) -> None:
    lake = stores_over(MemoryHot(), tmp_path).lake

    with pytest.raises(UnknownSeal, match="nothing was archived yet"):
        seals.seal(lake, NOW)
