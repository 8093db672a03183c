"""PySpark as a peer: the ancestor's archive of hot rows, and the response report of deploy/spark."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Work
from benchmarks.row import Missing
from deploy.spark.packages import is_set_up, session
from deploy.spark.response_report import write_report

_READ: Final = """(SELECT batch_id, year, week, shard, user_id, course_id, content_id, attempt_id, last_attempted_on,
    total_score, total_max_score, grand_total, updated_on, question FROM assessment_aggregator) AS hot_rows"""
_WARM: Final = 1_000


def required() -> None:
    """Raises `Missing` if PySpark and its jars are not set up."""
    if not is_set_up():
        raise Missing("Spark is not set up: run `make spark`")


@contextmanager
def archiving(hot: Path, target: Path) -> Iterator[Work]:
    """Write the rows of a SQLite hot store as the ancestor does: csv.gz, a file for each batch and week."""
    with session() as spark:
        spark.range(_WARM).selectExpr("sum(id)").collect()

        def archive() -> int:
            shutil.rmtree(target, ignore_errors=True)
            by_slice = ["batch_id", "year", "week"]
            rows = _hot_rows(spark, hot)
            rows.drop("shard").repartition(*by_slice).write.partitionBy(*by_slice).csv(
                str(target), header=True, compression="gzip", quote='"', escape="\\"
            )
            return sum(1 for _ in target.rglob("*.csv.gz"))

        yield archive


def _hot_rows(spark: Any, hot: Path) -> Any:
    """The attempt rows, read over JDBC by two tasks."""
    return (
        spark.read.format("jdbc")
        .option("url", f"jdbc:sqlite:{hot}")
        .option("driver", "org.sqlite.JDBC")
        .option("dbtable", _READ)
        .option("partitionColumn", "shard")
        .option("lowerBound", 0)
        .option("upperBound", 16)
        .option("numPartitions", 2)
        .option("fetchsize", 1_000)
        .load()
    )


@contextmanager
def reporting(attempts: Path, batch_id: str, target: Path) -> Iterator[Work]:
    """Write the response report of an archived batch from the lake's Delta table."""
    with session() as spark:
        spark.range(_WARM).selectExpr("sum(id)").collect()
        yield lambda: write_report(spark, str(attempts), batch_id, str(target))
