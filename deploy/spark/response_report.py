"""The response report of an archived batch, as a Spark job over the lake's Delta table.

    spark-submit response_report.py ATTEMPTS BATCH TARGET

ATTEMPTS is the path of the table `attempts`, TARGET a folder, which is replaced. The job needs only PySpark and the
jars of Delta Lake. It reads the lake and not the hot store, so every slice of the batch must be archived. The newest
version of each attempt counts, as in `assess exhaust`. The parts of the CSV are in the order of the report, each with
a header.
"""

import sys
from typing import Any

# `pyspark` has no types that mypy --strict accepts, so its values are `Any`

_NEWEST = """
SELECT *, row_number() OVER (
    PARTITION BY user_id, course_id, batch_id, content_id, attempt_id
    ORDER BY last_attempted_on DESC, has_answers DESC, content_hash DESC, updated_on
) AS place
FROM delta.`{attempts}` WHERE batch_id = {batch}
"""
_REPORT = """
SELECT
    course_id AS `Collection Id`, CAST(NULL AS STRING) AS `Collection Name`,
    concat('BatchId_', batch_id) AS `Batch Id`, CAST(NULL AS STRING) AS `Batch Name`,
    user_id AS `User UUID`, content_id AS `QuestionSet Id`, CAST(NULL AS STRING) AS `QuestionSet Title`,
    attempt_id AS `Attempt Id`,
    date_format(nullif(last_attempted_on, timestamp_millis(0)), "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'") AS `Attempted On`,
    answer.id AS `Question Id`, answer.type AS `Question Type`, answer.title AS `Question Title`,
    answer.description AS `Question Description`, round(answer.duration) + 0.0D AS `Question Duration`,
    answer.score AS `Question Score`, answer.max_score AS `Question Max Score`,
    to_json(answer.params) AS `Question Options`, to_json(answer.resvalues) AS `Question Response`
FROM (
    SELECT *, explode_outer(CASE WHEN has_answers THEN question END) AS answer FROM ({newest}) WHERE place = 1
)
ORDER BY user_id, course_id, content_id, attempt_id, answer.id
"""


def write_report(spark: Any, attempts: str, batch_id: str, target: str) -> None:
    """Write the report. The time zone of the session must be UTC."""
    newest = _NEWEST.format(attempts=attempts.replace("`", "``"), batch=_literal(batch_id))
    report = spark.sql(_REPORT.format(newest=newest))
    # by default Spark removes white space at both ends of a cell
    whole = {"ignoreLeadingWhiteSpace": False, "ignoreTrailingWhiteSpace": False}
    options = {"header": True, "quote": '"', "escape": '"', "emptyValue": '""', "nullValue": ""}
    report.write.mode("overwrite").csv(target, **options, **whole)


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def main(attempts: str, batch_id: str, target: str) -> None:
    """Run the job in the session that spark-submit configures."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    write_report(spark, attempts, batch_id, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
