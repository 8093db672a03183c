"""Reports of a batch: their contents, and that the same input always gives the same bytes."""

import csv
import json
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import WriterProperties

from assess_core.adapters.duckdb.union import DuckUnion
from assess_core.adapters.duckdb.unions import DuckUnions
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import Answer, AttemptVersion, make_version
from assess_core.domain.report_formats import ROW_FORMATS, Format
from assess_core.domain.report_spec import TABLES, Report
from assess_core.domain.slices import IsoWeek
from assess_core.errors import UnknownBatch
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import Exhaust, write_exhaust
from tests.factories import ATTEMPTED, WEEK, answer, key, version
from tests.lakes import NASTY, asked, keep, move, put, reports, stores_over

COLUMNS = (
    "Collection Id,Collection Name,Batch Id,Batch Name,User UUID,QuestionSet Id,QuestionSet Title,Attempt Id,"
    "Attempted On,Question Id,Question Type,Question Title,Question Description,Question Duration,Question Score,"
    "Question Max Score,Question Options,Question Response"
)
SCORE_COLUMNS = (
    "batch_id,course_id,user_id,content_id,attempt_id,grand_total,total_score,total_max_score,last_attempted_on,"
    "updated_on,answers,versions"
)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """An empty hot store in memory, an empty lake."""
    return stores_over(MemoryHot(), tmp_path)


