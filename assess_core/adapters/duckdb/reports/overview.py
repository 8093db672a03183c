"""The overview: the analyses, the best scores and the activity by week, from one read of the attempts.

They become one page, or the pictures beside another report.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
from msgspec import structs

from assess_core.adapters.duckdb.reports.analysis import LEAST
from assess_core.adapters.duckdb.reports.assessment_analysis import ASSESSMENT_ANALYSIS
from assess_core.adapters.duckdb.reports.columns import ATTEMPT, Declaration, report_sql
from assess_core.adapters.duckdb.reports.item_analysis import ITEM_ANALYSIS
from assess_core.adapters.duckdb.reports.naming import TITLES, load_names, names_of
from assess_core.adapters.duckdb.reports.option_analysis import OPTION_ANALYSIS
from assess_core.adapters.duckdb.reports.picked import REPORTED, picked_sql
from assess_core.adapters.duckdb.reports.summary import SUMMARY
from assess_core.adapters.html.overview import MADE_WITH, page
from assess_core.adapters.pictures.png import PNG_WITH, png
from assess_core.adapters.pictures.svg import SVG_WITH, svg
from assess_core.domain.charts import Part, merged
from assess_core.domain.names import NameKind, NamesRead
from assess_core.domain.overview import Assessment, Label, Overview, Question, Week
from assess_core.domain.pictures import pictures_of
from assess_core.domain.report_formats import ImageFormat
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.names import Names
from assess_core.ports.reports import DrawnPicture, Pictures, WrittenReport

MOST_ASSESSMENTS: Final = 100
"""Assessments that a page shows: a hundred with 20 questions each are half a megabyte."""
_WRITTEN_WITH: Final = {"duckdb": duckdb.__version__, **MADE_WITH}
_TENTHS: Final = 10

_NUMBERS: Final = "SELECT count(*), count(DISTINCT user_id) FROM picked"
_WEEKS: Final = """
SELECT printf('%04d-W%02d', year, week), count(*), count(DISTINCT user_id) FROM picked GROUP BY year, week ORDER BY 1
"""
# the tenths of marks: 100 % belongs to the last one, and a mark below 0 to the first
_TENTHS_SQL: Final = f"""
SELECT batch_id, course_id, content_id,
    greatest(0, least({_TENTHS - 1}, floor(best.score / best.max_score * {_TENTHS})))::INTEGER AS tenth, count(*)
