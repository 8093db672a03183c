"""CSV as Spark writes it: what is read, what is refused, and how long it takes."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.domain import spark_csv
from assess_core.domain.spark_csv import MAX_COLUMNS, Record, lines, records, written


def read(text: bytes, at_once: int = 7) -> list[Record]:
    return list(records(text[start : start + at_once] for start in range(0, len(text), at_once)))


def cells(text: bytes) -> list[list[bytes] | None]:
    return [record.cells for record in read(text)]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text('a",\\\n\r []{}', max_size=12)


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=4), max_size=4))
def test_written_records_are_read_back(rows: list[list[str]]) -> None:
    text = "".join(map(written, rows)).encode()

    assert cells(text) == [[cell.encode() for cell in row] for row in rows]


def test_a_cell_in_quotes_has_escaped_quotes_and_backslashes() -> None:
    assert cells(rb'a,"[{\"id\":\"x\\\\y\\n\"}]"' + b"\n") == [[b"a", rb'[{"id":"x\\y\n"}]']]


def test_a_cell_without_quotes_is_literal() -> None:
    assert cells(b'a\\b,5" screen, c \n') == [[b"a\\b", b'5" screen', b" c "]]


def test_empty_cells_and_empty_quotes_are_empty() -> None:
    assert cells(b',"",\n') == [[b"", b"", b""]]


def test_records_have_the_number_of_their_first_line() -> None:
    found = read(b'a,b\n\n"x\ny",c\r\nd,e')

    assert [(record.line, record.cells, record.ended) for record in found] == [
        (1, [b"a", b"b"], True),
        (3, [b"x\ny", b"c"], True),
        (5, [b"d", b"e"], False),
    ]


def test_a_quote_that_is_not_closed_costs_one_line() -> None:
    found = read(b'a,b\n"x,y\nc,d\ne,f\n')

    assert [(record.line, record.cells or record.problem) for record in found] == [
        (1, [b"a", b"b"]),
        (2, "a quote is not closed"),
        (3, [b"c", b"d"]),
        (4, [b"e", b"f"]),
    ]


def test_text_after_a_closing_quote_is_a_problem() -> None:
    [record] = read(b'a,"b"c\n')

    assert record.problem == "column 2 has text after its closing quote"


def test_too_many_columns_are_a_problem() -> None:
    assert [record.problem for record in read(b"," * MAX_COLUMNS + b"\n")] == [
        f"it has more than {MAX_COLUMNS} columns"
    ]
    assert cells(b"," * (MAX_COLUMNS - 1) + b"\n") == [[b""] * MAX_COLUMNS]


def test_a_line_that_is_too_long_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_csv, "MAX_LINE", 10)

    found = read(b"a,b\n" + b"x" * 11 + b"\nc,d\n")

    assert [record.line for record in found if record.cells is None] == [2]
    assert [record.cells for record in found if record.cells] == [[b"a", b"b"], [b"c", b"d"]]


def test_a_long_line_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_csv, "MAX_LINE", 10)
    held = 0

    def chunks() -> Iterable[bytes]:
        nonlocal held
        for _ in range(1000):
            held += 1
            yield b"x" * 10
        yield b"\na,b\n"

    assert [line.text for line in lines(chunks())] == [None, b"a,b"]
    assert held == 1000


@pytest.mark.parametrize("line", [b'"', b'"\\', b'a,"\\"', b'","' * 30, b'"\\"' * 30])
def test_hostile_lines_are_read_in_linear_time(line: bytes) -> None:
    """A quadratic reader would need hours for this."""
    text = (line + b"\n") * 20_000

    assert len(read(text, at_once=1 << 16)) > 100
