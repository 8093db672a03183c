"""Archive and verify one week by two processes at once, each with half of its slices, beside one process.

Two runs of Dagster work the same way: each run is a process that gets some of the slices. The stores are SQLite and a
folder. Afterwards every version must be in the lake once, and every slice must be verified.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from assess_core.domain.slices import ArchiveSlice
from assess_core.usecases.archiving import archive, slice_views, verify
from benchmarks.backfill import attempts_of
from benchmarks.data import FIRST, NOW, stores
from benchmarks.measure import Work, alone
from benchmarks.row import Row, Side, Size, in_turn

_SLICES: Final = 100
_EACH: Final = 400  # attempts of a slice
_CODE: Final = "import sys; from benchmarks.scale_out import work; work(sys.argv[1], *map(int, sys.argv[2:]))"


def _fill(home: Path, slices: int) -> None:
    hot = stores(home).hot
    for number in range(slices):
        slice_ = ArchiveSlice.of(f"batch {number:06}", FIRST)
        hot.add_slices({slice_})
        hot.add_rows(list(attempts_of(slice_, _EACH)))


def work(home: str, part: int, parts: int) -> None:
    """Archive and verify one part of the slices, when the process that started this one says so."""
    opened = stores(Path(home))
    known = opened.hot.slices()
    slices = known[part * len(known) // parts : (part + 1) * len(known) // parts]  # as a backfill divides them
    with opened.lake.copies(opened.lake.pin(), []):
        pass  # imports DuckDB, which is not measured
    print(flush=True)
    sys.stdin.readline()
    for step in (archive, verify):
        step(slices, opened, NOW)
    print(flush=True)
    sys.stdin.readline()  # stay alive, so that this process is counted


@contextmanager
def _processes(filled: Path, parts: int) -> Iterator[Work]:
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home = Path(folder) / "home"
        shutil.copytree(filled, home)
        started = [
            subprocess.Popen(
                [sys.executable, "-c", _CODE, str(home), str(part), str(parts)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for part in range(parts)
        ]

        def together() -> None:
            for process in started:
                assert process.stdin is not None
                print(file=process.stdin, flush=True)
            _answers(started)

        _answers(started)
        yield together
        for process in started:
            process.communicate("\n")
        _check(home)


def _answers(processes: Sequence["subprocess.Popen[str]"]) -> None:
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline(), "a process failed"


def _check(home: Path) -> None:
    opened = stores(home)
    views = slice_views(opened, NOW, 0, None)
    assert {view.status.value for view in views} == {"verified"}, views
    assert sum(file.rows for file in opened.lake.pin().files()) == len(views) * _EACH


def scale_out_row(size: Size) -> Row:
    """Two processes beside one."""
    slices = size.of(_SLICES, 2)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        filled = Path(folder) / "filled"
        filled.mkdir()
        _fill(filled, slices)
        sides = {"ours": partial(alone, _processes, filled, 2), "limit": partial(alone, _processes, filled, 1)}
        runs = in_turn(size, sides)
    amount = slices * _EACH
    limit = Side("one process", amount, runs["limit"])
    return Row("scale-out", "attempts/s", Side("two processes", amount, runs["ours"]), None, limit)
