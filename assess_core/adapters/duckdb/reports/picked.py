"""The attempts, or versions, of a report: the table `picked`, and the view `reported` with all columns."""

from typing import Final

from assess_core.domain.report_spec import ReportSpec, Versions

_KEY: Final = "user_id, course_id, batch_id, content_id, attempt_id"
_FACTS: Final = (
    f"{_KEY}, file_index, file_row_number, year, week, last_attempted_on, has_answers, total_score, total_max_score"
)

_NEWEST: Final = f"SELECT {_FACTS}, versions, true AS counts FROM winners"
# of several copies of a version, the one with the earliest receipt
_ALL: Final = f"""
SELECT {_FACTS}, count(*) OVER (PARTITION BY {_KEY}) AS versions,
    row_number() OVER (PARTITION BY {_KEY} ORDER BY last_attempted_on DESC, has_answers DESC, content_hash DESC) = 1
        AS counts
FROM (
    SELECT {_FACTS}, content_hash FROM placed
    QUALIFY row_number() OVER (
        PARTITION BY {_KEY}, content_hash ORDER BY updated_on, file_index, file_row_number
    ) = 1
)
"""
# a version that is received again is not a change
_CHANGED: Final = f"""
SEMI JOIN (
    SELECT {_KEY} FROM placed GROUP BY {_KEY}, content_hash
    HAVING min(updated_on) >= make_timestamptz($since::BIGINT * 1000)
) USING ({_KEY})
"""

REPORTED: Final = """
CREATE TEMP VIEW reported AS
SELECT placed.*, picked.versions, picked.counts
FROM placed JOIN picked USING (user_id, file_index, file_row_number)
"""


def picked_sql(spec: ReportSpec) -> tuple[str, dict[str, object]]:
    """The selected versions with their places, and the parameters of this query.

    It does not filter by batch: the union has only the rows of the selected batches.
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
        changed, parameters["since"] = _CHANGED, spec.since
    where = " AND ".join(condition for condition, _, _ in used) or "true"
    return f"SELECT * FROM ({versions}) {changed} WHERE {where}", parameters
