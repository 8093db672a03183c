"""The attempts, or versions, of a report: the table `picked`, and the view `reported` with all columns."""

from collections.abc import Mapping
from typing import Final

import duckdb

from assess_core.adapters.duckdb.reports.columns import ATTEMPT
from assess_core.domain.report_spec import ReportSpec, Versions

_FACTS: Final = (
    f"{ATTEMPT}, file_index, file_row_number, year, week, last_attempted_on, has_answers, content_hash, "
    "total_score, total_max_score"
)

_NEWEST: Final = f"SELECT {_FACTS}, versions, true AS counts FROM winners"
# of several copies of a version, the one with the earliest receipt
_ALL: Final = f"""
SELECT {_FACTS}, count(*) OVER (PARTITION BY {ATTEMPT}) AS versions,
    row_number() OVER (PARTITION BY {ATTEMPT} ORDER BY last_attempted_on DESC, has_answers DESC, content_hash DESC) = 1
        AS counts
FROM (
    SELECT {_FACTS} FROM placed
    QUALIFY row_number() OVER (
        PARTITION BY {ATTEMPT}, content_hash ORDER BY updated_on, file_index, file_row_number
    ) = 1
)
"""
# a version that is received again is not a change
_CHANGED: Final = f"""
SEMI JOIN (
    SELECT {{unit}} FROM placed GROUP BY {ATTEMPT}, content_hash
    HAVING min(updated_on) >= make_timestamptz($since::BIGINT * 1000)
) USING ({{unit}})
"""

REPORTED: Final = """
CREATE TEMP VIEW reported AS
SELECT placed.*, picked.versions, picked.counts
FROM placed JOIN picked USING (user_id, file_index, file_row_number)
"""


def picked_sql(spec: ReportSpec, unit: str) -> tuple[str, dict[str, object]]:
    """The selected versions with their places, and the parameters of this query.

    `unit` is that of the report's declaration. The query does not filter by batch, because the union has
    only the rows of the selected batches.
    """
    weeks = [week.year * 100 + week.week for week in spec.weeks]
    filters: list[tuple[str, str, object]] = [
        ("course_id = $course", "course", spec.course),
        ("user_id = $learner", "learner", spec.learner),
        ("list_contains($weeks, year * 100 + week)", "weeks", weeks or None),
        ("list_contains($assessments, content_id)", "assessments", list(spec.assessments) or None),
        ("last_attempted_on >= make_timestamptz($begin::BIGINT * 1000)", "begin", spec.attempted_from),
        ("last_attempted_on < make_timestamptz($end::BIGINT * 1000)", "end", spec.attempted_to),
    ]
    used = [(condition, name, value) for condition, name, value in filters if value is not None]
    parameters = {name: value for _, name, value in used}
    versions = _ALL if spec.versions is Versions.ALL else _NEWEST
    changed = ""
    if spec.since is not None:
        changed, parameters["since"] = _CHANGED.format(unit=unit), spec.since
    where = " AND ".join(condition for condition, _, _ in used) or "true"
    return f"SELECT * FROM ({versions}) {changed} WHERE {where}", parameters


def count_attempts(
    duck: duckdb.DuckDBPyConnection, spec: ReportSpec, picked: str, parameters: Mapping[str, object] | None = None
) -> int:
    """The attempts of the selected versions. `picked` is their table, or its query."""
    # of the newest versions each attempt has one
    of = f"(SELECT DISTINCT {ATTEMPT} FROM {picked})" if spec.versions is Versions.ALL else picked
    [(attempts,)] = duck.execute(f"SELECT count(*) FROM {of}", parameters).fetchall()
    return int(attempts)
