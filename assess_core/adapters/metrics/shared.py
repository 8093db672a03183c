"""The numbers that processes of one machine share, in a small SQLite file: the stream, Dagster's runs, commands.

A run of Dagster ends after seconds, so nothing can ask it. It adds to this file, and the API shows the file. Nothing is
written if the folder of the file does not exist. The file holds only numbers: a damaged one is deleted.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from assess_core.domain.measures import MEASURES, Cell, Kind, Sample, changes
from assess_core.ports.meter import Numbers

_CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS numbers (name TEXT, labels TEXT, part TEXT, value REAL, "
    "PRIMARY KEY (name, labels, part)) WITHOUT ROWID"
)
_ADD: Final = (
    "INSERT INTO numbers VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = CASE WHEN {} THEN 0 ELSE value END + "
    "excluded.value"
)
_GAUGES: Final = ", ".join(f"'{name}'" for name, measure in MEASURES.items() if measure.kind is Kind.GAUGE)
_PUT: Final = _ADD.format(f"name IN ({_GAUGES})")
_WAIT: Final = 0.5  # seconds for another writer, which needs a millisecond


class SharedMeter:
    """Adds to the file. Samples that could not be written are added with the next ones."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._waiting: dict[Cell, float] = {}

    def record(self, *samples: Sample) -> None:
        """See `Meter.record`."""
        with self._lock:
            for sample in samples:
                is_gauge = sample.measure.kind is Kind.GAUGE
                for cell, value in changes(sample):
                    self._waiting[cell] = value if is_gauge else self._waiting.get(cell, 0.0) + value
            if not self._file.parent.is_dir():
                self._waiting.clear()
                return
            rows = [(cell.name, json.dumps(cell.labels), cell.part, value) for cell, value in self._waiting.items()]
            with self._forgiving(), closing(self._open()) as file, file:
                file.execute(_CREATE)
                file.executemany(_PUT, rows)
                self._waiting.clear()

    def numbers(self) -> Numbers:
        """See `Meter.numbers`."""
        found: dict[Cell, float] = {}
        if self._file.is_file():
            with self._forgiving(), closing(self._open()) as file:
                rows = file.execute("SELECT name, labels, part, value FROM numbers").fetchall()
                found = {Cell(name, tuple(json.loads(labels)), part): value for name, labels, part, value in rows}
        return found

    def _open(self) -> sqlite3.Connection:
        file = sqlite3.connect(self._file, timeout=_WAIT)
        file.execute("PRAGMA synchronous = OFF")  # after a power failure the numbers may start again
        return file

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Ignores errors of the file. A file that is not a database is deleted; a locked one is left alone."""
        try:
            yield
        except sqlite3.OperationalError:
            return
        except (sqlite3.DatabaseError, ValueError):
            with suppress(OSError):
                self._file.unlink()
