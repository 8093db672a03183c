"""Erase 1, 100 and 1,000 learners from a lake of 5 million attempts, then search everything for their ids.

A million learners have five attempts each in five of 20 weeks, in 500 batches. The rows are small: an attempt has one
answer. DuckDB makes them, because Python would need an hour. They go into the lake directly, with true content hashes
and true entries of the manifest, *archived* and *verified*. The hot store is empty. Each call erases other learners.

The limit of an erasure is DuckDB's COPY of the same weeks without these learners. It compares nothing with the
manifest and leaves the old files. The limit of the check is a search of the column of learners.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import pyarrow as pa
from duckdb.func import ARROW
from duckdb.sqltypes import BLOB, VARCHAR

from assess_core.adapters.arrow.hashes import content_hashes
from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.duckdb.connection import connect, literal, parquet
from assess_core.domain.erasing import Order, Receipt
from assess_core.domain.slices import WEEK, ArchiveSlice
from assess_core.ports.lake import Lake, LakeFile
from assess_core.usecases.archiving import archive_rows, verify_alone
from assess_core.usecases.erasing import erase
from assess_core.usecases.erasure_check import find
from assess_core.wiring import open_besides
from benchmarks.data import FIRST, NOW, settings_of, stores
from benchmarks.measure import Run, Work, alone
from benchmarks.row import LATENCY, Row, Side, Size

_ATTEMPTS: Final = 5_000_000
_LEAST: Final = 6_000
"""Attempts of 1,200 learners, so that a round has others for each call."""
_EACH: Final = 5
"""Attempts of a learner."""
_WEEKS: Final = 20
_LEAST_WEEKS: Final = 2
_BATCHES: Final = 500
_LEARNERS: Final = (1, 100, 1_000)
_STEP: Final = 7_919
"""A prime number, so that erased learners are in all batches and weeks."""
_WEEK: Final = """
SELECT * REPLACE (content_hash_of(canonical_of(user_id, course_id, batch_id, content_id, attempt_id, last_attempted_on,
    total_score, total_max_score, grand_total, question)) AS content_hash)
