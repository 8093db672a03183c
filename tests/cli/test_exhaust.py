"""`assess exhaust` prints the path to standard output and a summary of the file to standard error."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assess_cli import main
from assess_core.domain.corrections import Correction, Drop
from assess_core.ports.stores import Stores
from tests.decisions import decide
from tests.factories import version
from tests.lakes import keep, reports


@pytest.fixture
def loaded(stores: Stores) -> Stores:
    keep(stores.hot, [version(), version(attempt_id="t2", answers=[])])
    return stores


def assess(stores: Stores, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(reports(stores).parent), "exhaust", *arguments])


def test_standard_output_gets_only_the_path(loaded: Stores) -> None:
    done = assess(loaded, "b1", "--report", "response")

    path = reports(loaded) / "response-exhaust" / "b1.csv"
    assert (done.exit_code, done.stdout) == (0, f"{path}\n")
    assert done.stderr.startswith(f"2 rows of 2 attempts, {path.stat().st_size:,} bytes, ")


def test_json_describes_the_written_report(loaded: Stores, tmp_path: Path) -> None:
    output = tmp_path / "scores.parquet"

    done = assess(loaded, "b1", "--report", "score", "--format", "parquet", "--output", str(output), "--json")

    written = json.loads(done.stdout)
    assert written.pop("seconds") >= 0
    assert written.pop("sha256") == json.loads(Path(written["sidecar_path"]).read_text())["sha256"]
    assert written == {
        "path": str(output),
        "rows": 2,
        "attempts": 2,
        "bytes": output.stat().st_size,
        "lake_version": -1,
        "sidecar_path": f"{output}.json",
        "pictures": [],
        "complete": True,
        "problems": [],
        "ticket": None,
        "dropped": None,
        "kept_scores": None,
        "corrections": [],
    }
    assert done.stderr == ""


def test_a_report_says_how_many_corrections_count_and_shows_submitted_scores_beside_corrected_ones(
    loaded: Stores,
) -> None:
    [id_] = decide(loaded.hot.register, Correction("a1", "q1", Drop()))
    columns = [f"--column={name}" for name in ("attempt_id", "total_score", "original_total_score")]

    done = assess(loaded, "b1", "--report", "score", "--originals", *columns, "--output", "-")

    assert done.stdout == "attempt_id,total_score,original_total_score\nt1,0.0,1.0\nt2,0.0,0.0\n"
    assert "corrections in force for these batches: 1; `assess correct list` lists them" in done.stderr
    assert json.loads(assess(loaded, "b1", "--report", "score", "--json").stdout)["corrections"] == [id_]


def test_a_report_with_only_a_header_is_reported(loaded: Stores) -> None:
    done = assess(loaded, "b1", "--report", "score", "--course", "another")

    assert done.exit_code == 0
    assert "the stores have no attempt that was asked for: the report has only a header" in done.stderr


def test_an_unknown_batch_exits_with_3(loaded: Stores) -> None:
    done = assess(loaded, "b2", "--report", "score")

    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr == "assess: no store knows batch 'b2'; `assess slices` lists the batches\n"


def test_several_batches_filters_and_columns_are_one_report(loaded: Stores) -> None:
    done = assess(
        loaded, "b1", "--report", "score", "--versions", "all", "--week", "2024-W05", "--attempted-from", "2024-01-01",
        "--column", "user_id", "--column", "counts",
    )  # fmt: skip

    assert done.exit_code == 0, done.stderr
    lines = Path(done.stdout.strip()).read_text().splitlines()
    assert lines[0] == "user_id,counts"
    assert {line.partition(",")[2] for line in lines[1:]} == {"true"}


def test_options_that_contradict_each_other_are_named_and_exit_with_2(loaded: Stores) -> None:
    done = assess(loaded, "b1", "--report", "summary", "--versions", "all", "--batch-pattern", "b*")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "batchPattern: leave it out" in done.stderr
    assert "versions: the report summary counts newest versions" in done.stderr


def test_an_unknown_kind_of_report_is_a_usage_error(loaded: Stores) -> None:
    done = assess(loaded, "b1", "--report", "nonsense")

    assert done.exit_code == 2
    assert "'response', 'score'" in done.stderr
