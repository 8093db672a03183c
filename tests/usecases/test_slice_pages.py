"""Pages of slices: together they are all slices, and a page counts only its own slices."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.moments import DAY
from assess_core.domain.slice_status import SliceStatus, SliceView
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import slice_views
from assess_core.usecases.slice_pages import slice_page
from tests.factories import RECEIVED, WEEK, version
from tests.lakes import keep, put_manifest_only, stores_over
from tests.loop import NOW, put_away


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """Six slices of two batches, of which the first two are cleared, and one slice that only the manifest knows."""
    stores = stores_over(MemoryHot(), tmp_path)
    put_manifest_only(stores, version(batch_id="b0", received=RECEIVED + WEEK))
    keep(
        stores.hot,
        [version(batch_id=batch_id, received=RECEIVED + n * WEEK) for n in range(3) for batch_id in ("b1", "b2")],
    )
    put_away(stores, stores.hot.slices()[:2])
    return stores


def pages(stores: Stores, first: int, batch_id: str | None = None) -> list[list[SliceView]]:
    found: list[list[SliceView]] = []
    after: ArchiveSlice | None = None
    while True:
        page = slice_page(stores, NOW, DAY, None, batch_id=batch_id, after=after, first=first)
        found.append(page.views)
        if not page.has_next:
            return found
        after = page.views[-1].slice


@pytest.mark.parametrize("first", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("batch_id", [None, "b0", "b1", "unknown"])
def test_all_pages_together_are_all_slices(stores: Stores, first: int, batch_id: str | None) -> None:
    found = pages(stores, first, batch_id)

    assert [view for page in found for view in page] == slice_views(stores, NOW, DAY, None, batch_id)
    assert all(len(page) == first for page in found[:-1])


def test_a_page_counts_only_its_own_slices(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, asked = stores.hot.counts, list[ArchiveSlice]()

    def counted(slices: Iterable[ArchiveSlice]) -> dict[ArchiveSlice, int]:
        asked.extend(slices)
        return counts(asked)

    monkeypatch.setattr(stores.hot, "counts", counted)

    page = slice_page(stores, NOW, DAY, None, first=2)

    assert [view.slice for view in page.views] == asked
    assert [view.status for view in page.views] == [SliceStatus.CLEARED] * 2
