"""Rule 7: the summaries name exactly the versions in hot store and lake, and the balance lists every difference."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from deltalake import DeltaTable

from assess_core.adapters.files.facts import JsonFacts
from assess_core.domain.scores import Entry
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import UnknownBatch
from assess_core.ports.hot_store import Learner
from assess_core.ports.ledger import Fault, Sheet
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import archiving
from assess_core.usecases.balance import advice, require_known, unknown
from assess_core.usecases.folding import Checks, fold
from tests.balances import NO_FACTS, draw, forget, lose
from tests.conftest import Hot
from tests.factories import ATTEMPTED, RECEIVED, WEEK, decoded, event, version, wire_answer
from tests.lakes import five_versions, keep, put, stores_over
from tests.loop import NOW, put_away, take
from tests.properties.interruptions import Fuse, until_crash, watched

MESSAGES = [
    event(),
    event(answers=[wire_answer(score=2)], attempted=ATTEMPTED + 1),  # supersedes the first
    event(user="u2"),
    event(user="u3", batch="b2"),
]


@pytest.fixture
def anywhere(hot: Hot, tmp_path: Path) -> Stores:
    """Stores over a hot store of every kind, with four versions in two batches."""
    stores = stores_over(hot, tmp_path)
    take(stores, *MESSAGES)
    return stores


@pytest.fixture
def four(stores: Stores) -> Stores:
    """The embedded stores, with four versions in two batches."""
    take(stores, *MESSAGES)
    return stores


# --- what balances ---


def test_every_version_is_named_and_held_including_superseded_versions(anywhere: Stores) -> None:
    drawn = draw(anywhere)

    assert drawn.found.balanced
    assert drawn.found.sheets == [Sheet("b1", named=3, hot_only=3), Sheet("b2", named=1, hot_only=1)]
    assert drawn.differences == []


def test_archive_and_clear_move_versions_from_column_to_column(anywhere: Stores) -> None:
    archiving.archive(anywhere.hot.slices(), anywhere, NOW)
    assert draw(anywhere).sheet == Sheet(None, named=4, both=4)

    put_away(anywhere)
    assert draw(anywhere).sheet == Sheet(None, named=4, lake_only=4)

    take(anywhere, event(user="u4"), received=RECEIVED + WEEK)
    assert draw(anywhere).sheet == Sheet(None, named=5, lake_only=4, hot_only=1)


def test_replays_and_repeats_change_nothing(four: Stores) -> None:
    put_away(four, [slice_ for slice_ in four.hot.slices() if slice_.batch_id == "b1"])
    before = draw(four)

    take(four, *MESSAGES)
    take(four, *MESSAGES, received=RECEIVED + 2 * WEEK)

    assert draw(four) == before


def test_a_version_with_a_second_earlier_receipt_counts_once(stores: Stores) -> None:
    take(stores, *MESSAGES, received=RECEIVED + WEEK)
    put_away(stores)

    take(stores, *MESSAGES)

    assert draw(stores).sheet == Sheet(None, named=4, both=4)


def test_a_copy_that_was_written_twice_counts_once(stores: Stores) -> None:
    rows = five_versions()
    stores.hot.add_entries([Entry.of(row) for row in rows])
    put(stores.lake, rows)
    put(stores.lake, rows)

    assert draw(stores).sheet == Sheet(None, named=5, lake_only=5)


def test_only_the_requested_batches_are_balanced(four: Stores) -> None:
    lose(four.hot, [_version_of(four, "u1")])
    archiving.archive(four.hot.slices(), four, NOW)

    assert draw(four, "b2").found.sheets == [Sheet("b2", named=1, both=1)]
    assert draw(four, "b2").found.balanced
    assert [sheet.batch_id for sheet in draw(four, "b1", "b2").found.sheets] == ["b1", "b2"]
    assert not draw(four, "b1", "b2").found.balanced


def test_a_batch_that_is_in_no_store_is_unknown(four: Stores) -> None:
    found = draw(four, "b1", "b3").found

    assert unknown(found, four) == ["b3"]
    with pytest.raises(UnknownBatch, match="'b3'"):
        require_known(found, four)


def test_empty_stores_are_balanced(stores: Stores) -> None:
    assert draw(stores).found == ([], [])
    assert draw(stores).found.balanced


# --- failed events ---


def test_failed_events_are_counted_for_the_batch_that_they_name(four: Stores) -> None:
    bad = event(batch="b2", attempted=-5), event(batch=12), event(attempt=None), b'{"batchId": "\xff"}'
    take(four, b"nonsense", *bad)

    assert draw(four).found.sheets == [
        Sheet("b1", named=3, hot_only=3, failed=1),
        Sheet("b2", named=1, hot_only=1, failed=1),
        Sheet(None, failed=3),
    ]
    assert draw(four).found.balanced
    assert draw(four, "b2").found.sheets == [Sheet("b2", named=1, hot_only=1, failed=1)]


def test_a_failed_event_that_is_stored_later_counts_only_as_a_version(four: Stores) -> None:
    late = event(user="u9")
    fold([decoded(late)], four.hot, Checks(JsonFacts({"c1": frozenset({"other"})})))
    assert draw(four, "b1").sheet == Sheet(None, named=3, hot_only=3, failed=1)

    fold([decoded(late)], four.hot, NO_FACTS)

    assert draw(four, "b1").sheet == Sheet(None, named=4, hot_only=4)


# --- missing and unnamed versions ---


def test_a_lost_row_is_reported_with_its_slice_and_learner(anywhere: Stores) -> None:
    lost = _version_of(anywhere, "u2")
    lose(anywhere.hot, [lost])

    drawn = draw(anywhere)

    [missing] = drawn.differences
    assert (missing.what, missing.slice, missing.key) == (Fault.MISSING, lost.slice, lost.key)
    assert missing.content_hash == lost.version.content_hash
    assert not drawn.found.balanced
    assert drawn.found.sheets[0] == Sheet("b1", named=3, hot_only=2, missing=1)
    assert drawn.found.sheets[1].balanced


def test_a_missing_lake_file_is_reported_and_its_versions_count_as_missing(four: Stores, settings: Settings) -> None:
    put_away(four)
    [file] = Path(settings.lake).glob("attempts/**/*.parquet")
    file.unlink()
    take(four, event(user="u4"), received=RECEIVED + WEEK)

    drawn = draw(four)

    assert drawn.sheet == Sheet(None, named=5, hot_only=1, missing=4)
    [sentence] = drawn.found.unreadable
    assert f"{file} is missing: 4 rows are counted as missing" in sentence
    assert not drawn.found.balanced


def test_a_missing_lake_file_is_reported_even_if_the_hot_store_holds_all_its_versions(
    four: Stores, settings: Settings
) -> None:
    archiving.archive(four.hot.slices(), four, NOW)
    for file in Path(settings.lake).glob("attempts/**/*.parquet"):
        file.unlink()

    drawn = draw(four)

    assert drawn.sheet == Sheet(None, named=4, hot_only=4)
    assert len(drawn.found.unreadable) == 1
    assert not drawn.found.balanced


def test_an_unreadable_file_does_not_hide_the_others(four: Stores, settings: Settings) -> None:
    put_away(four)
    take(four, event(user="u4"), received=RECEIVED + WEEK)
    put_away(four)
    damaged, _ = sorted(Path(settings.lake).glob("attempts/**/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-100])

    drawn = draw(four)

    assert drawn.sheet == Sheet(None, named=5, lake_only=1, missing=4)
    assert [f"{damaged} cannot be read" in sentence for sentence in drawn.found.unreadable] == [True]


def test_versions_that_were_deleted_from_the_lake_table_are_missing(four: Stores, settings: Settings) -> None:
    put_away(four)
    DeltaTable(f"{settings.lake}/attempts").delete("batch_id = 'b2'")

    assert draw(four).named == {(Fault.MISSING, "b2|2024-W05", "u3")}


def test_the_versions_of_lost_map_entries_are_unnamed(four: Stores, settings: Settings) -> None:
    put_away(four, [ArchiveSlice.parse("b2|2024-W05")])
    forget(settings.hot_store, "u1")
    forget(settings.hot_store, "u3")

    drawn = draw(four)

    assert drawn.named == {(Fault.UNNAMED, "b1|2024-W05", "u1"), (Fault.UNNAMED, "b2|2024-W05", "u3")}
    assert {(each.key.user_id, each.tiers) for each in drawn.differences if each.key} == {
        ("u1", ("hot",)),
        ("u3", ("lake",)),
    }
    assert drawn.sheet == Sheet(None, named=1, hot_only=1, unnamed=3)
    assert not drawn.found.balanced


def test_a_missing_and_an_unnamed_version_do_not_cancel_out(four: Stores) -> None:
    lose(four.hot, [_version_of(four, "u2")])
    keep(four.hot, [version(user_id="u8")])

    drawn = draw(four, "b1")

    assert drawn.named == {(Fault.MISSING, "b1|2024-W05", "u2"), (Fault.UNNAMED, "b1|2024-W05", "u8")}
    assert drawn.sheet == Sheet(None, named=3, hot_only=2, missing=1, unnamed=1)


def test_a_row_of_another_learner_does_not_replace_the_named_version(four: Stores) -> None:
    row = _version_of(four, "u2")
    lose(four.hot, [row])
    keep(four.hot, [msgspec.structs.replace(row, key=row.key._replace(user_id="u7"))])

    assert draw(four, "b1").named == {(Fault.MISSING, "b1|2024-W05", "u2"), (Fault.UNNAMED, "b1|2024-W05", "u7")}


def test_the_advice_for_every_kind_of_damage_gives_the_repair_command() -> None:
    sentences = advice(Sheet("b1", named=1001, missing=1000, unnamed=1))

    assert [sentence.partition(":")[0] for sentence in sentences] == [
        "1,000 versions named by a summary and in neither tier",
        "1 version written, not yet named",
    ]
    assert all(sentence.endswith("assess ingest --repair") for sentence in sentences)
    assert advice(Sheet("b1", named=3, hot_only=3, failed=9)) == []


# --- a balance while writers, archivers and clears run ---


def test_a_stream_killed_between_row_and_entry_leaves_unnamed_versions_or_nothing_until_the_replay(
    hot: Hot, tmp_path: Path
) -> None:
    stores = stores_over(hot, tmp_path)
    before_entries = Fuse(len(("transaction",)) + 2 * len(("register.of", "learners", "add_slices", "add_rows")))
    until_crash(lambda: take(stores._replace(hot=watched(hot, before_entries, inside=before_entries)), *MESSAGES))

    with hot.transaction() as is_one:
        rows_left = 0 if is_one else 4
    drawn = draw(stores)
    assert drawn.sheet == Sheet(None, unnamed=rows_left)
    assert {each.what for each in drawn.differences} == ({Fault.UNNAMED} if rows_left else set())

    take(stores, *MESSAGES)
    assert draw(stores).found.balanced
    assert draw(stores).sheet == Sheet(None, named=4, hot_only=4)


def test_a_row_whose_entry_follows_within_seconds_is_no_difference(four: Stores) -> None:
    row = version(user_id="u8")
    keep(four.hot, [row])
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            four.hot.add_entries([Entry.of(row)])

    drawn = draw(four, wait=wait)

    assert drawn.found.balanced
    assert drawn.sheet == Sheet(None, named=5, hot_only=5)
    assert waited == [0.0, 1.0]


def test_a_balance_without_unnamed_rows_does_not_wait(four: Stores) -> None:
    waited: list[float] = []

    draw(four, wait=waited.append)

    assert waited == []


def test_a_version_folded_while_the_tiers_are_read_is_no_difference(four: Stores) -> None:
    class Meanwhile:
        """Folds an event after the maps were read, and another before they are read again."""

        def all_learners(self) -> Iterator[tuple[str, Learner]]:
            yield from four.hot.all_learners()
            take(four, event(user="u5"))

        def learners(self, user_ids: Collection[str]) -> dict[str, Learner]:
            take(four, *(event(user=user, attempt="t7") for user in user_ids))
            return four.hot.learners(user_ids)

        def __getattr__(self, name: str) -> Any:
            return getattr(four.hot, name)

    drawn = draw(four._replace(hot=Meanwhile()))

    assert drawn.found.balanced
    assert drawn.sheet == Sheet(None, named=5, hot_only=5)


def test_versions_cleared_while_the_tiers_are_read_are_found_in_the_lake(four: Stores) -> None:
    class Meanwhile:
        """Archives, verifies and clears all slices before the last slice is read."""

        def scan(self, slice_: ArchiveSlice, *, answers: bool = True) -> Any:
            if slice_ == four.hot.slices()[-1]:
                put_away(four)
            return four.hot.scan(slice_, answers=answers)

        def __getattr__(self, name: str) -> Any:
            return getattr(four.hot, name)

    drawn = draw(four._replace(hot=Meanwhile()))

    assert drawn.found.balanced
    assert drawn.sheet.named == drawn.sheet.lake_only + drawn.sheet.both == 4
    assert draw(four).sheet == Sheet(None, named=4, lake_only=4)


def _version_of(stores: Stores, user_id: str) -> Any:
    """The first version of a learner in the hot store."""
    [row, *_] = stores.hot.get([entry.row_key for entry in stores.hot.learners([user_id])[user_id].entries])
    return row
