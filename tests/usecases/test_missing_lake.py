"""A lake that is not mounted, or another folder: nothing is reported from the hot store alone."""

import shutil
from pathlib import Path

import pytest

from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.errors import StoreUnavailable
from assess_core.ports.findings import Level
from assess_core.ports.hot_store import AttemptRange
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import store_findings
from assess_core.usecases.exhaust import write_exhaust
from assess_core.wiring import open_stores
from tests.factories import event
from tests.loop import NOW, put_away, queries, take

SPEC = ReportSpec(report=Report.SCORE, batches=("b1",))


def test_after_a_clear_a_lake_without_a_table_fails_every_read_over_both_tiers(
    stores: Stores, settings: Settings, tmp_path: Path
) -> None:
    take(stores, event(attempt="t1"))
    put_away(stores)
    take(stores, event(attempt="t2"))
    shutil.rmtree(tmp_path / "home" / "lake")
    found = open_stores(settings)

    with pytest.raises(StoreUnavailable, match="ASSESS_LAKE names a place without attempts"):
        write_exhaust(found, SPEC)
    with pytest.raises(StoreUnavailable, match="restore it from a copy"):
        found.union.page("b1", AttemptRange(None, 10))
    with pytest.raises(StoreUnavailable, match="ASSESS_LAKE"):
        queries(found).batch("b1")
    [finding] = store_findings.slices(found, NOW, 0)
    assert (finding.level, finding.message.partition(",")[0]) == (
        Level.BAD,
        "ASSESS_LAKE names a place without attempts",
    )


def test_before_the_first_clear_no_lake_is_needed(stores: Stores) -> None:
    take(stores, event())

    assert write_exhaust(stores, SPEC).rows == 1
