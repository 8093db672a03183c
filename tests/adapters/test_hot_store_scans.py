"""Scans without answers, and of keys alone: what every hot store promises."""

from collections.abc import Iterator

from msgspec import structs

from assess_core.adapters.arrow.rows import HOT_SCHEMA, KEY_SCHEMA, from_batch
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.slices import WEEK, ArchiveSlice
from tests.conftest import Hot
from tests.factories import RECEIVED, version
from tests.lakes import five_versions, keep


def scanned(hot: Hot, slice_: ArchiveSlice, *, answers: bool) -> Iterator[AttemptVersion]:
    for shard in hot.scan(slice_, answers=answers):
        for batch in shard:
            assert batch.schema == HOT_SCHEMA
            yield from from_batch(batch)


def test_a_scan_without_answers_has_the_same_rows_in_the_same_order_with_an_empty_text(hot: Hot) -> None:
    rows = [*five_versions(), *(version(user_id="u1", attempt_id=f"{number:04d}") for number in range(1100))]
    keep(hot, rows)
    [slice_] = hot.slices()

    narrow = list(scanned(hot, slice_, answers=False))

    assert narrow == [structs.replace(row, question="[]") for row in scanned(hot, slice_, answers=True)]
    assert len(narrow) == len(rows)
    assert {row.version.has_answers for row in narrow} == {True, False}


def test_the_keys_of_a_slice_are_those_of_all_its_rows_and_of_no_others(hot: Hot) -> None:
    rows = [*five_versions(), *(version(user_id="u1", attempt_id=f"{number:04d}") for number in range(2100))]
    keep(hot, [*rows, version(batch_id="b2"), version(received=RECEIVED + WEEK)])

    batches = list(hot.keys(rows[0].slice))

    assert {batch.schema for batch in batches} == {KEY_SCHEMA}
    found = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
    whole = (row for shard in hot.scan(rows[0].slice) for batch in shard for row in batch.to_pylist())
    assert sorted(found) == sorted(tuple(row[name] for name in KEY_SCHEMA.names) for row in whole)
    assert len(found) == len(rows)


def test_a_slice_without_rows_has_no_keys(hot: Hot) -> None:
    hot.add_slices([version().slice])

    assert list(hot.keys(version().slice)) == []
