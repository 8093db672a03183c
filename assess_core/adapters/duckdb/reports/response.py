"""The response report: a row per answer. In CSV, `lines` writes the same bytes faster."""

from typing import Final

from assess_core.adapters.duckdb.reports.columns import Column, Declaration, Type

# Sunbird's 18 columns in their declared order. Names of course, batch and question set are unknown, so they are empty.
# Duration is rounded half away from zero, as Spark does; `+ 0.0` makes -0.0 a plain zero.
ATTEMPT_COLUMNS: Final = (
    Column("Collection Id", "course_id"),
    Column("Collection Name", "NULL::VARCHAR"),
    Column("Batch Id", "'BatchId_' || batch_id"),
    Column("Batch Name", "NULL::VARCHAR"),
    Column("User UUID", "user_id"),
    Column("QuestionSet Id", "content_id"),
    Column("QuestionSet Title", "NULL::VARCHAR"),
    Column("Attempt Id", "attempt_id"),
    Column("Attempted On", "last_attempted_on", Type.MOMENT),
)
"""The first columns of the report."""
ANSWER_COLUMNS: Final = (
    Column("Question Id", "answer.id"),
    Column("Question Type", "answer.type"),
    Column("Question Title", "answer.title"),
    Column("Question Description", "answer.description"),
    Column("Question Duration", "round(answer.duration) + 0.0", Type.VALUE),
    Column("Question Score", "answer.score", Type.VALUE),
    Column("Question Max Score", "answer.max_score", Type.VALUE),
    Column("Question Options", "answer.params::JSON::VARCHAR"),
    Column("Question Response", "answer.resvalues::JSON::VARCHAR"),
)
"""The other columns of the report. The cast to JSON is free for values of that type."""

RESPONSE: Final = Declaration(
    columns=(*ATTEMPT_COLUMNS, *ANSWER_COLUMNS),
    of_versions=(Column("Counts", "counts", Type.VALUE),),
    rows="""
        SELECT *, answer.id AS question_id
        FROM (SELECT *, unnest(CASE WHEN has_answers THEN question ELSE [NULL] END) AS answer FROM reported)
    """,
    order="user_id, course_id, batch_id, content_id, attempt_id, last_attempted_on, has_answers, content_hash, "
    "question_id",
)
