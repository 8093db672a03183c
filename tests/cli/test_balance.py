"""`assess balance` and `assess ingest --repair` on the command line."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from tests.balances import follow, lose
from tests.cli.conftest import Assess
from tests.factories import event, line, version
from tests.lakes import keep
from tests.loop import put_away, take
from tests.properties.tables import rows


@pytest.fixture
def log(settings: Settings) -> Path:
    """A log with four events of two batches, and one line that cannot be decoded."""
    file = Path(settings.log) / "events.jsonl"
    file.parent.mkdir(parents=True)
    events = [event(), event(user="u2"), event(attempt="t2"), event(batch="b2")]
    file.write_bytes(b"\n".join([*map(line, events), b"nonsense"]) + b"\n")
    return file


@pytest.fixture
def folded(stores: Stores, log: Path) -> Stores:
    follow(stores)
    return stores


def object_of(result: Result) -> dict[str, Any]:
    """The object that `--json` printed. Checks that standard output has nothing else."""
    assert result.stdout.count("\n") == 1
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_balanced_stores_give_a_table_with_totals_and_exit_code_0(assess: Assess, folded: Stores) -> None:
    result = assess("balance")

    assert result.exit_code == 0
    cells = [
        [cell.strip() for cell in row.split("│")[1:-1]] for row in result.stdout.splitlines() if row.startswith("│")
    ]
    assert cells == [
        ["b1", "3", "3", "0", "0", "0", "0", "0", "0"],
        ["b2", "1", "1", "0", "0", "0", "0", "0", "0"],
        ["", "0", "0", "0", "0", "0", "0", "0", "1"],
        ["(all)", "4", "4", "0", "0", "0", "0", "0", "1"],
    ]
    assert result.stderr == "1 failed event waits: `assess failed list`\n"


def test_json_has_the_numbers_of_each_batch_and_every_difference(assess: Assess, folded: Stores) -> None:
    [lost] = [row for row in rows(folded.hot) if row.key.user_id == "u2"]
    lose(folded.hot, [lost])
    keep(folded.hot, [version(user_id=f"v{number:02}") for number in range(20)])

    result = assess("balance", "b1", "--json")

    assert result.exit_code == 1
    found = object_of(result)
    assert (found["balanced"], found["unreadable"]) == (False, [])
    assert found["batches"] == [
        {"batch": "b1", "named": 3, "hot_only": 2, "lake_only": 0, "both": 0, "dropped": 0, "missing": 1,
         "unnamed": 20, "failed": 0, "balanced": False}
    ]  # fmt: skip
    assert len(found["differences"]) == 21
    assert found["differences"][0] == {
        "what": "missing", "batch_id": "b1", "slice": "b1|2024-W05", "user_id": "u2", "course_id": "c1",
        "content_id": "a1", "attempt_id": "t1", "content_hash": lost.version.content_hash.hex(), "tiers": [],
        "topic": None, "partition": None, "offset": None,
    }  # fmt: skip
    assert found["differences"][1]["tiers"] == ["hot"]


def test_the_first_ten_differences_and_the_repair_command_are_printed(assess: Assess, folded: Stores) -> None:
    lose(folded.hot, [row for row in rows(folded.hot) if row.key.user_id == "u2"])
    keep(folded.hot, [version(user_id=f"v{number:02}") for number in range(12)])

    result = assess("balance")

    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == ("named, in neither tier: slice 'b1|2024-W05', learner 'u2', assessment 'a1', attempt 't1'")
    assert lines[1].startswith("written, not yet named: slice 'b1|2024-W05', learner 'v00'")
    assert lines[1].endswith("(in the hot store)")
    assert len([text for text in lines if text.startswith("written")]) == 10
    assert "... and 2 more unnamed; --json names all of them" in lines
    assert lines[-1].startswith("assess: 1 version named by a summary and in neither tier: ")
    assert lines[-1].count("assess ingest --repair") == 2


def test_the_log_is_compared_on_request(assess: Assess, folded: Stores, log: Path) -> None:
    take(folded, event(user="u9"))

    alone, with_log = assess("balance"), assess("balance", "--log", "--json")

    assert alone.exit_code == 0
    assert with_log.exit_code == 1
    found = object_of(with_log)
    assert {name: found["batches"][0][name] for name in ("accepted", "older", "too_many", "not_stored")} == {
        "accepted": 3, "older": 0, "too_many": 1, "not_stored": 0,
    }  # fmt: skip
    assert [(each["what"], each["user_id"]) for each in found["differences"]] == [("too_many", "u9")]


def test_a_lost_event_is_reported_with_its_file_and_line(
    assess: Assess, folded: Stores, log: Path, settings: Settings
) -> None:
    with sqlite3.connect(settings.hot_store.removeprefix("sqlite://").partition("?")[0]) as connection:
        connection.execute("DELETE FROM failed_events")
    connection.close()

    result = assess("balance", "--log")

    assert result.exit_code == 1
    assert f"in the log, neither stored nor failed: an event of no batch, at {log} 0 5" in result.stderr


def test_an_unknown_batch_gives_exit_code_3(assess: Assess, folded: Stores) -> None:
    result = assess("balance", "b9")

    assert result.exit_code == 3
    assert "no store knows 'b9'" in result.stderr


def test_without_events_the_stores_are_balanced(assess: Assess) -> None:
    result = assess("balance")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing to compare yet" in result.stderr


@pytest.mark.parametrize("named", [True, False])
def test_repair_rewrites_missing_rows_and_prints_their_number(
    assess: Assess, folded: Stores, log: Path, named: bool
) -> None:
    put_away(folded, [slice_ for slice_ in folded.hot.slices() if slice_.batch_id == "b2"])
    lose(folded.hot, [row for row in rows(folded.hot) if row.key.user_id == "u2"])

    result = assess("ingest", "--repair", *([str(log)] if named else []))

    assert result.exit_code == 0
    assert result.stderr == (
        "5 events = 0 stored (0 superseded) + 4 repeated + 0 recomputed + 1 failed; 1 row written again\n"
    )
    assert assess("balance").exit_code == 0
    again = object_of(assess("ingest", "--repair", "--json"))
    assert (again["rewritten"], again["in_lake"], again["missing"], again["repeated"]) == (0, 0, 0, 4)


def test_repair_fails_if_the_log_does_not_have_the_missing_events(assess: Assess, folded: Stores, log: Path) -> None:
    lose(folded.hot, rows(folded.hot))
    log.write_bytes(line(event()) + b"\n")

    result = assess("ingest", "--repair")

    assert result.exit_code == 1
    assert (
        "3 versions are still missing, and not among the events of the log or the files that were read" in result.stderr
    )


def test_ingest_without_paths_is_a_usage_error(assess: Assess) -> None:
    result = assess("ingest")

    assert result.exit_code == 2
    assert "--repair" in result.stderr
