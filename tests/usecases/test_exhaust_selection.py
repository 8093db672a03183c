"""Which attempts, versions, batches and columns a report has; and the summary and progress reports."""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from assess_core.adapters.duckdb.union import FEW_ROWS
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import TABLES, Report, ReportSpec, Versions
from assess_core.domain.scores import Entry, derive
from assess_core.domain.slices import IsoWeek
from assess_core.errors import BadReport, UnknownBatch
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import file_name, write_exhaust
from tests.factories import ATTEMPTED, RECEIVED, WEEK, answer, version
from tests.lakes import NASTY, asked, keep, move, put, reports, stores_over

Row = dict[str, Any]


def read(stores: Stores, spec: ReportSpec) -> list[Row]:
    written = write_exhaust(stores, structs.replace(spec, format=Format.PARQUET))
    rows: list[Row] = pq.read_table(written.path).to_pylist()
    assert written.rows == len(rows)
    return rows


VERSIONS = st.lists(
    st.builds(
        version,
        user_id=st.sampled_from(["u1", "u2", "é"]),
        course_id=st.sampled_from(["c1", "c2"]),
        batch_id=st.sampled_from(["b1", "b2", "a"]),
        content_id=st.sampled_from(["a1", "A1", "=a2"]),
        attempt_id=st.sampled_from(["", "t1", "t2"]),
        attempted=st.sampled_from([0, ATTEMPTED, ATTEMPTED + 1, ATTEMPTED + WEEK]),
        received=st.sampled_from([RECEIVED, RECEIVED + WEEK, RECEIVED + 2 * WEEK]),
        answers=st.lists(
            st.builds(
                answer,
                st.sampled_from(["q1", "q2"]),
                st.sampled_from([0.0, 0.1, 0.2, 1.0, -1.0, 1e308]),
                st.sampled_from([0.0, 0.3, 2.0]),
            ),
            max_size=2,
            unique_by=lambda one: one.id,
        ),
    ).filter(lambda row: abs(row.total_score) < float("inf")),
    max_size=25,
)


def first_receipts(rows: Iterable[AttemptVersion]) -> list[AttemptVersion]:
    """One row for each version, with its earliest receipt."""
    earliest: dict[tuple[object, bytes], AttemptVersion] = {}
    for row in sorted(rows, key=lambda row: -row.received_at):
        earliest[row.key, row.version.content_hash] = row
    return list(earliest.values())


def newest(rows: Iterable[AttemptVersion]) -> list[AttemptVersion]:
    return list({row.key: row for row in sorted(rows, key=lambda row: row.version)}.values())


SPECS = st.builds(
    ReportSpec,
    report=st.just(Report.SCORE),
    batches=st.sampled_from([("b1",), ("a", "b1", "b2")]),
    course=st.none() | st.just("c1"),
    weeks=st.sampled_from([(), (IsoWeek.of(RECEIVED),), (IsoWeek.of(RECEIVED), IsoWeek.of(RECEIVED + WEEK))]),
    attempted_from=st.none() | st.just(ATTEMPTED + 1),
    attempted_to=st.none() | st.just(ATTEMPTED + WEEK),
    assessments=st.sampled_from([(), ("A1", "=a2")]),
    learner=st.none() | st.just("é"),
    versions=st.sampled_from(Versions),
    since=st.none() | st.sampled_from([RECEIVED + 1, RECEIVED + WEEK, RECEIVED + 2 * WEEK]),
)


def selected(rows: list[AttemptVersion], spec: ReportSpec) -> list[tuple[AttemptVersion, bool, int]]:
    """The reported versions, whether each counts, and how many its attempt has."""
    of_batches = first_receipts(row for row in rows if row.key.batch_id in spec.batches)
    counting = newest(of_batches)
    changed = {row.key for row in of_batches if spec.since is None or row.received_at >= spec.since}

    def is_selected(row: AttemptVersion) -> bool:
        at = row.version.last_attempted_on
        return (
            row.key in changed
            and spec.course in (None, row.key.course_id)
            and spec.learner in (None, row.key.user_id)
            and (not spec.weeks or IsoWeek.of(row.received_at) in spec.weeks)
            and (not spec.assessments or row.key.content_id in spec.assessments)
            and (spec.attempted_from is None or at >= spec.attempted_from)
            and (spec.attempted_to is None or at < spec.attempted_to)
        )

    found = filter(is_selected, of_batches if spec.versions is Versions.ALL else counting)
    return [(row, row in counting, sum(other.key == row.key for other in of_batches)) for row in found]


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(VERSIONS, SPECS, st.sampled_from([0, FEW_ROWS]))
def test_a_report_has_exactly_the_versions_that_the_filters_select(
    rows: list[AttemptVersion], spec: ReportSpec, few: int
) -> None:
    with TemporaryDirectory() as folder, patch("assess_core.adapters.duckdb.union.FEW_ROWS", few):
        stores = stores_over(MemoryHot(), Path(folder))
        keep(stores.hot, [version(batch_id=batch, user_id="other", course_id="none") for batch in spec.batches])
        put(stores.lake, rows[::2])
        keep(stores.hot, rows[1::2])
        others = [version(batch_id=batch, user_id="other", course_id="none") for batch in spec.batches]

        found = read(stores, spec)

    expected = selected([*rows, *others], spec)
    keys = sorted(
        (row.key.user_id, row.key.course_id, row.key.batch_id, row.key.content_id, row.key.attempt_id,
         row.version, row.received_at, counts, versions)
        for row, counts, versions in expected
    )  # fmt: skip
    assert [
        (row["user_id"], row["course_id"], row["batch_id"], row["content_id"], row["attempt_id"]) for row in found
    ] == [key[:5] for key in keys]
    assert [row["versions"] for row in found] == [key[-1] for key in keys]
    if spec.versions is Versions.ALL:
        assert [row["counts"] for row in found] == [key[-2] for key in keys]


