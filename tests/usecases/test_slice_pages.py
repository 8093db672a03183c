"""Pages of slices: together they are all slices, and a page counts only its own slices."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from assess_core.domain.moments import DAY
from assess_core.domain.slice_status import SliceStatus, SliceView
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadRequest
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import slice_views
from assess_core.usecases.slice_pages import slice_page
from tests.factories import RECEIVED, WEEK, version
from tests.lakes import Prepared, keep, put_manifest_only
from tests.loop import NOW, put_away, queries

pytestmark = pytest.mark.xdist_group("pages of slices")  # one worker makes the stores, once


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    def prepare(stores: Stores) -> None:
        put_manifest_only(stores, version(batch_id="b0", received=RECEIVED + WEEK))
        received = [RECEIVED + n * WEEK for n in range(3)]
        keep(stores.hot, [version(batch_id=batch_id, received=at) for at in received for batch_id in ("b1", "b2")])
        put_away(stores, stores.hot.slices()[:2])

    return Prepared(tmp_path_factory.mktemp("prepared"), prepare)


@pytest.fixture
def stores(prepared: Prepared, tmp_path: Path) -> Stores:
    """Six slices of two batches, of which the first two are cleared, and one slice that only the manifest knows."""
    return prepared.copy(tmp_path)


def pages(stores: Stores, first: int, batch_id: str | None = None) -> list[list[SliceView]]:
    found: list[list[SliceView]] = []
    after: ArchiveSlice | None = None
    while True:
        page = slice_page(stores, NOW, DAY, None, batch_id=batch_id, after=after, first=first)
        found.append(page.views)
        if not page.has_next:
            return found
        after = page.views[-1].slice


@pytest.mark.long
@pytest.mark.parametrize(("batch_id", "count"), [(None, 7), ("b0", 1), ("b1", 3), ("unknown", 0)])
def test_all_pages_together_are_all_slices(stores: Stores, batch_id: str | None, count: int) -> None:
    expected = slice_views(stores, NOW, DAY, None, batch_id)
    assert len(expected) == count

    for first in (1, 2, 3, 7, 100):
        found = pages(stores, first, batch_id)

        assert [view for page in found for view in page] == expected
        assert all(len(page) == first for page in found[:-1])


@pytest.mark.parametrize("first", [1, 2, 3, 100])
@pytest.mark.parametrize(("status", "count"), [(SliceStatus.CLEARED, 2), (SliceStatus.PLANNED, 4)])
def test_all_pages_of_one_status_together_are_its_slices(
    stores: Stores, first: int, status: SliceStatus, count: int
) -> None:
    found: list[SliceView] = []
    while page := queries(stores).slice_page(status=status, first=first, after=found[-1].slice if found else None):
        assert len(page) <= first
        found += page

    assert found == [view for view in queries(stores).slices() if view.status is status]
    assert len(found) == count


@pytest.mark.parametrize("begin", [0, 1, 4])
def test_a_page_counts_only_its_own_slices(stores: Stores, begin: int, monkeypatch: pytest.MonkeyPatch) -> None:
    slices = [view.slice for view in queries(stores).slices()]
    counts, counted = stores.hot.counts, list[ArchiveSlice]()

    def recorded(asked: Iterable[ArchiveSlice]) -> dict[ArchiveSlice, int]:
        found = counts(asked)
        counted.extend(found)
        return found

    monkeypatch.setattr(stores.hot, "counts", recorded)

    page = queries(stores).slice_page(first=2, after=slices[begin - 1] if begin else None)

    assert [view.slice for view in page] == slices[begin : begin + 2] == counted


@pytest.mark.parametrize("first", [0, 101])
def test_a_page_has_1_to_100_slices(stores: Stores, first: int) -> None:
    with pytest.raises(BadRequest, match="first"):
        queries(stores).slice_page(first=first)