FROM ({SUMMARY.rows}) WHERE best.max_score > 0 AND isfinite(best.score / best.max_score) GROUP BY ALL
"""

_Id = tuple[str, str, str]
"""Batch, course and assessment."""


_DRAWN: Final = {ImageFormat.SVG: (svg, SVG_WITH), ImageFormat.PNG: (png, PNG_WITH)}


def write_overview(
    duck: duckdb.DuckDBPyConnection, spec: ReportSpec, target: Path, names: Names | None
) -> WrittenReport:
    """Write the page. Its rows are its assessments."""
    found = _read(duck, spec, names)
    target.write_text(page(found.overview), encoding="utf-8")
    rows = len(found.overview.assessments) + found.overview.left_out
    return WrittenReport(rows, found.overview.attempts, None, _WRITTEN_WITH, found.suppressed, found.names)


def draw_pictures(duck: duckdb.DuckDBPyConnection, spec: ReportSpec, names: Names | None) -> Pictures:
    """Draw the pictures of the attempts that a spec selects, in its formats of pictures."""
    found = _read(duck, spec, names)
    drawn = []
    for kind, picture in pictures_of(found.overview).items():
        for format_ in spec.pictures:
            checkpoint()
            draw, written_with = _DRAWN[format_]
            drawn.append(
                DrawnPicture(f".{kind}.{format_}", draw(picture), {"duckdb": duckdb.__version__, **written_with})
            )
    return Pictures(drawn, found.names)


class _Found(NamedTuple):
    """What was read."""

    overview: Overview
    suppressed: int
    """The groups of learners whose figures are suppressed."""
    names: NamesRead | None


def _read(duck: duckdb.DuckDBPyConnection, spec: ReportSpec, source: Names | None) -> _Found:
    picked, parameters = picked_sql(spec, ATTEMPT)
    duck.execute(f"CREATE TEMP TABLE picked AS {picked}", parameters)
    duck.execute(REPORTED)
    names = load_names(duck, TITLES, "picked", source)
    # the option analysis prepares the tables of all analyses
    for statement in OPTION_ANALYSIS.prepare(structs.replace(spec, report=Report.OPTION_ANALYSIS, by_week=False)):
        checkpoint()
        duck.execute(statement)
    read = _Read(duck, names_of(duck))
    assessments, items = [*read.rows(ASSESSMENT_ANALYSIS)], [*read.rows(ITEM_ANALYSIS)]
    shown = read.assessments(assessments[:MOST_ASSESSMENTS], items)
    [(attempts, learners)] = duck.execute(_NUMBERS).fetchall()
    overview = Overview(
        title=_title(spec),
        name=read.label(NameKind.BATCH, spec.batches[0]).name if len(spec.batches) == 1 else "",
        attempts=attempts,
        learners=learners,
        counted=spec.counted,
        least=LEAST,
        weeks=[Week(*row) for row in duck.execute(_WEEKS).fetchall()],
        assessments=shown,
        left_out=len(assessments) - len(shown),
    )
    return _Found(overview, sum(row["suppressed"] for row in (*assessments, *items)), names)


class _Read(NamedTuple):
    """Reads the rows of analyses whose tables are prepared."""

    duck: duckdb.DuckDBPyConnection
    names: dict[tuple[NameKind, str], str]

    def label(self, kind: NameKind, id_: str) -> Label:
        return Label(id_, self.names.get((kind, id_), ""))

    def rows(self, declared: Declaration) -> Iterator[dict[str, Any]]:
        names = [column.name for column in declared.columns]
        self.duck.execute(report_sql(declared, declared.columns, names))
        while row := self.duck.fetchone():
            yield dict(zip(names, row, strict=True))

    def assessments(self, rows: list[dict[str, Any]], items: list[dict[str, Any]]) -> list[Assessment]:
        scores, questions = self._scores(), self._questions(items)
        return [
            Assessment(
                batch=self.label(NameKind.BATCH, row["batch_id"]),
                course=self.label(NameKind.COURSE, row["course_id"]),
                content=self.label(NameKind.ASSESSMENT, row["content_id"]),
                learners=row["learners"],
                mean=row["mean_score"],
                sd=row["sd"],
                alpha=row["alpha"],
                sem=row["sem"],
                scores=[] if row["suppressed"] else scores.get(_id(row), []),
                questions=[] if row["suppressed"] else questions.get(_id(row), []),
            )
            for row in rows
        ]

    def _scores(self) -> dict[_Id, list[Part]]:
        counts: dict[_Id, list[int]] = {}
        for *id_, tenth, learners in self.duck.execute(_TENTHS_SQL).fetchall():
            counts.setdefault((id_[0], id_[1], id_[2]), [0] * _TENTHS)[tenth] = learners
        return {id_: merged(tenths, LEAST) for id_, tenths in counts.items()}

    def _questions(self, items: list[dict[str, Any]]) -> dict[_Id, list[Question]]:
        likely: dict[tuple[_Id, str], list[str]] = {}
        for row in self.rows(OPTION_ANALYSIS):
            if row["likely_wrong_key"]:
                likely.setdefault((_id(row), row["question_id"]), []).append(row["text"] or row["option"])
        return {
            id_: [
                Question(
                    id=row["question_id"],
                    title=row["title"] or "",
                    learners=row["learners"],
                    difficulty=row["difficulty"],
                    discrimination=row["discrimination"],
                    likely_keys=tuple(likely.get((id_, row["question_id"]), ())),
                )
                for row in rows
            ]
            for id_, rows in groupby(items, _id)
        }


def _id(row: dict[str, Any]) -> _Id:
    return row["batch_id"], row["course_id"], row["content_id"]


def _title(spec: ReportSpec) -> str:
    if spec.batch_pattern is not None:
        return f"Batches {spec.batch_pattern}"
    return f"Batch {spec.batches[0]}" if len(spec.batches) == 1 else f"{len(spec.batches)} batches"