# --- summary and progress ---


def scores_of_maps(rows: Iterable[AttemptVersion], batches: Sequence[str]) -> list[Any]:
    """What the maps say, which housekeeping never changes."""
    entries = [Entry.of(row) for row in rows if row.key.batch_id in batches]
    summaries = derive(entries).summaries.values()
    return sorted(
        summaries, key=lambda one: (one.key.user_id, one.key.course_id, one.key.batch_id, one.key.assessment_id)
    )


@pytest.mark.long
@settings(max_examples=20, deadline=None)
@given(VERSIONS)
def test_the_summary_has_the_scores_of_the_maps(rows: list[AttemptVersion]) -> None:
    rows = first_receipts([*rows, version(batch_id="b1"), version(batch_id="a")])
    with TemporaryDirectory() as folder:
        stores = stores_over(MemoryHot(), Path(folder))
        keep(stores.hot, rows)
        move(stores.hot, stores.lake, rows[::2])
        found = read(stores, ReportSpec(report=Report.SUMMARY, batches=("a", "b1")))

    assert [
        (row["user_id"], row["content_id"], row["course_id"], row["batch_id"], row["last_score"],
         row["best_max_score"], row["best_score"], row["lowest_score"], row["average_score"], row["attempts"])
        for row in found
    ] == [
        (*one.key, one.last_attempted_score, one.total_max_score, one.best_score, one.min_score, one.average_score,
         one.attempts_count)
        for one in scores_of_maps(rows, ["a", "b1"])
    ]  # fmt: skip
    first: Callable[[Iterable[int]], int] = min
    for at, name in ((first, "first_attempted_on"), (max, "last_attempted_on")):
        for row in found:
            times = [
                one.version.last_attempted_on
                for one in newest(rows)
                if (one.key.user_id, one.key.course_id, one.key.batch_id, one.key.content_id)
                == (row["user_id"], row["course_id"], row["batch_id"], row["content_id"])
            ]
            assert (0 if row[name] is None else row[name].timestamp() * 1000) == at(times)


def share(score: float, maximum: float) -> str | None:
    if not maximum:
        return None
    value = score * 100 / maximum
    return f"{ceil(value)}%" if abs(value) < 1e15 else None


@pytest.mark.long
@settings(max_examples=20, deadline=None)
@given(VERSIONS)
def test_the_progress_report_has_a_column_for_the_best_score_of_each_assessment(rows: list[AttemptVersion]) -> None:
    rows = first_receipts([*(row for row in rows if abs(row.total_score) < 1e9), version(batch_id="b1")])
    with TemporaryDirectory() as folder:
        stores = stores_over(MemoryHot(), Path(folder))
        keep(stores.hot, rows)
        move(stores.hot, stores.lake, rows[::2])
        found = read(stores, asked("b1", Report.PROGRESS))

    summaries = scores_of_maps(rows, ["b1"])
    contents = sorted({one.key.assessment_id for one in summaries})
    names = {content: f"{content} - Score" for content in contents}
    if {"A1", "a1"} <= set(contents):
        names["a1"] = "a1 - Score (2)"  # DuckDB does not distinguish A1 - Score and a1 - Score
    learners = sorted({(one.key.user_id, one.key.course_id) for one in summaries})
    assert [(row["User UUID"], row["Collection Id"]) for row in found] == learners
    for row in found:
        assert list(row)[6:] == list(names.values())
        own = {one.key.assessment_id: one for one in summaries if (one.key.user_id, one.key.course_id)
               == (row["User UUID"], row["Collection Id"])}  # fmt: skip
        for content, name in names.items():
            best = own.get(content)
            assert row[name] == (None if best is None else share(best.best_score, best.total_max_score))


