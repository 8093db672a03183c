"""The summary report: a row per learner and assessment, with the scores of `domain.scores.summarise`."""

from typing import Final

from assess_core.adapters.duckdb.reports.columns import Column, Declaration, Type
from assess_core.adapters.duckdb.reports.naming import LEARNERS, TITLES

SUMMARY: Final = Declaration(
    columns=(
        *(Column(name, name) for name in ("batch_id", "course_id", "user_id", "content_id")),
        Column("best_score", "best.score", Type.VALUE),
        Column("best_max_score", "best.max_score", Type.VALUE),
        Column("last_score", "last_score", Type.VALUE),
        Column("lowest_score", "lowest_score", Type.VALUE),
        # a sum of finite scores can be infinite
        Column("average_score", "CASE WHEN isfinite(mean) THEN mean ELSE sum_of_parts END", Type.VALUE),
        Column("attempts", "attempts", Type.VALUE),
        Column("first_attempted_on", "first_attempted_on", Type.MOMENT),
        Column("last_attempted_on", "last_attempted_on", Type.MOMENT),
    ),
    titles=TITLES,
    learners=LEARNERS,
    # on a tie the smallest attempt id is the best; sums of floats need an order
    rows="""
        SELECT *, total / attempts AS mean,
            list_reduce(list_transform(scores, lambda score: score / len(scores)), lambda a, b: a + b) AS sum_of_parts
        FROM (
            SELECT *, list_reduce(scores, lambda a, b: a + b) AS total
            FROM (
                SELECT batch_id, course_id, user_id, content_id,
                    first({'score': total_score, 'max_score': total_max_score} ORDER BY total_score DESC, attempt_id)
                        AS best,
                    last(total_score ORDER BY last_attempted_on, has_answers, content_hash) AS last_score,
                    min(total_score) AS lowest_score,
                    list(total_score ORDER BY attempt_id) AS scores,
                    count(*) AS attempts,
                    min(last_attempted_on) AS first_attempted_on,
                    max(last_attempted_on) AS last_attempted_on
                FROM picked GROUP BY batch_id, course_id, user_id, content_id
            )
        )
    """,
    order="user_id, course_id, batch_id, content_id",
    unit="user_id, course_id, batch_id, content_id",
)
