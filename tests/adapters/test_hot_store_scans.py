"""Scans without answers: what every hot store promises."""

from collections.abc import Iterator

from msgspec import structs

from assess_core.adapters.arrow.rows import HOT_SCHEMA, from_batch
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.slices import ArchiveSlice
from tests.conftest import Hot
from tests.factories import version
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
