"""`assess slices`, `archive`, `verify` and `clear` on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from assess_core.domain.moments import DAY, iso
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from tests.cli.conftest import Assess
from tests.factories import MONDAY, RECEIVED, WEEK, event, line, version
from tests.lakes import five_versions, keep
from tests.loop import put_away

W5 = "b1|2024-W05"
W6 = "b1|2024-W06"
IN_WEEK_6 = iso(MONDAY + WEEK + 2 * DAY)


@pytest.fixture
def two_slices(stores: Stores) -> Stores:
    """Five versions in week 5 of 2024 and one in week 6, both long closed."""
    keep(stores.hot, [*five_versions(), version(received=RECEIVED + WEEK)])
    return stores


def objects(result: Result) -> list[dict[str, Any]]:
    """The value that `--json` printed. Checks that standard output has nothing else."""
    assert result.stdout.count("\n") == 1
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_the_three_commands_archive_verify_and_clear_closed_slices(assess: Assess, two_slices: Stores) -> None:
    archived = assess("archive", "--closed")
    verified = assess("verify", "--closed")
    cleared = assess("clear", "--closed")

    assert [result.exit_code for result in (archived, verified, cleared)] == [0, 0, 0]
    assert archived.stderr == "2 slices archived, 6 rows appended; `assess verify` is next\n"
    assert verified.stderr == "2 slices verified; `assess clear` is next\n"
    assert cleared.stderr == "2 slices: 6 rows deleted from the hot store\n"
    assert [row["status"] for row in objects(assess("slices", "--json"))] == ["cleared", "cleared"]
    assert assess("verify", "--closed").stderr == "2 slices verified; all are cleared\n"


@pytest.mark.parametrize(("command", "total"), [("archive", "6"), ("verify", "2"), ("clear", "6")])
def test_totals_are_printed_and_a_row_for_each_slice_on_request(
    assess: Assess, two_slices: Stores, command: str, total: str
) -> None:
    for earlier in ("archive", "verify", "clear")[: ("archive", "verify", "clear").index(command)]:
        assess(earlier, "--closed")

    totals, rows = assess(command, "--closed").stdout, assess(command, "--closed", "--rows").stdout

    assert totals.splitlines()[3].replace("│", " ").split()[:2] == ["2", total]
    assert W5 not in totals
    assert {W5, W6} <= set(rows.replace("│", " ").split())


def test_json_has_an_object_for_each_slice(assess: Assess, two_slices: Stores) -> None:
    [archived] = objects(assess("archive", W5, "--json"))
    [verified] = objects(assess("verify", W5, "--json"))
    [dry] = objects(assess("clear", W5, "--dry-run", "--json"))
    [cleared] = objects(assess("clear", W5, "--json"))
    first, second = objects(assess("slices", "--json"))

    assert archived | {"digest": ""} == {
        "slice": W5, "appended": 5, "rows": 5, "versions": 5, "attempts": 4, "total_score": 5.5, "digest": "",
        "delta_version": 1,
    }  # fmt: skip
    assert (verified["verified"], verified["problem"], verified["unarchived"]) == (True, None, 0)
    assert verified["digest"] == archived["digest"]
    assert dry == {"slice": W5, "cleared": 5, "left": 0, "refused": None, "dry_run": True}
    assert cleared == dry | {"dry_run": False}
    assert (first["slice"], first["status"], first["hot_rows"], first["lake_rows"]) == (W5, "cleared", 0, 5)
    assert first["archived_at"] <= first["verified_at"] <= first["cleared_at"]
    assert (second["slice"], second["status"], second["archived_at"]) == (W6, "planned", None)


def test_the_lake_can_be_verified_while_the_hot_store_is_down(assess: Assess, two_slices: Stores) -> None:
    assess("archive", W5)
    down = {"ASSESS_HOT_STORE": "sqlite:////dev/null/hot.sqlite"}

    verified, unknown = assess("verify", W5, "--json", env=down), assess("verify", W6, env=down)

    assert (verified.exit_code, unknown.exit_code) == (0, 0)
    assert "; the lake is verified without it\n1 slice verified" in verified.stderr
    [row] = objects(verified)
    assert (row["slice"], row["verified"], row["versions"], row["unarchived"]) == (W5, True, 5, None)
    assert unknown.stderr.endswith("there are no rows in these slices\n")
    assert [row["status"] for row in objects(assess("slices", "--json"))] == ["verified", "planned"]


def test_slices_are_a_table_for_people(assess: Assess, two_slices: Stores) -> None:
    shown = assess("slices").stdout

    assert "slice" in shown
    assert W5 in shown
    assert "planned" in shown


def test_slices_can_be_selected_by_name_and_shown_as_of_a_moment(assess: Assess, two_slices: Stores) -> None:
    assert [row["slice"] for row in objects(assess("slices", W6, "--json"))] == [W6]
    assert [row["slice"] for row in objects(assess("slices", "--closed", "--as-of", IN_WEEK_6, "--json"))] == [W5]
    _, second = objects(assess("slices", "--as-of", IN_WEEK_6, "--json"))
    assert second["status"] == "open"
    assert second["why_open"].startswith("week 2024-W06 closes at 2024-02-13T00:00:00.000Z")


def test_only_closed_slices_are_archived_as_of_a_moment(assess: Assess, two_slices: Stores) -> None:
    done = objects(assess("archive", "--closed", "--as-of", IN_WEEK_6, "--json"))

    assert [row["slice"] for row in done] == [W5]


@pytest.mark.parametrize("command", ["archive", "verify", "clear"])
def test_a_command_without_slices_does_not_change_all_of_them(assess: Assess, command: str) -> None:
    result = assess(command)

    assert result.exit_code == 2
    assert "name slices like 'BATCH|2024-W05' (with quotes), or write --closed" in result.stderr


@pytest.mark.parametrize("command", ["slices", "archive", "verify", "clear"])
@pytest.mark.parametrize(
    ("asked", "code", "sentence"),
    [
        (["2024-W05"], 2, "assess: '2024-W05' does not name a slice; write it like 'BATCH|2024-W05'"),
        (["b1|2024-W54"], 2, "assess: '2024-W54' does not name an ISO week; write it like 2024-W05"),
        (["b9|2024-W05"], 3, "assess: no store knows 'b9|2024-W05'; `assess slices` lists all slices"),
        ([W5, "--as-of", "soon"], 2, "assess: --as-of: 'soon' is neither epoch milliseconds nor ISO 8601; write it"),
    ],
)
def test_the_refusal_of_a_wrong_slice_or_moment_gives_its_name(
    assess: Assess, two_slices: Stores, command: str, asked: list[str], code: int, sentence: str
) -> None:
    result = assess(command, *asked)

    assert result.exit_code == code
    assert result.stderr.startswith(sentence)
    assert result.stdout == ""


def test_an_open_slice_is_not_archived_if_it_is_named(assess: Assess, two_slices: Stores) -> None:
    result = assess("archive", W5, W6, "--as-of", IN_WEEK_6)

    assert result.exit_code == 4
    assert result.stderr.startswith("assess: b1|2024-W06 is open: week 2024-W06 closes at 2024-02-13T00:00:00.000Z")
    assert two_slices.lake.manifest() == []


def test_unread_lines_of_the_log_keep_every_slice_open(assess: Assess, two_slices: Stores, settings: Settings) -> None:
    log = Path(settings.log)
    log.mkdir(parents=True)
    (log / "events.jsonl").write_bytes(line(event()) + b"\n")

    result = assess("archive", W5)

    assert result.exit_code == 4
    assert "the log has unread events (" in result.stderr
    assert objects(assess("archive", "--closed", "--json")) == []


def test_slices_warns_of_files_in_the_log_folder_that_are_not_read(
    assess: Assess, two_slices: Stores, settings: Settings
) -> None:
    log = Path(settings.log)
    log.mkdir(parents=True)
    (log / "events.jsonl.bak").write_bytes(line(event()) + b"\n")

    result = assess("slices")

    assert result.exit_code == 0
    assert result.stderr.startswith("warning: not read in ")
    assert "'events.jsonl.bak'" in result.stderr


def test_a_command_with_nothing_to_do_prints_a_message(assess: Assess, stores: Stores) -> None:
    assert assess("slices").stderr == "there are no slices yet; run `assess ingest` first\n"
    for command in ("archive", "verify", "clear"):
        result = assess(command, "--closed")
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "no slice with rows is closed; `assess slices` shows why each one is open\n"


def test_problems_are_printed_for_each_slice_and_the_others_are_verified(assess: Assess, two_slices: Stores) -> None:
    assess("archive", "--closed")
    [file, _] = two_slices.lake.pin().files()
    Path(file.url).unlink()

    verified = assess("verify", "--closed", "--json")
    cleared = assess("clear", "--closed", "--json")

    assert verified.exit_code == cleared.exit_code == 4
    assert f"{W5}: the lake's file {file.url} is missing; restore it from a backup\n" in verified.stderr
    assert verified.stderr.endswith("assess: 1 of 2 slices could not be verified; they will not be cleared\n")
    assert [row["verified"] for row in objects(verified)] == [False, True]
    assert cleared.stderr.endswith("assess: not cleared: 1 of 2 slices; first do what is said above\n")
    assert [row["cleared"] for row in objects(cleared)] == [0, 1]


def test_rows_that_stay_in_the_hot_store_are_counted(assess: Assess, two_slices: Stores) -> None:
    assess("archive", W5)
    keep(two_slices.hot, [version(user_id="u9")])

    assert f"{W5}: not in the lake: 1 row of the hot store; archive it again\n" in assess("verify", W5).stderr
    assert (
        f"{W5}: 1 row stays, because the lake does not hold it; archive, verify and clear again\n"
        in assess("clear", W5).stderr
    )


def test_a_repeated_command_changes_nothing(assess: Assess, two_slices: Stores) -> None:
    put_away(two_slices)
    before = two_slices.lake.manifest()

    for command in ("archive", "verify", "clear", "archive"):
        assert assess(command, "--closed").exit_code == 0

    assert two_slices.lake.manifest() == before


@pytest.mark.parametrize("command", ["slices", "archive", "verify", "clear"])
def test_help_has_examples(assess: Assess, command: str) -> None:
    shown = assess(command, "--help")

    assert shown.exit_code == 0
    assert f"Examples:\n    assess {command}" in shown.stdout


def test_an_id_in_a_message_cannot_control_the_terminal(assess: Assess, stores: Stores) -> None:
    keep(stores.hot, [version(batch_id="b\x1b[2J\u202e")])
    messages = [assess("doctor").stdout]
    assess("archive", "--closed")
    keep(stores.hot, [version(batch_id="b\x1b[2J\u202e", attempt_id="late")])
    messages += [assess(command, "--closed").stderr for command in ("verify", "clear")]
    messages.append(assess("slices", "c\x1b[2J\u202e|2024-W05").stderr)
    for message in messages:
        assert r"\x1b[2J\u202e" in message
        assert "\x1b" not in message
