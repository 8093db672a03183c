"""Rows of a report find their number by their place, whatever the order in which they are read."""

from collections.abc import Iterator
from random import Random

import duckdb
import psutil
import pyarrow as pa
import pytest

from assess_core.adapters.duckdb.connection import release_memory
from assess_core.adapters.duckdb.reports.numbers import numbered, numbered_rows

_PICKED = "SELECT * FROM attempts WHERE picked"
_ATTEMPTS = """
CREATE TABLE attempts AS
SELECT user_id, 'c' AS course_id, 'b' AS batch_id, 'a' AS content_id, user_id AS attempt_id,
    now() AS last_attempted_on, true AS has_answers, '\\x00'::BLOB AS content_hash,
    user_id % 3 = 0 AS counts, file_index, file_row_number, picked
FROM columns
"""

_SORTED = "SELECT md5(range::VARCHAR) AS x, repeat('x', 300) || range AS y FROM range(150000) ORDER BY x"


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as duck:
        yield duck


def add_attempts(duck: duckdb.DuckDBPyConnection, count: int, files: int) -> None:
    """Attempts of many learners at random places in some files; the first has hot rows. Half are picked."""
    chance = Random(count)
    places = chance.sample([(file, row) for file in range(-1, files - 1) for row in range(3 * count)], count)
    columns = {
        "user_id": chance.sample(range(count), count),
        "file_index": [file for file, _ in places],
        "file_row_number": [row for _, row in places],
        "picked": [chance.random() < 0.5 for _ in range(count)],
    }
    duck.register("columns", pa.table(columns))
    duck.execute(_ATTEMPTS)


@pytest.mark.parametrize(("count", "files"), [(1, 1), (50, 1), (3_000, 7)])
def test_each_picked_row_has_its_number_and_others_have_none(
    duck: duckdb.DuckDBPyConnection, count: int, files: int
) -> None:
    add_attempts(duck, count, files)
    expected = duck.execute(
        f"SELECT user_id, row_number() OVER (ORDER BY user_id) - 1, counts FROM ({_PICKED}) ORDER BY 1"
    ).fetchall()

    with numbered(duck, _PICKED, {}) as total:
        rows = numbered_rows("(SELECT * EXCLUDE counts FROM attempts)")
        found = duck.execute(f"SELECT user_id, number, counts FROM {rows} ORDER BY 1").fetchall()

    assert found == expected
    assert total == len(expected)


def test_a_report_without_rows_numbers_none_and_another_can_follow(duck: duckdb.DuckDBPyConnection) -> None:
    add_attempts(duck, 20, 2)
    rows = numbered_rows("(SELECT * EXCLUDE counts FROM attempts)")

    for picked in (f"{_PICKED} AND false", _PICKED):
        with numbered(duck, picked, {}) as total:
            assert duck.execute(f"SELECT count(*) FROM {rows}").fetchall() == [(total,)]

    assert total > 0


def test_memory_that_a_query_freed_is_returned_without_changing_the_limit() -> None:
    limits, sizes = [], []
    with duckdb.connect(config={"memory_limit": "125000000B", "threads": 1}) as duck:
        for _ in range(2):
            reader = duck.execute(_SORTED).to_arrow_reader(2048)
            assert sum(batch.num_rows for batch in reader) == 150_000
            del reader
            sizes.append(psutil.Process().memory_info().rss)
            release_memory(duck)
            sizes.append(psutil.Process().memory_info().rss)
            limits += duck.execute("SELECT current_setting('memory_limit')").fetchall()

    assert sizes[0] - sizes[1] > 20_000_000
    assert sizes[2] - sizes[3] > 20_000_000
    assert limits == [("119.2 MiB",)] * 2
