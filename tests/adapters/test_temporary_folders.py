"""Work that needs temporary files fails with an error that names TMPDIR if the folder is full or missing."""

import errno
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assess_core.adapters.duckdb.connection import connect
from assess_core.adapters.duckdb.ledger import open_ledger
from assess_core.adapters.duckdb.union import open_union
from assess_core.adapters.files.outputs import open_output
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