FROM (
    SELECT printf('batch-%04d', learner % $batches) AS batch_id, $year::INTEGER AS year, $week::INTEGER AS week,
        md5('learner' || learner) AS user_id, 'do_1130928636168192001667' AS course_id,
        'do_2128870328040161' AS content_id, md5(learner || '-' || attempt) AS attempt_id,
        moment AS last_attempted_on, true AS has_answers, ''::BLOB AS content_hash, 1.0::DOUBLE AS total_score,
        1.0::DOUBLE AS total_max_score, '1/1' AS grand_total, moment AS updated_on,
        [{'id': 'do_2130' || (learner % 30), 'assess_ts': moment, 'max_score': 1.0::DOUBLE, 'score': 1.0::DOUBLE,
            'type': 'mcq', 'title': 'What is the volume of a sphere?', 'resvalues': [MAP {'1': '8'}],
            'params': []::MAP(VARCHAR, VARCHAR)[], 'description': '', 'duration': 3.0::DOUBLE}] AS question
    FROM (
        SELECT learner, attempt, make_timestamptz(($start::BIGINT + learner) * 1000) AS moment
        FROM range($learners) AS learners(learner), range($each) AS attempts(attempt)
        WHERE (learner * 7 + attempt * 4) % $weeks = $number
    )
)
ORDER BY batch_id, user_id
"""


class _Erased(NamedTuple):
    """The result of an erasure."""

    receipt: Receipt
    weeks: int
    bytes: int
    """Of the files that took the place of the old ones."""


def _fill(lake: Lake, attempts: int, weeks: int) -> None:
    batches = max(1, _BATCHES * attempts // _ATTEMPTS)
    numbers = {"learners": attempts // _EACH, "each": _EACH, "batches": batches, "weeks": weeks}
    with connect() as duck:
        duck.create_function("content_hash_of", content_hashes, [VARCHAR], BLOB, type=ARROW)
        for number in range(weeks):
            start = FIRST + number * WEEK
            slices = [ArchiveSlice.of(f"batch-{batch:04}", start) for batch in range(batches)]
            week = {"number": number, "start": start, "year": slices[0].week.year, "week": slices[0].week.week}
            rows = duck.execute(_WEEK, {**numbers, **week}).to_arrow_reader(10_000)
            lake.append(lake.pin(), slices, rows.cast(LAKE_SCHEMA))
            archive_rows(slices, lambda _: [], lake, NOW)  # only the entries of the manifest are missing
            verified = verify_alone(slices, lake, NOW)
            assert not any(each.problem for each in verified.values())


def _users(first: int, count: int, attempts: int) -> list[str]:
    """The ids of some learners; others for each first number."""
    learners = attempts // _EACH
    numbers = ((first + number) * _STEP % learners for number in range(count))
    return [md5(f"learner{number}".encode(), usedforsecurity=False).hexdigest() for number in numbers]


@contextmanager
def _erasing(home: Path, users: Sequence[str]) -> Iterator[Work]:
    opened, besides = stores(home), open_besides(settings_of(home), {})
    before = {file.url for file in opened.lake.pin().files()}

    def work() -> _Erased:
        receipt = erase(opened, besides, users, Order("a benchmark", "to measure it", NOW))
        new = [file for file in opened.lake.pin().files() if file.url not in before]
        return _Erased(receipt, len({file.week for file in new}), sum(Path(file.url).stat().st_size for file in new))

    yield work


@contextmanager
def _bare_rewrite(home: Path, users: Sequence[str]) -> Iterator[Work]:
    lake = stores(home).lake
    pinned = lake.pin()
    files: dict[object, list[LakeFile]] = {week: [] for week in lake.weeks_with(pinned, users)}
    for file in pinned.files():
        if file.week in files:
            files[file.week].append(file)
    with TemporaryDirectory(dir=home) as folder, connect() as duck:
        duck.register("searched", pa.table({"user_id": pa.array(users)}))
        target = literal(str(Path(folder) / "week.parquet"))

        def work() -> None:
            for of_week in files.values():
                kept = f"FROM {parquet(of_week)} WHERE user_id NOT IN (FROM searched)"
                duck.execute(f"COPY ({kept}) TO {target} (FORMAT parquet, COMPRESSION zstd)").fetchall()

        yield work


@contextmanager
def _check(home: Path, receipt: Receipt, users: Sequence[str]) -> Iterator[Work]:
    opened, besides = stores(home), open_besides(settings_of(home), {})
    yield lambda: list(find(opened, besides, receipt, users, lambda _: None))


@contextmanager
def _search(home: Path, users: Sequence[str]) -> Iterator[Work]:
    lake = stores(home).lake
    yield lambda: lake.weeks_with(lake.pin(), users)


def erasing_rows(size: Size) -> list[Row]:
    """A row for each number of learners, and one for the check of the last erasure."""
    attempts, weeks = size.of(_ATTEMPTS, _LEAST), size.of(_WEEKS, _LEAST_WEEKS)
    ours: dict[int, list[Run]] = {count: [] for count in _LEARNERS}
    limits: dict[int, list[Run]] = {count: [] for count in _LEARNERS}
    first = 0
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home = Path(folder)
        _fill(stores(home).lake, attempts, weeks)
        for _ in range(size.rounds):
            for count in _LEARNERS:
                users = _users(first, count, attempts)
                first += count
                limits[count].append(alone(_bare_rewrite, home, users))
                ours[count].append(alone(_erasing, home, users))
        receipt = _result(ours[count][-1]).receipt
        checked, searched = (alone(*call) for call in ((_check, home, receipt, users), (_search, home, users)))
    assert checked.result == searched.result == [], "an id was found after the erasure"
    rows = [_row(count, weeks, ours[count], limits[count]) for count in _LEARNERS]
    check = Side("decode and search everything", 1, [checked])
    limit = Side("a search of the column of learners", 1, [searched])
    return [*rows, Row(f"erase {count:,}: check", LATENCY, check, None, limit)]


def _row(count: int, weeks: int, ours: Sequence[Run], limits: Sequence[Run]) -> Row:
    erased = _result(ours[-1])
    note = f"{erased.weeks} of {weeks} weeks were written again, {erased.bytes / 1e6:,.0f} MB"
    limit = Side("COPY of the same weeks", 1, limits)
    return Row(f"erase {count:,}", LATENCY, Side("erase", 1, ours), None, limit, note)


def _result(run: Run) -> _Erased:
    assert isinstance(run.result, _Erased)
    return run.result
