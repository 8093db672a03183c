"""Pages of slices through `Queries`: all slices in order, and the cost depends only on the page size."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from assess_core.domain.scores import Entry
from assess_core.domain.slice_status import SliceStatus, SliceView
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadRequest
from assess_core.ports.stores import Stores
from assess_core.usecases.queries import Queries
from tests.factories import ATTEMPTED, WEEK, version
from tests.loop import put_away, queries


@pytest.fixture
def ask(stores: Stores, tmp_path: Path) -> Queries:
    return queries(stores, tmp_path)


def _weeks(stores: Stores, count: int) -> list[ArchiveSlice]:
    rows = [version(attempted=ATTEMPTED + number * WEEK, batch_id=f"b{number % 2}") for number in range(count)]
    stores.hot.add_slices({row.slice for row in rows})
    stores.hot.add_rows(rows)
    stores.hot.add_entries([Entry.of(row) for row in rows])
    return sorted(row.slice for row in rows)


@pytest.mark.parametrize("first", [1, 3, 100])
def test_all_pages_together_are_all_requested_slices(stores: Stores, ask: Queries, first: int) -> None:
    slices = _weeks(stores, 7)
    put_away(stores, slices[:4])

    for asked, wanted in (
        ({}, ask.slices()),
        ({"batch_id": "b1"}, ask.slices("b1")),
        ({"status": SliceStatus.CLEARED}, [view for view in ask.slices() if view.status is SliceStatus.CLEARED]),
    ):
        found: list[SliceView] = []
        while page := ask.slice_page(first=first, after=found[-1].slice if found else None, **asked):
            assert len(page) <= first
            found += page
        assert found == wanted
        assert wanted


def test_a_page_counts_only_the_rows_of_its_own_slices(
    stores: Stores, ask: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices, counted, count = _weeks(stores, 9), list[ArchiveSlice](), stores.hot.counts

    def watched(asked: Iterable[ArchiveSlice]) -> dict[ArchiveSlice, int]:
        found = count(asked)
        counted.extend(found)
        return found

    monkeypatch.setattr(stores.hot, "counts", watched)

    ask.slice_page(first=2, after=slices[3])

    assert counted == slices[4:6]


@pytest.mark.parametrize("first", [0, 101])
def test_a_page_has_1_to_100_slices(ask: Queries, first: int) -> None:
    with pytest.raises(BadRequest, match="first"):
        ask.slice_page(first=first)
