"""A correction for 100,000 learners: its dry run, and apply. The limit is a bare rewrite of all scores and activities.

Each learner has one attempt of 10 answers, archived and cleared, so both read the lake. One question of ten was wrong,
and full marks for it change the score of three learners in four. After each apply the correction is reverted.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from assess_core.chunks import chunks
from assess_core.domain.correction_records import Decision
from assess_core.domain.corrections import Correction, FullMarks
from assess_core.domain.register import Kind
from assess_core.domain.scores import derive_from, maps_of
from assess_core.usecases import archiving
from assess_core.usecases.applying import apply, revert
from assess_core.usecases.correcting import NamedCorrection, regraded
from benchmarks.data import ASSESSMENT, NOW, QUESTION, attempts_at_one_assessment, fill_all, stores
from benchmarks.measure import Work, alone
from benchmarks.row import Row, Side, Size, in_turn

_LEARNERS: Final = 100_000
_PORTION: Final = 1_000
_WRONG: Final = NamedCorrection("benchmark", Correction(ASSESSMENT, QUESTION, FullMarks()))
_DECISION: Final = Decision("a benchmark", "to measure it", NOW)


def _fill(home: Path, learners: int) -> None:
    fill_all(home, attempts_at_one_assessment(learners))
    opened = stores(home)
    slices = opened.hot.slices()
    for step in (archiving.archive, archiving.verify, archiving.clear):
        step(slices, opened, NOW)


@contextmanager
def _dry_run(home: Path) -> Iterator[Work]:
    opened = stores(home)

    def work() -> int:
        with regraded(opened, [_WRONG]) as changes:
            return sum(1 for _ in changes)

    yield work


@contextmanager
def _applied(home: Path) -> Iterator[Work]:
    opened = stores(home)
    yield lambda: apply(opened, _WRONG, _DECISION).swept.scores
    for each in opened.hot.register.all(Kind.CORRECTION):
        revert(opened, each.id, _DECISION)


@contextmanager
def _bare_rewrite(home: Path) -> Iterator[Work]:
    hot = stores(home).hot

    def work() -> None:
        for some in chunks(hot.all_learners(), _PORTION):
            derived = derive_from(maps_of(entry for _, learner in some for entry in learner.entries))
            hot.put_summaries(list(derived.summaries.values()))
            hot.put_activities(list(derived.activities.values()))

    yield work


def regrading_rows(size: Size) -> list[Row]:
    """The dry run and apply, each in its own process."""
    learners = size.of(_LEARNERS)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home, bare = Path(folder) / "home", Path(folder) / "bare"
        home.mkdir()
        _fill(home, learners)
        # corrections make stored scores newer, so these would not be written
        shutil.copytree(home, bare)
        sides = {
            "dry run": partial(alone, _dry_run, home),
            "apply": partial(alone, _applied, home),
            "bare": partial(alone, _bare_rewrite, bare),
        }
        runs = in_turn(size, sides)
    changed = {run.result for name in ("dry run", "apply") for run in runs[name]}
    assert len(changed) == 1, changed
    limit = Side("a bare rewrite of scores and activities", learners, runs["bare"])
    note = f"{changed.pop():,} scores change"
    return [
        Row(f"regrade {name}", "learners/s", Side(name, learners, runs[name]), None, limit, note)
        for name in ("dry run", "apply")
    ]
