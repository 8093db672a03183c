"""A lake that is not mounted, or another folder: nothing is reported from the hot store alone."""

import shutil
from pathlib import Path

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.errors import StoreUnavailable
from assess_core.ports.findings import Level
from assess_core.ports.hot_store import AttemptRange
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import store_findings
from assess_core.usecases.archiving import archive, slice_views
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.monitoring import read_state
from assess_core.usecases.restoring import begin_rebuild
from assess_core.wiring import open_stores
from tests.factories import event
from tests.loop import NOW, put_away, queries, take

SPEC = ReportSpec(report=Report.SCORE, batches=("b1",))


@pytest.fixture
def cleared(stores: Stores) -> Stores:
    """Stores with an attempt in the lake, and another one in the hot store."""
    take(stores, event(attempt="t1"))
    put_away(stores)
    take(stores, event(attempt="t2"))
    return stores


@pytest.fixture(params=["not mounted", "another lake"])
def wrong(request: pytest.FixtureRequest, cleared: Stores, settings: Settings, tmp_path: Path) -> Stores:
    """The same hot store with a place that is not its lake."""
    lake = tmp_path / "home" / "lake"
    lake.rename(tmp_path / "away")
    if request.param == "another lake":
        other = open_stores(settings)._replace(hot=MemoryHot())
        take(other, event(attempt="t3"))
        archive(other.hot.slices(), other, NOW)
        assert lake.exists()
    return open_stores(settings)


def test_after_a_clear_nothing_is_read_over_both_tiers_with_another_lake(wrong: Stores) -> None:
    with pytest.raises(StoreUnavailable, match="ASSESS_LAKE does not name the lake into which"):
        write_exhaust(wrong, SPEC)
    with pytest.raises(StoreUnavailable, match="restore it from a copy"):
        wrong.union.page("b1", AttemptRange(None, 10))
    with pytest.raises(StoreUnavailable, match="ASSESS_LAKE"):
        queries(wrong).batch("b1")
    [finding] = store_findings.slices(wrong, NOW, 0)
    assert (finding.level, finding.message.partition(" the")[0]) == (Level.BAD, "ASSESS_LAKE does not name")


def test_after_a_clear_nothing_is_archived_or_cleared_into_another_lake(wrong: Stores) -> None:
    slices, before = wrong.hot.slices(), wrong.lake.pin().version

    with pytest.raises(StoreUnavailable, match="ASSESS_LAKE"):
        archive(slices, wrong, NOW)

    assert wrong.lake.pin().version == before


def test_after_a_clear_another_lake_has_no_say_in_the_status_of_a_slice(wrong: Stores) -> None:
    with pytest.raises(StoreUnavailable, match="ASSESS_LAKE"):
        slice_views(wrong, NOW, 0, None)
    with pytest.raises(StoreUnavailable, match="ASSESS_LAKE"):
        read_state(wrong, NOW, 0)


def test_a_copy_of_the_lake_is_the_lake(cleared: Stores, settings: Settings, tmp_path: Path) -> None:
    lake = tmp_path / "home" / "lake"
    shutil.copytree(lake, tmp_path / "copy")
    shutil.rmtree(lake)
    (tmp_path / "copy").rename(lake)

    assert write_exhaust(open_stores(settings), SPEC).rows == 2


def test_a_rebuild_takes_the_lake_that_is_there(wrong: Stores) -> None:
    begin_rebuild(wrong)

    assert write_exhaust(wrong, SPEC).rows == 1 + (wrong.lake.pin().version >= 0)


def test_before_the_first_clear_no_lake_is_needed(stores: Stores) -> None:
    take(stores, event())

    assert write_exhaust(stores, SPEC).rows == 1
