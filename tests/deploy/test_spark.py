"""The Spark job over the lake gives the rows of our response report. Without `make spark` this is skipped."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.exhaust import write_exhaust
from benchmarks.data import BATCH, NOW, events, fill_rows, stores
from deploy.spark.packages import is_set_up, session
from deploy.spark.response_report import write_report

# a short run: these save half the processor time of Java
FOR_A_SHORT_RUN = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
NUMBERS = ("Question Duration", "Question Score", "Question Max Score")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if not is_set_up():
        pytest.skip("Spark is not set up: run `make spark` (it fetches 330 MB)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", FOR_A_SHORT_RUN, prepend=" ")
        with session() as found:
            yield found


def cells(file: Path) -> Iterator[dict[str, str | float | None]]:
    """The rows of a report; numbers as numbers, because Spark and DuckDB may write a number in different ways."""
    with file.open(encoding="utf-8", newline="") as opened:
        for row in csv.DictReader(opened):
            yield {name: float(text) if name in NUMBERS and text else text for name, text in row.items()}


@pytest.mark.long
@pytest.mark.timeout(900)  # a start of Spark takes a minute on a busy machine
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # PySpark's sockets
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_spark_job_reports_the_same_cells_as_the_product(spark: Any, tmp_path: Path) -> None:
    fill_rows(tmp_path, events(300, courses=1, batches=1))
    ours = stores(tmp_path)
    slices = ours.hot.slices()
    for step in (archive, verify, clear):
        step(slices, ours, NOW)
    write_exhaust(ours, ReportSpec(report=Report.RESPONSE, batches=(BATCH,)))

    write_report(spark, str(tmp_path / "lake" / "attempts"), BATCH, str(tmp_path / "spark"))

    [report] = (tmp_path / "exhausts" / "response-exhaust").glob("*.csv")
    parts = sorted((tmp_path / "spark").glob("part-*.csv"))
    expected, found = list(cells(report)), [row for part in parts for row in cells(part)]
    assert len(found) == 3_000
    assert found == expected
