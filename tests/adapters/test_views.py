"""Which views of a union a statement reads."""

import pytest

from assess_core.adapters.duckdb.views import views_of


@pytest.mark.parametrize(
    ("sql", "views"),
    [
        ("SELECT 1 AS versions", []),
        ("SELECT tier FROM placed", []),
        ("FROM versions", ["versions"]),
        ("SELECT count(*) FROM newest, (SELECT 1)", ["winners", "newest"]),
        ("FROM placed JOIN winners USING (user_id)", ["winners"]),
    ],
)
def test_a_statement_needs_the_views_that_it_reads_and_those_that_they_read(sql: str, views: list[str]) -> None:
    assert views_of(sql) == views
