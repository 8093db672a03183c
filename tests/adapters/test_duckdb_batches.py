"""An error of a query keeps its class however late it comes."""

import duckdb
import pytest

from assess_core.adapters.duckdb.connection import batches_of

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
