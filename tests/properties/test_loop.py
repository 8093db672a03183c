"""The whole embedded loop on real stores, with steps in any order. After each step all tables equal the oracle's."""

import csv
import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.correction_records import Decision
from assess_core.domain.corrections import parse_correction
from assess_core.domain.report_spec import Report
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadCorrection, UnknownBatch
from assess_core.usecases import archiving
from assess_core.usecases.applying import apply, revert
from assess_core.usecases.correcting import NamedCorrection
from assess_core.usecases.exhaust import write_exhaust
from tests import oracle
from tests.crash.corrections import RULES
from tests.lakes import asked
from tests.properties.interruptions import Fuse, Turns, until_crash, watched
from tests.properties.lakehouse import NOW, assert_right, open_stores, put_away, watched_stores
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

_WHO = Decision("x", "y", NOW)
some_lines = logs(3, busy_events, TURN_OF_THE_YEAR)


class Loop(RuleBasedStateMachine):
    """SQLite and Delta in a folder, a growing log, and every possible step."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(prefix="assess-loop-")
        self.log: list[Line] = []
        self.reports: dict[str, bytes] = {}
        self.in_force: dict[str, dict[str, Any]] = {}
        self.open()

    @rule()
    def open(self) -> None:
        """Open all stores again, as new processes do."""
        path = Path(self.folder.name)
        self.stores = open_stores(path, SqliteHot(f"sqlite:///{path}/hot.sqlite?shards=2"))

    def append(self, lines: list[Line]) -> list[Line]:
        """Add lines at the end of the log."""
        new = [Line(TOPIC, len(self.log) + number, line.raw) for number, line in enumerate(lines, 1)]
        self.log += new
        self.reports.clear()
        return new

    def slices(self) -> list[ArchiveSlice]:
        return self.stores.hot.slices()

    @initialize(lines=some_lines)
    def begin(self, lines: list[Line]) -> None:
        fold_all([self.append(lines)], self.stores.hot)

    @rule(data=st.data())
    def fold(self, data: st.DataObject) -> None:
        fold_all([self.append(data.draw(continuations(self.log, TURN_OF_THE_YEAR)))], self.stores.hot)

    @rule(data=st.data(), lines=some_lines, dies_after=st.integers(0, 20))
    def crash_while_folding_and_replay(self, data: st.DataObject, lines: list[Line], dies_after: int) -> None:
        dying = watched(self.stores.hot, Fuse(dies_after))
        until_crash(partial(fold_all, [self.append(lines)], dying))
        fold_all(data.draw(deliveries(self.log)), self.stores.hot)

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        before = {row.row_key for row in rows(self.stores.hot)}
        fold_all(data.draw(deliveries(self.log)), self.stores.hot)
        assert {row.row_key for row in rows(self.stores.hot)} == before

    @rule()
    def archive(self) -> None:
        archiving.archive(self.slices(), self.stores, NOW)

    @rule()
    def verify(self) -> None:
        archiving.verify(self.slices(), self.stores, NOW)

    @rule(which=st.integers(0, 3))
    def clear(self, which: int) -> None:
        archiving.clear([slice_ for n, slice_ in enumerate(self.slices()) if which >> n % 2 & 1], self.stores, NOW)

    @rule()
    def put_away(self) -> None:
        put_away(self.stores)
        assert rows(self.stores.hot) == []

    @rule(dies_after=st.integers(0, 80))
    def crash_while_putting_away(self, dies_after: int) -> None:
        until_crash(partial(put_away, watched_stores(self.stores, Fuse(dies_after))))

    @rule(data=st.data(), schedule=schedules)
    def put_away_while_lines_arrive(self, data: st.DataObject, schedule: list[tuple[int, int]]) -> None:
        turns = Turns(schedule)
        together = watched_stores(self.stores, turns.boundary)
        new = self.append(data.draw(continuations(self.log, TURN_OF_THE_YEAR)))
        assert turns.run(partial(put_away, together), partial(fold_all, [new], together.hot)) == [None, None]

    @rule(which=st.integers(0, 1), dies_after=st.integers(0, 200))
    def apply_a_correction(self, which: int, dies_after: int) -> None:
        """The process may be killed. Then the same command is typed again."""
        named = NamedCorrection("", parse_correction(json.dumps(RULES[which]).encode(), ""))
        with suppress(BadCorrection, UnknownBatch):  # nobody has answered the question yet
            until_crash(lambda: apply(watched_stores(self.stores, Fuse(dies_after)), named, _WHO))
            self.in_force[apply(self.stores, named, _WHO).id] = RULES[which]
            self.reports.clear()

    @rule(dies_after=st.integers(0, 200))
    def revert_a_correction(self, dies_after: int) -> None:
        if self.in_force:
            id_, _ = self.in_force.popitem()
            until_crash(lambda: revert(watched_stores(self.stores, Fuse(dies_after)), id_, _WHO))
            revert(self.stores, id_, _WHO)
            self.reports.clear()

    @rule()
    def report(self) -> None:
        for batch in {slice_.batch_id for slice_ in self.slices()}:
            file = Path(write_exhaust(self.stores, asked(batch, Report.SCORE)).path)
            assert file.read_bytes() == self.reports.setdefault(batch, file.read_bytes())
            assert sorted(map(tuple, _cells(file))) == _scores(self.log, batch, list(self.in_force.values()))

    @invariant()
    def all_tables_equal_the_oracle(self) -> None:
        assert_right(self.stores, self.log, corrections=list(self.in_force.values()))

    def teardown(self) -> None:
        self.folder.cleanup()


def _cells(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return [
            [row[name] for name in ("user_id", "course_id", "content_id", "attempt_id", "grand_total", "versions")]
            for row in csv.DictReader(lines)
        ]


def _scores(log: list[Line], batch: str, corrections: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    attempts = expected(log)["attempts"]
    return sorted(
        (key[0], key[1], key[3], key[4], version["grand_total"], str(len(attempts[key])))
        for key, version in oracle.newest(attempts, corrections).items()
        if key[2] == batch
    )


TestLoop = pytest.mark.long(Loop.TestCase)
TestLoop.settings = settings(examples(4), stateful_step_count=10)