def rows(written: Exhaust) -> list[dict[str, str]]:
    with Path(written.path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def response(stores: Stores, batch_id: str = "b1", course_id: str | None = None) -> list[dict[str, str]]:
    return rows(write_exhaust(stores, asked(batch_id, Report.RESPONSE, course=course_id)))


# --- what is in a report ---


def test_the_response_report_has_a_row_per_answer_in_the_declared_columns(stores: Stores) -> None:
    keep(stores.hot, [version(answers=[answer("q2", score=0.5), answer("q1")])])

    written = write_exhaust(stores, asked("b1", Report.RESPONSE))

    options, given_ = (
        r'"[{""1"":""{\""text\"":\""Dispur\""}""},{""answer"":""{\""correct\"":[\""1\""]}""}]"',
        (r'"[{""1"":""{\""text\"":\""Dispur\""}""}]"'),
    )
    attempt = "c1,,BatchId_b1,,u1,a1,,t1,2024-01-30T00:00:00.000Z"
    title = "mcq,What is the capital of Assam?,,3.0"
    assert Path(written.path).read_text(encoding="utf-8").split("\n") == [
        COLUMNS,
        f"{attempt},q1,{title},1.0,2.0,{options},{given_}",
        f"{attempt},q2,{title},0.5,2.0,{options},{given_}",
        "",
    ]
    assert (written.rows, written.attempts, written.bytes) == (2, 1, Path(written.path).stat().st_size)


def test_an_attempt_without_answers_has_one_row_with_empty_question_columns(stores: Stores) -> None:
    keep(stores.hot, [version(answers=[])])

    (row,) = response(stores)

    assert row["Attempt Id"] == "t1"
    assert {value for name, value in row.items() if name.startswith("Question ")} == {""}


def test_only_the_newest_version_of_an_attempt_is_reported(stores: Stores) -> None:
    put(stores.lake, [version(answers=[answer("old")])])
    keep(stores.hot, [version(answers=[answer("new")], attempted=ATTEMPTED + 1)])

    assert [row["Question Id"] for row in response(stores)] == ["new"]


def test_the_score_report_has_a_row_per_attempt(stores: Stores) -> None:
    keep(stores.hot, [version(answers=[answer("q1", 0.25), answer("q2", 1.08)]), version(attempted=ATTEMPTED - 5)])
    put(stores.lake, [version(attempt_id="t0", answers=[])])

    written = write_exhaust(stores, asked("b1", Report.SCORE))

    assert Path(written.path).read_text(encoding="utf-8").split("\n") == [
        SCORE_COLUMNS,
        "b1,c1,u1,a1,t0,0.0/0.0,0.0,0.0,2024-01-30T00:00:00.000Z,2024-01-30T00:01:00.000Z,0,1",
        "b1,c1,u1,a1,t1,1.33/4.0,1.33,4.0,2024-01-30T00:00:00.000Z,2024-01-30T00:01:00.000Z,2,2",
        "",
    ]


def test_rows_are_sorted_by_learner_course_question_set_attempt_and_question(stores: Stores) -> None:
    names = [(u, c, a, t) for u in ("u1", "u2") for c in ("c1", "c2") for a in ("a1", "a2") for t in ("", "T", "é")]
    versions = [
        version(user_id=u, course_id=c, content_id=a, attempt_id=t, answers=[answer("q2"), answer("Q"), answer("q10")])
        for u, c, a, t in random.Random(1).sample(names, len(names))
    ]
    keep(stores.hot, versions[::2])
    put(stores.lake, versions[1::2])

    found = [
        tuple(row[name] for name in ("User UUID", "Collection Id", "QuestionSet Id", "Attempt Id", "Question Id"))
        for row in response(stores)
    ]

    assert found == sorted((*name, question) for name in names for question in ("Q", "q10", "q2"))


def test_durations_are_rounded_half_away_from_zero_and_scores_are_not(stores: Stores) -> None:
    durations = {"a": 2.5, "b": 0.49999999999999994, "c": -0.3, "d": -2.5, "e": 1e16}
    answers = [Answer(id_, 1, 0.1 + 0.2, 1e-7, None, None, [], [], None, value) for id_, value in durations.items()]
    keep(stores.hot, [make_version(key(), ATTEMPTED, answers, ATTEMPTED)])

    found = response(stores)

    assert [row["Question Duration"] for row in found] == ["3.0", "0.0", "0.0", "-3.0", "1e+16"]
    assert {(row["Question Score"], row["Question Max Score"]) for row in found} == {("1e-07", "0.30000000000000004")}


def test_an_attempt_without_a_time_has_an_empty_time_column(stores: Stores) -> None:
    keep(stores.hot, [version(attempted=0, received=ATTEMPTED)])

    (row,) = response(stores)
    (score,) = rows(write_exhaust(stores, asked("b1", Report.SCORE)))

    assert (row["Attempted On"], score["last_attempted_on"]) == ("", "")
    assert score["updated_on"] == "2024-01-30T00:00:00.000Z"


def test_null_is_an_empty_cell_and_an_empty_text_is_quoted(stores: Stores) -> None:
    empty = Answer("q1", 1, 1.0, 1.0, None, "", [], [], "", 0.0)
    keep(stores.hot, [make_version(key(attempt_id=""), ATTEMPTED, [empty], ATTEMPTED)])

    (_, line, _) = (
        Path(write_exhaust(stores, asked("b1", Report.RESPONSE)).path).read_text(encoding="utf-8").split("\n")
    )

    assert line == 'c1,,BatchId_b1,,u1,a1,,"",2024-01-30T00:00:00.000Z,q1,,"","",0.0,1.0,1.0,[],[]'


@pytest.mark.parametrize("tier", ["hot", "lake"])
def test_cells_hold_exactly_the_text_that_learners_sent(tier: str, stores: Stores) -> None:
    """This includes formulas."""
    texts = [*NASTY, "=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "null", "#", ";", "x" * 1024]
    sent = {text: Answer(text, 1, 1.0, 1.0, text, text, [{text: text}], [{"1": text}], text, 0.0) for text in texts}
    versions = [make_version(key(text, text, "b1", text, text), ATTEMPTED, [sent[text]], ATTEMPTED) for text in texts]
    if tier == "hot":
        keep(stores.hot, versions)
    else:
        put(stores.lake, versions)

    found = {row["Question Title"]: row for row in response(stores)}

    assert found.keys() == set(texts)
    in_text = ("User UUID", "Collection Id", "QuestionSet Id", "Attempt Id")
    of_answer = ("Question Id", "Question Type", "Question Description")
    for text, row in found.items():
        assert {row[name] for name in (*in_text, *of_answer)} == {text}
        assert json.loads(row["Question Response"]) == [{text: text}]
        assert json.loads(row["Question Options"]) == [{"1": text}]


def test_a_parquet_report_records_the_duckdb_version_that_wrote_it(stores: Stores) -> None:
    keep(stores.hot, [version()])

    for report in TABLES:
        written = write_exhaust(stores, asked("b1", report, Format.PARQUET))
        metadata = pq.read_metadata(written.path).metadata
        assert metadata[b"duckdb"] == duckdb.__version__.encode()


def test_parquet_keeps_types_and_names(stores: Stores) -> None:
    keep(stores.hot, [version(), version(attempt_id="t2", attempted=0, answers=[], received=ATTEMPTED)])

    table = pq.read_table(write_exhaust(stores, asked("b1", Report.RESPONSE, Format.PARQUET)).path)
    scores = pq.read_table(write_exhaust(stores, asked("b1", Report.SCORE, Format.PARQUET)).path)

    assert ",".join(table.column_names) == COLUMNS
    assert ",".join(scores.column_names) == SCORE_COLUMNS
    assert table.schema.field("Attempted On").type == pa.timestamp("us", "UTC")
    assert {str(table.schema.field(f"Question {name}").type) for name in ("Duration", "Score", "Max Score")} == {
        "double"
    }
    assert table["Attempted On"].to_pylist()[1] is None
    assert table["Question Score"].to_pylist() == [1.0, None]
    assert scores["total_score"].to_pylist() == [1.0, 0.0]


# --- which attempts ---


def test_the_report_of_one_course_has_its_own_file(stores: Stores) -> None:
    keep(stores.hot, [version(course_id="c1"), version(course_id="c2'")])

    assert [row["Collection Id"] for row in response(stores, course_id="c2'")] == ["c2'"]
    assert Path(write_exhaust(stores, asked("b1", Report.SCORE, course="c2'")).path).name == "b1@c2%27.csv"


@pytest.mark.parametrize(("batch_id", "name"), [(".b", "%2Eb.csv"), ("..", "%2E..csv"), ("a.b", "a.b.csv")])
def test_a_file_name_has_no_leading_dot(batch_id: str, name: str, stores: Stores) -> None:
    keep(stores.hot, [version(batch_id=batch_id)])

    assert Path(write_exhaust(stores, asked(batch_id, Report.SCORE)).path).name == name


@pytest.mark.parametrize("tier", ["hot", "lake", "cleared"])
def test_a_report_without_attempts_has_only_a_header(tier: str, stores: Stores) -> None:
    if tier != "lake":
        keep(stores.hot, [version()])
    if tier == "lake":
        put(stores.lake, [version()])
    if tier == "cleared":
        stores.hot.delete([version().row_key])

    written = write_exhaust(stores, asked("b1", Report.RESPONSE, course="another"))

    assert Path(written.path).read_text(encoding="utf-8") == COLUMNS + "\n"
    assert (written.rows, written.attempts) == (0, 0)


@pytest.mark.parametrize("batch_id", ["b", "b11", *NASTY])
def test_the_refusal_of_an_unknown_batch_gives_its_name_and_writes_no_file(batch_id: str, stores: Stores) -> None:
    keep(stores.hot, [version()])
    put(stores.lake, [version()])

    with pytest.raises(UnknownBatch) as refused:
        write_exhaust(stores, asked(batch_id, Report.RESPONSE))

    assert repr(batch_id) in str(refused.value)
    assert not reports(stores).exists()


# --- same input, same bytes ---

MANY = [
    version(
        user_id=f"u{number % 7}",
        course_id=f"c{number % 2}",
        attempt_id=f"t{number % 40}",
        attempted=ATTEMPTED + number // 40 * 1000,
        received=ATTEMPTED + number % 3 * WEEK + 60_000,
        answers=[answer(f"q{question}", score=question / 3 + number) for question in range(number % 4)],
    )
    for number in range(120)
]


def all_reports(stores: Stores) -> list[bytes]:
    """Every report in its default format, and one report in every format: a format does not depend on the report."""
    wanted = [*product(Report, [None]), *product([Report.RESPONSE], ROW_FORMATS)]
    return [Path(write_exhaust(stores, asked("b1", report, format_)).path).read_bytes() for report, format_ in wanted]


def half_archived(stores: Stores, versions: Sequence[AttemptVersion]) -> None:
    keep(stores.hot, versions)
    put(stores.lake, versions[::2])


def archived(stores: Stores, versions: Sequence[AttemptVersion]) -> None:
    keep(stores.hot, versions)
    put(stores.lake, versions)


def half_cleared(stores: Stores, versions: Sequence[AttemptVersion]) -> None:
    keep(stores.hot, versions)
    move(stores.hot, stores.lake, versions[::2])


def cleared(stores: Stores, versions: Sequence[AttemptVersion]) -> None:
    keep(stores.hot, versions)
    move(stores.hot, stores.lake, versions)


def received_again(stores: Stores, versions: Sequence[AttemptVersion]) -> None:
    """Archived and cleared, then received again a week later, so each version has a second copy."""
    cleared(stores, versions)
    keep(stores.hot, [make_later(row) for row in versions])


def make_later(row: AttemptVersion) -> AttemptVersion:
    return AttemptVersion(
        row.key, row.version, row.total_score, row.total_max_score, row.grand_total, row.question,
        row.received_at + WEEK,
    )  # fmt: skip


class Plain(NamedTuple):
    """Stores of which nothing was archived, and all their reports."""

    stores: Stores
    reports: list[bytes]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Plain:
    """The reports take seconds, so they are written once."""
    stores = stores_over(MemoryHot(), tmp_path_factory.mktemp("plain"))
    keep(stores.hot, MANY)
    return Plain(stores, all_reports(stores))


one_worker_writes_the_plain_reports = pytest.mark.xdist_group("reports of both tiers")


@pytest.mark.long
@one_worker_writes_the_plain_reports
@pytest.mark.parametrize("place", [half_archived, archived, half_cleared, cleared, received_again])
def test_a_report_has_the_same_bytes_in_whichever_tier_its_rows_are(
    place: Callable[[Stores, Sequence[AttemptVersion]], None], stores: Stores, plain: Plain
) -> None:
    place(stores, random.Random(3).sample(MANY, len(MANY)))

    assert all_reports(stores) == plain.reports


@pytest.mark.long
def test_a_report_has_the_same_bytes_with_any_number_of_threads(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    # half of 5,000 attempts are more than a DuckDB vector (2,048) and, in this lake, several row groups of a file
    small_groups = WriterProperties(compression="ZSTD", max_row_group_size=1024)
    monkeypatch.setattr("assess_core.adapters.lake.delta.WRITER", small_groups)
    half_cleared(stores, [version(user_id=f"u{number}", attempt_id=f"t{number % 3}") for number in range(5_000)])

    class Threaded(DuckUnions):
        def __init__(self, threads: int) -> None:
            super().__init__(stores.hot, stores.lake)
            self._threads = threads

        @contextmanager
        def __call__(
            self,
            *,
            batches: Collection[str] | None = None,
            weeks: Collection[IsoWeek] | None = None,
            skip_unreadable: bool = False,
            scores: bool = False,
            answers: bool = True,
        ) -> Iterator[DuckUnion]:
            with super().__call__(
                batches=batches, weeks=weeks, skip_unreadable=skip_unreadable, scores=scores, answers=answers
            ) as union:
                list(union.rows(f"SET threads = {self._threads}"))
                yield union

    def with_threads(threads: int) -> Stores:
        return stores._replace(union=Threaded(threads))

    assert all_reports(with_threads(1)) == all_reports(with_threads(8))


@pytest.mark.long
@one_worker_writes_the_plain_reports
def test_a_second_run_replaces_the_file_with_the_same_bytes(plain: Plain) -> None:
    assert all_reports(plain.stores) == plain.reports
    names = {f"b1.{format_}" for format_ in Format}
    found = {path.name for path in reports(plain.stores).rglob("*.*")}
    assert found == names | {f"{name}.json" for name in names}
