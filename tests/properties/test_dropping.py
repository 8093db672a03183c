"""Drops between archive, clear, compaction, replays and kills: scores stay, and only what was dropped goes."""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.domain.holds import Target
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report, ReportSpec, Versions
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import verify
from assess_core.usecases.compacting import compact, vacuum
from assess_core.usecases.dropping import drop
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.holds import add_hold
from assess_core.usecases.tables import Name
from tests.balances import draw
from tests.loop import queries
from tests.properties.interruptions import Fuse, until_crash
from tests.properties.lakehouse import NOW, lakehouse, put_away, read, watched_stores
from tests.properties.strategies import (
    LEARNERS,
    TURN_OF_THE_YEAR,
    Line,
    busy_events,
    continuations,
    deliveries,
    examples,
    logs,
)
from tests.properties.tables import expected, fold_all

weeks = logs(6, busy_events, TURN_OF_THE_YEAR)
EFFECTS = 40
"""The approximate number of boundaries of a drop of two weeks."""


def assert_right(stores: Stores, log: Sequence[Line], dropped: Collection[ArchiveSlice]) -> None:
    """Scores are as without drops, the balance is green, and only versions of dropped slices are gone."""
    wanted = expected(log)
    with lakehouse() as never_dropped:
        fold_all([log], never_dropped.hot)
        for name in (Name.SUMMARIES, Name.ACTIVITY, Name.FAILED):
            assert list(queries(stores).table(name)) == list(queries(never_dropped).table(name))
    hot, lake, _ = read(stores)
    all_versions = {
        version["content_hash"]: ArchiveSlice.of(key[2], version["received_at"])
        for key, versions in wanted["attempts"].items()
        for version in versions
    }
    present = {row.version.content_hash.hex() for row in hot + lake}
    assert present <= all_versions.keys()
    assert {hash_ for hash_, slice_ in all_versions.items() if slice_ not in dropped} <= present
    assert draw(stores).found.balanced
    recorded = stores.lake.recorded(None, None)
    assert {found.problem for found in verify(recorded, stores, NOW).values()} <= {None}


def score_reports(stores: Stores) -> list[bytes]:
    """The reports that need no answers, of all batches together."""
    specs = (
        ReportSpec(report=report, format=Format.CSV, batches=(), batch_pattern="*", versions=versions)
        for report, versions in ((Report.SCORE, Versions.ALL), (Report.SUMMARY, Versions.NEWEST))
    )
    return [Path(write_exhaust(stores, spec).path).read_bytes() for spec in specs] if stores.hot.slices() else []


@pytest.mark.long
@examples(2)
@given(st.data(), weeks)
def test_whatever_is_dropped_between_other_steps_scores_stay_and_nothing_else_is_lost(
    data: st.DataObject, log: list[Line]
) -> None:
    with lakehouse() as stores:
        fold_all([log], stores.hot)
        put_away(stores)
        slices = stores.hot.slices()
        dropped = {slice_ for slice_ in slices if data.draw(st.booleans())}
        drop(dropped, stores, NOW)
        assert_right(stores, log, dropped)

        later = data.draw(continuations(log, TURN_OF_THE_YEAR))
        fold_all(data.draw(deliveries([*log, *later])), stores.hot)
        assert_right(stores, [*log, *later], dropped)
        put_away(stores)
        compact({slice_.week for slice_ in slices}, stores.lake, NOW)
        vacuum(stores.lake, NOW, retain=0)
        assert_right(stores, [*log, *later], dropped)


@pytest.mark.long
@examples(2)
@given(st.data(), weeks)
def test_a_drop_that_is_killed_anywhere_loses_nothing_else_and_a_rerun_completes_it(
    data: st.DataObject, log: list[Line]
) -> None:
    with lakehouse() as stores:
        fold_all([log], stores.hot)
        put_away(stores)
        going = stores.hot.slices()[::2]
        fuse = Fuse(data.draw(st.integers(0, EFFECTS)))

        until_crash(partial(drop, going, watched_stores(stores, fuse), NOW))

        assert_right(stores, log, going)
        drop(going, stores, NOW)
        pinned = stores.lake.pin()
        assert not {slice_ for slice_ in going if slice_ in stores.lake.slices(pinned, slice_.week)}
        assert_right(stores, log, going)


@pytest.mark.long
@examples(2)
@given(st.data(), weeks)
def test_reports_of_scores_stay_whatever_scores_are_kept_and_wherever_a_drop_is_killed(
    data: st.DataObject, log: list[Line]
) -> None:
    with lakehouse() as stores:
        fold_all([log], stores.hot)
        put_away(stores)
        before = score_reports(stores)
        slices = stores.hot.slices()
        going = [slice_ for slice_ in slices if data.draw(st.booleans())]
        fuse = Fuse(data.draw(st.integers(0, EFFECTS)))

        until_crash(lambda: drop(going, watched_stores(stores, fuse), NOW, keeping=going))

        assert score_reports(stores) == before
        assert_right(stores, log, going)
        drop(going, stores, NOW, keeping=going)
        assert score_reports(stores) == before
        assert_right(stores, log, going)

        fold_all(data.draw(deliveries(log)), stores.hot)
        put_away(stores)
        assert score_reports(stores) == before


@pytest.mark.long
@examples(3)
@given(weeks, st.sampled_from(LEARNERS))
def test_no_row_of_a_held_learner_ever_leaves_the_lake(log: list[Line], learner: str) -> None:
    with lakehouse() as stores:
        fold_all([log], stores.hot)
        put_away(stores)
        _, before, _ = read(stores)
        add_hold(stores, Target.LEARNER, learner, "examinations office", "case 12", NOW)

        drop(stores.hot.slices(), stores, NOW)

        _, after, _ = read(stores)
        touched = {row.slice for row in before if row.key.user_id == learner}
        assert sorted(row.row_key for row in after) == sorted(row.row_key for row in before if row.slice in touched)