def test_a_changed_learner_keeps_all_attempts_in_the_summary(stores: Stores) -> None:
    keep(stores.hot, [version(attempt_id="t1"), version(attempt_id="t2", received=RECEIVED + WEEK)])
    keep(stores.hot, [version(user_id="u2")])

    [row] = read(stores, asked("b1", Report.SUMMARY, since=RECEIVED + 1))

    assert (row["user_id"], row["attempts"]) == ("u1", 2)


# --- batches, columns, names of files ---


@pytest.mark.parametrize("versions", Versions)
@pytest.mark.parametrize("format", [Format.CSV, Format.PARQUET])
@pytest.mark.parametrize("report", [Report.RESPONSE, Report.SCORE])
def test_a_report_says_how_many_attempts_it_has_whichever_versions_are_asked_for(
    stores: Stores, report: Report, format: Format, versions: Versions
) -> None:
    first, second = version(answers=[answer("q1")]), version(attempted=ATTEMPTED + 1, answers=[answer("q1")])
    keep(stores.hot, [first, second, version(user_id="u2", answers=[answer("q1")])])

    written = write_exhaust(stores, asked("b1", report, format, versions=versions))

    assert (written.rows, written.attempts) == (3 if versions is Versions.ALL else 2, 2)


@pytest.mark.parametrize("tier", [keep, put])
def test_a_version_that_is_received_again_belongs_to_its_first_receipt(
    stores: Stores, tier: Callable[[Any, list[AttemptVersion]], None]
) -> None:
    store: Any = stores.hot if tier is keep else stores.lake
    tier(store, [version(user_id="u1", received=RECEIVED), version(user_id="u1", received=RECEIVED + WEEK)])

    def learners(versions: Versions, **filters: Any) -> list[str]:
        rows = read(stores, asked("b1", Report.SCORE, versions=versions, **filters))
        return [row["user_id"] for row in rows]

    for versions in Versions:
        assert learners(versions, weeks=(IsoWeek.of(RECEIVED),)) == ["u1"]
        assert learners(versions, weeks=(IsoWeek.of(RECEIVED + WEEK),)) == []
        assert learners(versions, since=RECEIVED) == ["u1"]
        assert learners(versions, since=RECEIVED + 1) == []


def test_a_pattern_selects_batches_and_the_report_fails_if_there_is_none(stores: Stores) -> None:
    ids = ["2024-1", "2024-2", "2023-1"]
    keep(stores.hot, [version(batch_id=id_) for id_ in ids])
    spec = ReportSpec(report=Report.SCORE, batch_pattern="2024-*")

    assert [row["batch_id"] for row in read(stores, spec)] == [id_ for id_ in ids if fnmatchcase(id_, "2024-*")]
    with pytest.raises(UnknownBatch, match="no batch matches 'x\\*'"):
        write_exhaust(stores, structs.replace(spec, batch_pattern="x*"))


def test_an_unknown_batch_among_several_fails_with_its_name(stores: Stores) -> None:
    keep(stores.hot, [version(batch_id="b1")])

    with pytest.raises(UnknownBatch, match="'b0', 'b2'"):
        write_exhaust(stores, ReportSpec(report=Report.SCORE, batches=("b0", "b1", "b2")))
    assert not reports(stores).exists()


@pytest.mark.parametrize("report", TABLES)
def test_columns_are_written_in_the_requested_order_and_an_unknown_one_is_refused(
    report: Report, stores: Stores
) -> None:
    keep(stores.hot, [version()])
    every = list(read(stores, asked("b1", report))[0])
    last, first = every[-1], every[0]

    assert list(read(stores, asked("b1", report, columns=(last, first)))[0]) == [last, first]
    with pytest.raises(BadReport, match="no column 'nonsense'; it has .*" + first):
        write_exhaust(stores, asked("b1", report, columns=(first, "nonsense")))


@pytest.mark.parametrize("report", TABLES)
def test_every_report_takes_ids_that_are_hard_to_write(report: Report, stores: Stores) -> None:
    for text in NASTY:
        keep(stores.hot, [version(user_id=text, content_id=text, course_id=text, attempt_id=text)])
        keep(stores.hot, [version(user_id=text, content_id="none", answers=[])])

    for spreadsheet in (False, True):
        assert write_exhaust(stores, asked("b1", report, spreadsheet=spreadsheet)).rows
    assert read(stores, asked("b1", report))


def test_reports_with_different_filters_have_different_files() -> None:
    plain = asked("b1", Report.SCORE)
    others = [
        structs.replace(plain, **{name: value})
        for name, value in {
            "batches": ("b1", "b2"),
            "course": "c1",
            "weeks": (IsoWeek(2024, 5),),
            "attempted_to": 1,
            "assessments": ("a1",),
            "learner": "u1",
            "versions": Versions.ALL,
            "columns": ("user_id",),
            "since": 1,
        }.items()
    ]

    assert len({file_name(spec) for spec in (plain, *others)}) == len(others) + 1
