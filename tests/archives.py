"""Old archives for tests: rows as cells, and imports of folders into stores."""

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from assess_core.adapters.arrow.rows import to_batch
from assess_core.adapters.files.archive_paths import ArchivePaths
from assess_core.domain.archive_rows import COLUMNS, Refusal
from assess_core.domain.moments import DAY
from assess_core.domain.spark_csv import written
from assess_core.ports.stores import Stores
from assess_core.usecases.importing import Counts, Import
from tests.factories import ATTEMPTED, RECEIVED
from tests.loop import NOW

ANSWER: Final = {
    "id": "q1",
    "assess_ts": "2024-01-30T00:00:00.000Z",
    "max_score": 2.0,
    "score": 1.0,
    "type": "mcq",
    "title": "What is the capital of Assam?",
    "resvalues": [{"1": '{"text":"Dispur"}'}],
    "params": [{"1": '{"text":"Dispur"}'}, {"answer": '{"correct":["1"]}'}],
    "duration": 3.0,
}
"""`factories.answer()` as Spark writes it: a missing description has no member."""


def cells(answers: object = None, **changed: str) -> dict[str, str]:
    """The cells of a row. The default is the archived row of `factories.version()`."""
    question = json.dumps([ANSWER] if answers is None else answers)
    row = {
        "course_id": "c1",
        "batch_id": "b1",
        "user_id": "u1",
        "content_id": "a1",
        "attempt_id": "t1",
        "created_on": "",
        "grand_total": "1.0/2.0",
        "last_attempted_on": str(ATTEMPTED),
        "total_max_score": "2.0",
        "total_score": "1.0",
        "updated_on": str(RECEIVED),
        "question": question,
    }
    return row | changed


def csv_text(rows: Iterable[dict[str, str]], columns: Sequence[str] = COLUMNS) -> bytes:
    """An archive file with a header."""
    return "".join([written(columns), *(written([row[name] for name in columns]) for row in rows)]).encode()


def put_archive(folder: Path, *rows: dict[str, str], name: str = "b1-2024-5-1.csv") -> Path:
    """Write an archive file, compressed if its name ends in .gz."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = csv_text(rows)
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


class Done(NamedTuple):
    """The result of an import."""

    counts: Counts
    refusals: list[Refusal]

    @property
    def reasons(self) -> list[str]:
        return [refusal.reason for refusal in self.refusals]


def bring(
    stores: Stores,
    *paths: Path,
    now: int = NOW,
    portion_rows: int = 20_000,
) -> Done:
    """Import files and folders."""
    refusals: list[Refusal] = []
    archives = ArchivePaths(map(str, paths))
    run = Import(stores, to_batch, now, DAY, refused=refusals.append, portion_rows=portion_rows)
    return Done(run.run(archives, archives.files), refusals)
