"""Work that needs temporary files fails with an error that names TMPDIR if the folder is full or missing."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assess_core.adapters.duckdb.connection import connect
from assess_core.adapters.duckdb.ledger import open_ledger
from assess_core.adapters.duckdb.union import open_union
from assess_core.adapters.files.outputs import open_output
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.scores import Entry
from assess_core.errors import StoreUnavailable
from tests.factories import version
from tests.lakes import keep


def _union(folder: Path) -> None:
    hot = MemoryHot()
    keep(hot, [version()])
    with open_union(hot, DeltaLake(Folder(folder / "lake"))):
        pass


def _ledger(folder: Path) -> None:
    with open_ledger() as ledger:
        ledger.name([Entry.of(version())])


def _connection(folder: Path) -> None:
    with connect():
        pass


def _output(folder: Path) -> None:
    with open_output("-", None).write():
        pass


@pytest.mark.parametrize("work", [_union, _ledger, _connection, _output])
def test_the_error_for_a_missing_temporary_folder_names_tmpdir(
    work: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))

    with pytest.raises(StoreUnavailable, match="TMPDIR"):
        work(tmp_path)


class _Full(pq.ParquetWriter):  # type: ignore[misc]  # pyarrow has no types
    """A Parquet file on a full disk."""

    fails_at = "__init__"

    def __init__(self, *arguments: object, **named: object) -> None:
        self._fail("__init__")
        super().__init__(*arguments, **named)

    def write_table(self, *arguments: object, **named: object) -> None:
        self._fail("write_table")
        super().write_table(*arguments, **named)

    def close(self) -> None:
        super().close()
        self._fail("close")

    def _fail(self, at: str) -> None:
        if at == self.fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("at", ["__init__", "write_table", "close"])
@pytest.mark.parametrize("work", [_union, _ledger])
def test_the_error_for_a_full_temporary_folder_names_tmpdir(
    work: Callable[[Path], None], at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Full, "fails_at", at)
    monkeypatch.setattr(pq, "ParquetWriter", _Full)

    with pytest.raises(StoreUnavailable, match="TMPDIR"):
        work(tmp_path)


_KILLED = """
import os, signal
from pathlib import Path
from assess_core.adapters.files.temporary import temporary_folder
with temporary_folder("assess-union-") as folder:
    Path(folder, "rows").write_text("answers")
    os.kill(os.getpid(), signal.SIGKILL)
"""
_NEXT = _KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "print(*os.listdir(os.environ['TMPDIR']), sep='\\n')")


def test_the_next_process_deletes_what_a_killed_one_left_and_nothing_of_one_that_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(code: str) -> list[str]:
        env = {**os.environ, "TMPDIR": str(tmp_path)}
        words = [sys.executable, "-c", code]
        return subprocess.run(words, env=env, capture_output=True, text=True, check=False).stdout.splitlines()

    run(_KILLED)
    [killed] = os.listdir(tmp_path)
    (tmp_path / "assess-of-somebody-else").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with temporary_folder("assess-union-") as living:
        found = run(_NEXT)

    assert killed not in found
    assert {Path(living).name, "assess-of-somebody-else"} < set(found)
    assert os.listdir(tmp_path) == ["assess-of-somebody-else"]


def test_a_folder_that_was_deleted_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "deleted", tmp_path / "kept"]

    def make(prefix: str, suffix: str) -> str:
        path = paths.pop(0)
        if path.name == "kept":
            path.mkdir()
        return str(path)

    monkeypatch.setattr("tempfile.mkdtemp", make)
    with temporary_folder("assess-union-") as folder:
        assert Path(folder).name == "kept"
