"""An error of a query keeps its class however late it comes, and so does a signal."""

import os
import signal
import threading

import duckdb
import pytest

from assess_core.adapters.duckdb.connection import batches_of, connect, cursor

_LATE = "SELECT CASE WHEN i = 200000 THEN {} ELSE '1' END FROM range(300000) AS r(i)"


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        (_LATE.format("error('too long')"), duckdb.InvalidInputException),
        (_LATE.format("CAST(CAST(i || 'x' AS INTEGER) AS VARCHAR)"), duckdb.Error),
        ("SELECT i FROM range(300000) AS r(i)", None),
    ],
)
def test_an_error_after_the_first_rows_is_one_of_duckdb(sql: str, kind: type[duckdb.Error] | None) -> None:
    duck = duckdb.connect(config={"threads": "1"})  # of several threads, one can report that it was interrupted instead

    def rows() -> int:
        return sum(len(batch) for batch in batches_of(duck.execute(sql).to_arrow_reader(2048)))

    if kind is None:
        assert rows() == 300_000
    else:
        # DuckDB works ahead: on a busy machine it meets the error before the first batch is asked for
        with pytest.raises(kind, match=r"too long|Could not convert"):
            rows()


@pytest.mark.parametrize("in_cursor", [False, True])
def test_a_signal_ends_a_query_and_its_caller(in_cursor: bool) -> None:
    long = "SELECT sum(hash(range)) FROM range(5_000_000_000)"  # tens of seconds
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))

    def query() -> None:
        with connect() as duck, cursor(duck) as another:
            timer.start()
            (another if in_cursor else duck).execute(long)

    try:
        with pytest.raises(KeyboardInterrupt):
            query()
    finally:
        timer.join()
        signal.signal(signal.SIGTERM, before)
