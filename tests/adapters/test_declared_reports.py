"""The reports that are declared, and the example of CONTRIBUTING.md."""

import csv
import re
from pathlib import Path

import pytest

from assess_core.adapters.duckdb.reports.declared import DECLARED
from assess_core.adapters.duckdb.union import open_union
from assess_core.domain.report_spec import TABLES, Report
from assess_core.ports.reports import Packing
from assess_core.ports.stores import Stores
from tests.factories import version
from tests.lakes import asked, keep, put

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


def test_every_report_with_rows_is_declared() -> None:
    assert DECLARED.keys() == set(TABLES)


def test_the_example_of_a_new_report_works(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(stores.hot, [version(), version(user_id="u2", attempt_id="t1")])
    put(stores.lake, [version(user_id="u2", attempt_id="t2")])
    [example] = re.findall(r"```python\n(.*?)```", CONTRIBUTING.read_text(encoding="utf-8"), re.DOTALL)
    module: dict[str, object] = {}
    exec(example, module)
    monkeypatch.setitem(DECLARED, Report.SUMMARY, module["ACTIVITY"])

    with open_union(stores.hot, stores.lake, batches=["b1"]) as union:
        union.write_report(asked("b1", Report.SUMMARY), tmp_path / "report.csv", Packing("report.csv"))

    with (tmp_path / "report.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["user_id", "attempts"], ["u1", "1"], ["u2", "2"]]
