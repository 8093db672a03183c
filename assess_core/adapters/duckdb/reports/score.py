"""The score report: a row per attempt, or per version of an attempt."""

from typing import Final

from assess_core.adapters.duckdb.reports.columns import Column, Declaration, Type
from assess_core.adapters.duckdb.reports.naming import LEARNERS, TITLES

SCORE: Final = Declaration(
    columns=(
        *(Column(name, name) for name in ("batch_id", "course_id", "user_id", "content_id", "attempt_id")),
        Column("grand_total", "grand_total"),
        Column("total_score", "total_score", Type.VALUE),
        Column("total_max_score", "total_max_score", Type.VALUE),
        Column("last_attempted_on", "last_attempted_on", Type.MOMENT),
        Column("updated_on", "updated_on", Type.MOMENT),
        Column("answers", "coalesce(answers, len(question))", Type.VALUE),
        Column("versions", "versions", Type.VALUE),
    ),
    titles=TITLES,
    learners=LEARNERS,
    of_versions=(Column("counts", "counts", Type.VALUE),),
    originals=(
        Column("original_total_score", "stored_score", Type.VALUE),
        Column("original_total_max_score", "stored_max_score", Type.VALUE),
    ),
    rows="SELECT * FROM reported",
    order="user_id, course_id, batch_id, content_id, attempt_id, last_attempted_on, has_answers, content_hash",
)
