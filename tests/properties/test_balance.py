"""Rule 7: the stores are balanced after and during any interleaving of stream, replay, archive and clear."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.ledger import Fault
from assess_core.usecases import archiving
from tests.balances import draw, resolve
from tests.lakes import held
from tests.properties.interruptions import Fuse, Turns, until_crash, watched
from tests.properties.lakehouse import NOW, open_stores, put_away, watched_stores
from tests.properties.strategies import (
    TOPIC,
    TURN_OF_THE_YEAR,
    Line,
    busy_events,
    continuations,
    deliveries,
    examples,
    logs,
    schedules,
)
from tests.properties.tables import expected, fold_all, rows

some_lines = logs(3, busy_events, TURN_OF_THE_YEAR)
weeks = logs(5, busy_events, TURN_OF_THE_YEAR)


class Balanced(RuleBasedStateMachine):
    """A hot store in memory and a Delta lake. The oracle counts the accepted events."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(prefix="assess-balance-")
        self.stores = open_stores(Path(self.folder.name), MemoryHot(2))
        self.log: list[Line] = []

    def append(self, lines: list[Line]) -> list[Line]:
        """Add lines at the end of the log."""
        new = [Line(TOPIC, len(self.log) + number, line.raw) for number, line in enumerate(lines, 1)]
        self.log += new
        return new

    def slices(self) -> list[ArchiveSlice]:
        return self.stores.hot.slices()

    @initialize(lines=some_lines)
    def begin(self, lines: list[Line]) -> None:
        fold_all([self.append(lines)], self.stores.hot)

    @rule(data=st.data())
    def fold(self, data: st.DataObject) -> None:
        fold_all([self.append(data.draw(continuations(self.log, TURN_OF_THE_YEAR)))], self.stores.hot)

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        before = draw(self.stores)
        fold_all(data.draw(deliveries(self.log)), self.stores.hot)
        assert draw(self.stores) == before

    @rule()
    def archive(self) -> None:
        archiving.archive(self.slices(), self.stores, NOW)

    @rule(which=st.integers(0, 3))
    def verify_and_clear(self, which: int) -> None:
        chosen = [slice_ for n, slice_ in enumerate(self.slices()) if which >> n % 2 & 1]
        archiving.verify(chosen, self.stores, NOW)
        archiving.clear(chosen, self.stores, NOW)

    @rule(dies_after=st.integers(0, 80))
    def crash_while_putting_away(self, dies_after: int) -> None:
        until_crash(partial(put_away, watched_stores(self.stores, Fuse(dies_after))))

    @rule(lines=some_lines, dies_after=st.integers(0, 20), data=st.data())
    def crash_while_folding_and_replay(self, lines: list[Line], dies_after: int, data: st.DataObject) -> None:
        until_crash(
            partial(fold_all, [self.append(lines)], watched(self.stores.hot, Fuse(dies_after))),
        )
        assert {difference.what for difference in draw(self.stores).differences} <= {Fault.UNNAMED}
        fold_all(data.draw(deliveries(self.log)), self.stores.hot)

    @invariant()
    def everything_accepted_is_a_version_or_a_failed_event(self) -> None:
        drawn, wanted = draw(self.stores), expected(self.log)
        assert drawn.found.balanced, drawn
        assert drawn.sheet.named == sum(len(versions) for versions in wanted["attempts"].values())
        assert drawn.sheet.failed == len(wanted["failed"])
        for sheet in drawn.found.sheets:
            of_batch = [versions for key, versions in wanted["attempts"].items() if key[2] == sheet.batch_id]
            assert sheet.named == sum(map(len, of_batch))

    def teardown(self) -> None:
        self.folder.cleanup()


TestBalanced = pytest.mark.long(Balanced.TestCase)
TestBalanced.settings = settings(examples(4), stateful_step_count=8)


@pytest.mark.long
@examples(10)
@given(st.data(), weeks, schedules)
def test_a_balance_beside_stream_archive_and_clear_never_misses_a_version(
    data: st.DataObject, log: list[Line], schedule: list[tuple[int, int]]
) -> None:
    later = data.draw(continuations(log, TURN_OF_THE_YEAR))
    others = data.draw(st.sampled_from(["stream", "housekeeping"]))
    with TemporaryDirectory(prefix="assess-balance-") as folder:
        stores = open_stores(Path(folder))
        fold_all([log], stores.hot)
        turns = Turns(schedule)
        together = watched_stores(stores, turns.boundary)
        work = partial(fold_all, [later], together.hot) if others == "stream" else partial(put_away, together)

        def compare() -> None:
            drawn = draw(together)
            # the only allowed difference is a row whose writer has not yet written the entry
            assert {difference.what for difference in drawn.differences} <= {Fault.UNNAMED}
            assert others == "stream" or drawn.found.balanced

        assert turns.run(compare, work) == [None, None]
        assert draw(stores).found.balanced


@pytest.mark.long
@examples(10)
@given(st.data(), weeks)
def test_exactly_the_lost_rows_are_reported_and_rewritten(data: st.DataObject, log: list[Line]) -> None:
    with TemporaryDirectory(prefix="assess-balance-") as folder:
        stores = open_stores(Path(folder))
        fold_all([log], stores.hot)
        archived = data.draw(st.lists(st.sampled_from(slices), unique=True)) if (slices := stores.hot.slices()) else []
        put_away(stores, archived)
        before = rows(stores.hot)
        lost = data.draw(st.lists(st.sampled_from(before), unique_by=lambda row: row.row_key)) if before else []
        stores.hot.delete([row.row_key for row in lost])
        file = Path(folder) / "events.jsonl"
        file.write_bytes(b"".join(line.raw + b"\n" for line in log))
        left = {row.version.content_hash for row in rows(stores.hot)}
        gone = {row.version.content_hash for row in lost} - left - {hash_ for hash_, _ in held(stores.lake)}

        missing = {difference.content_hash for difference in draw(stores).differences}
        rewritten, in_lake = resolve(stores, file)

        assert missing == gone
        assert (rewritten, in_lake) == (len(gone), 0)
        assert draw(stores).found.balanced
        assert {row.row_key for row in rows(stores.hot)} <= {row.row_key for row in before}
