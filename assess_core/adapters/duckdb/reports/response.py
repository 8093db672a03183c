"""The response report: a row per answer. In CSV, `lines` writes the same bytes faster."""

from typing import Final

from assess_core.adapters.duckdb.reports.columns import Column, Declaration, Type
from assess_core.adapters.duckdb.reports.naming import named
from assess_core.domain.names import NameKind

# Sunbird's 18 columns in their declared order.
# Duration is rounded half away from zero, as Spark does; `+ 0.0` makes -0.0 a plain zero.
ATTEMPT_COLUMNS: Final = (
    Column("Collection Id", "course_id"),
    named("Collection Name", NameKind.COURSE),
    Column("Batch Id", "'BatchId_' || batch_id"),
    named("Batch Name", NameKind.BATCH),
    Column("User UUID", "user_id"),
    Column("QuestionSet Id", "content_id"),
    named("QuestionSet Title", NameKind.ASSESSMENT),
    Column("Attempt Id", "attempt_id"),
    Column("Attempted On", "last_attempted_on", Type.MOMENT),
)
"""The first columns of the report."""
LEARNER_COLUMNS: Final = (
    named("User Name", NameKind.LEARNER),
    named("Organisation", NameKind.LEARNER, "organisation"),
)
"""The columns with personal data that Sunbird's users know."""
ANSWER_COLUMNS: Final = (
    Column("Question Id", "answer.id"),
    Column("Question Type", "answer.type"),
    Column("Question Title", "answer.title"),
    Column("Question Description", "answer.description"),
    Column("Question Duration", "round(answer.duration) + 0.0", Type.VALUE),
    Column("Question Score", "answer.score", Type.VALUE),
    Column("Question Max Score", "answer.max_score", Type.VALUE),
    Column("Question Options", "answer.params::JSON::VARCHAR", Type.JSON),
    Column("Question Response", "answer.resvalues::JSON::VARCHAR", Type.JSON),
)
"""The other columns of the report. The cast to JSON is free for values of that type."""
_ORIGINAL: Final = "list_filter(stored_question, lambda q: q.id = answer.id)[1].{}"

ORDER_OF_ATTEMPTS: Final = (
    "user_id, course_id, batch_id, content_id, attempt_id, last_attempted_on, has_answers, content_hash"
)
"""The columns that order the attempts, or their versions."""

RESPONSE: Final = Declaration(
    columns=(*ATTEMPT_COLUMNS, *ANSWER_COLUMNS),
    learners=LEARNER_COLUMNS,
    of_versions=(Column("Counts", "counts", Type.VALUE),),
    originals=(
        Column("Original Question Score", _ORIGINAL.format("score"), Type.VALUE),
        Column("Original Question Max Score", _ORIGINAL.format("max_score"), Type.VALUE),
    ),
    rows="""
        SELECT *, answer.id AS question_id
        FROM (SELECT *, unnest(CASE WHEN has_answers THEN question ELSE [NULL] END) AS answer FROM reported)
    """,
    order=f"{ORDER_OF_ATTEMPTS}, question_id",
)
