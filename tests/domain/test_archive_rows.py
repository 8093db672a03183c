"""Rows of old archives: which version each becomes, and why some are refused."""

import json
from typing import Final

import pytest

from assess_core.domain.archive_rows import COLUMNS, ArchivedRow, Refusal, read_rows
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.slices import IsoWeek
from tests.archives import ANSWER, cells, csv_text
from tests.factories import ATTEMPTED, MONDAY, RECEIVED, answer, version

W5: Final = IsoWeek(2024, 5)
LATER: Final = IsoWeek(2024, 20).start


def read(text: bytes, week: IsoWeek | None = W5, closed_before: int = LATER) -> list[ArchivedRow | Refusal]:
    return list(read_rows([text], "file.csv", week, closed_before))


def one(row: dict[str, str], week: IsoWeek | None = W5) -> AttemptVersion:
    [found] = read(csv_text([row]), week)
    assert isinstance(found, ArchivedRow), found
    return found.version


def refusal(row: dict[str, str], week: IsoWeek | None = W5) -> str:
    [found] = read(csv_text([row]), week)
    assert isinstance(found, Refusal)
    assert (found.file, found.line) == ("file.csv", 2)
    return found.reason


def test_a_row_is_the_version_that_the_stream_makes_of_the_same_submission() -> None:
    assert one(cells()) == version()


@pytest.mark.parametrize("null", ["", "null"])
def test_missing_cells_are_nothing_or_the_text_null(null: str) -> None:
    row = cells(grand_total=null, total_score=null, total_max_score=null, created_on=null)

    assert one(row) == version()


def test_missing_cells_may_be_empty_quotes() -> None:
    text = csv_text([cells(created_on="@")]).replace(b",@,", b',"",')

    assert isinstance(read(text)[0], ArchivedRow)


@pytest.mark.parametrize(
    "text",
    [
        str(RECEIVED),
        "2024-01-30T05:31:00.000+05:30",
        "2024-01-30T00:01:00.000Z",
        "2024-01-30T00:01:00.000+0000",
        "2024-01-30 00:01:00.000",
    ],
)
def test_times_are_epoch_milliseconds_or_text_with_an_offset(text: str) -> None:
    assert one(cells(updated_on=text)).received_at == RECEIVED


@pytest.mark.parametrize("text", ["2024-01-30T05:30:00.000+05:30", ATTEMPTED, "2024-01-30T00:00:00.000+0000"])
def test_times_of_answers_too(text: object) -> None:
    assert one(cells([ANSWER | {"assess_ts": text}])) == version()


def test_columns_may_be_in_any_order_and_others_are_ignored() -> None:
    columns = [*reversed(COLUMNS), "more"]

    [found] = read(csv_text([cells() | {"more": "x"}], columns) + b"")

    assert isinstance(found, ArchivedRow)
    assert found.version == version()


def test_a_file_may_begin_with_a_byte_order_mark_and_have_other_line_ends() -> None:
    text = b"\xef\xbb\xbf" + csv_text([cells(), cells(user_id="u2")]).replace(b"\n", b"\r\n")

    assert all(isinstance(row, ArchivedRow) for row in read(text))


def test_a_repeated_header_is_not_a_row() -> None:
    """Hadoop joins part files, each with its header."""
    assert len(read(csv_text([cells()]) + csv_text([cells(user_id="u2")]))) == 2


def test_the_totals_of_an_older_job_are_kept() -> None:
    row = one(cells([], total_score="20", total_max_score="20.0", grand_total="20"))

    assert (row.total_score, row.total_max_score, row.grand_total, row.question) == (20.0, 20.0, "20", "[]")


def test_a_total_that_was_added_in_another_order_is_that_of_the_answers() -> None:
    answers = [ANSWER | {"id": f"q{n}", "score": score} for n, score in enumerate((0.1, 0.2, 0.3))]
    same = version(answers=[answer(f"q{n}", score) for n, score in enumerate((0.1, 0.2, 0.3))])
    other_order = 0.3 + 0.2 + 0.1
    assert other_order != same.total_score

    row = one(cells(answers, total_score=repr(other_order), total_max_score="6.0", grand_total="0.6/6.0"))

    assert row == same


def test_a_question_that_was_answered_twice_counts_once() -> None:
    later = ANSWER | {"assess_ts": ATTEMPTED + 1, "score": 2.0}

    row = one(cells([ANSWER, later], total_score="2.0", grand_total="2.0/2.0"))

    assert row == version(answers=[answer(score=2.0, assess_ts=ATTEMPTED + 1)])


def test_other_shapes_of_answers_are_stored_as_the_stream_stores_them() -> None:
    odd = {"id": 7, "score": "1", "max_score": 2, "resvalues": None, "params": [{"a": [1]}], "title": {"x": 1}}

    [stored] = json.loads(one(cells([odd], last_attempted_on="")).question)

    assert (stored["id"], stored["score"], stored["resvalues"], stored["params"]) == ("7", 1.0, [], [{"a": "[1]"}])
    assert (stored["title"], stored["assess_ts"]) == ('{"x":1}', None)


def test_a_missing_clock_of_the_attempt_is_no_clock() -> None:
    assert one(cells(last_attempted_on="")).version.last_attempted_on == 0


def test_without_updated_on_the_week_of_the_name_counts() -> None:
    assert one(cells(updated_on="null")).received_at == MONDAY


def test_without_that_too_the_newest_clock_counts() -> None:
    newer = ANSWER | {"assess_ts": RECEIVED}

    assert one(cells([newer], updated_on=""), week=None).received_at == RECEIVED
    assert one(cells(updated_on=""), week=None).received_at == ATTEMPTED


def test_the_week_comes_from_updated_on_and_not_from_the_name() -> None:
    """Sunbird called 30 December 2024 a day of "2024 week 1"."""
    row = one(cells(updated_on="2024-01-01T04:00:00.000+05:30"), week=IsoWeek(2024, 1))

    assert str(row.slice) == "b1|2023-W52"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"user_id": ""}, "`user_id` is missing"),
        ({"batch_id": "null"}, "`batch_id` is missing"),
        ({"course_id": "x" * 1025}, "`course_id` is longer than 1024 bytes"),
        ({"total_score": "many"}, "`total_score` is text that is not a number: 'many'"),
        ({"total_score": "1e999"}, "`total_score` is outside floating point"),
        ({"total_max_score": "9" * 65}, "`total_max_score` is text that is not a number"),
        ({"last_attempted_on": "soon"}, "`last_attempted_on`: 'soon' is neither epoch milliseconds nor ISO 8601"),
        ({"updated_on": "-5"}, "`updated_on`: -5 is a negative clock"),
        ({"updated_on": "1999-12-31"}, "`updated_on`: 946598400000 is outside the years 2000 to 2100"),
        ({"question": "{"}, "`question` is not a list of answers in JSON"),
        ({"question": '{"id": 1}'}, "`question` is not a list of answers in JSON"),
        ({"question": "[" * 300}, "`question` is nested too deeply"),
        ({"question": '[{"id": "a", "assess_ts": -1}]'}, "`assess_ts`: -1 is a negative clock"),
        ({"question": '[{"id": "a", "score": true}]'}, "`question` is not a list of answers in JSON"),
        ({"question": '[{"id": "a\\ud83d"}]'}, "the id of a question contains half of a surrogate pair"),
        ({"grand_total": "x" * 1025}, "`grand_total` is longer than 1024 bytes"),
        ({"updated_on": str(LATER)}, "its week 2024-W20 is not over yet"),
    ],
)
def test_a_bad_row_is_refused_with_a_reason(changed: dict[str, str], reason: str) -> None:
    assert refusal(cells(**changed)).startswith(reason)


def test_an_attempt_without_id_is_accepted() -> None:
    assert one(cells(attempt_id="")).key.attempt_id == ""


def test_a_row_without_any_time_is_refused() -> None:
    row = cells([], updated_on="", last_attempted_on="")

    assert refusal(row, week=None).startswith("it has no time")


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    [found] = read(csv_text([cells(user_id="@")]).replace(b"@", b"\xff"))

    assert isinstance(found, Refusal)
    assert found.reason == "it is not UTF-8"


def test_a_row_with_other_columns_is_refused() -> None:
    [found, good] = read(csv_text([]) + b"a,b\n" + csv_text([cells()]).partition(b"\n")[2])

    assert isinstance(found, Refusal)
    assert isinstance(good, ArchivedRow)
    assert (found.line, found.reason) == (2, "it has 2 columns instead of 12")


@pytest.mark.parametrize("left", [1, 20, 60, 100])
def test_a_file_that_ends_within_a_row_names_the_line(left: int) -> None:
    whole = csv_text([cells(), cells(user_id="u2")])

    *good, cut = read(whole[: whole.rindex(b"c1,") + left])

    assert len(good) == 1
    assert isinstance(cut, Refusal)
    assert cut.line == 3
    assert cut.reason.endswith("so it was cut: copy it again")


def test_a_last_row_without_line_end_is_read_if_it_is_whole() -> None:
    assert isinstance(read(csv_text([cells()])[:-1])[0], ArchivedRow)


def test_a_number_at_the_end_of_a_cut_file_is_not_trusted() -> None:
    columns = [*COLUMNS[:-2], "question", "updated_on"]

    [found] = read(csv_text([cells()], columns)[:-4])

    assert isinstance(found, Refusal)
    assert "may be incomplete" in found.reason


@pytest.mark.parametrize("text", [b"", b"\n\n"])
def test_an_empty_file_is_refused(text: bytes) -> None:
    [found] = read(text)

    assert isinstance(found, Refusal)
    assert (found.line, found.reason[:17]) == (None, "the file is empty")


@pytest.mark.parametrize("text", [b"a,b\n1,2\n", b"\x00\xff\n", b'"', b"," * 100])
def test_a_file_that_is_no_archive_is_refused_as_a_whole(text: bytes) -> None:
    [found] = read(text)

    assert isinstance(found, Refusal)
    assert found.line is None
    assert "lacks the columns course_id, batch_id" in found.reason


def test_a_header_that_names_a_column_twice_is_refused() -> None:
    [found] = read(csv_text([cells()], [*COLUMNS, "user_id"]))

    assert isinstance(found, Refusal)
    assert found.reason == "its first line has the columns user_id more than once"
