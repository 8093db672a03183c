"""`assess exhaust --new-ticket`, `--ticket`, `assess ticket` and `assess diff` on the command line."""

import csv
import io
import json
from pathlib import Path

import pytest

from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from tests.cli.conftest import Assess
from tests.factories import RECEIVED, answer, version
from tests.lakes import keep


def made(assess: Assess, stores: Stores) -> dict[str, str]:
    keep(stores.hot, [version(user_id="u1"), version(user_id="u2")])
    done = assess("exhaust", "b1", "--report", "score", "--new-ticket", "--json")
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_a_report_is_printed_again_with_its_ticket_after_late_events(
    assess: Assess, stores: Stores, tmp_path: Path
) -> None:
    before = made(assess, stores)
    text = Path(before["path"]).read_bytes()
    keep(stores.hot, [version(user_id="u3")])

    again = assess("exhaust", "--ticket", before["ticket"], "--output", str(tmp_path / "again.csv"))

    assert (again.exit_code, again.stdout) == (0, f"{tmp_path / 'again.csv'}\n")
    assert f"ticket {before['ticket']}\n" in again.stderr
    assert (tmp_path / "again.csv").read_bytes() == text
    assert json.loads((tmp_path / "again.csv.json").read_text())["sha256"] == before["sha256"]
    assert assess("exhaust", "--ticket", before["ticket"], "--output", "-").stdout.encode() == text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["b1", "--report", "score"], "leave out batches, --report"),
        (["--week", "2024-W05", "--new-ticket"], "leave out --week, --new-ticket"),
    ],
)
def test_options_of_the_report_are_refused_beside_a_ticket(assess: Assess, arguments: list[str], problem: str) -> None:
    result = assess("exhaust", *arguments, "--ticket", "20240101-0123456789ab")

    assert result.exit_code == 2
    assert problem in result.stderr


def test_a_report_needs_a_kind_or_a_ticket(assess: Assess) -> None:
    assert "--report: name a report, or name a ticket with --ticket" in assess("exhaust", "b1").stderr
    assert "it is for --ticket" in assess("exhaust", "b1", "--report", "score", "--allow-different").stderr


def test_the_doctor_says_how_much_space_tickets_hold(assess: Assess, stores: Stores) -> None:
    def line() -> list[str]:
        found = json.loads(assess("doctor", "--json").stdout)
        return [finding["message"] for finding in found if finding["what"] == "tickets"]

    assert line() == []
    made(assess, stores)
    assert line() == ["1 holds 0 replaced files of the lake, 0.0 MB"]


def test_a_ticket_is_listed_shown_and_released(assess: Assess, stores: Stores) -> None:
    before = made(assess, stores)

    [listed] = map(json.loads, assess("ticket", "list", "--format", "jsonl").stdout.splitlines())
    shown = json.loads(assess("ticket", "show", before["ticket"]).stdout)
    assert (listed["id"], listed["status"], listed["rows"]) == (before["ticket"], "live", 2)
    assert (listed["sha256"], shown["sidecar"]["sha256"]) == (before["sha256"],) * 2
    assert shown["hot_rows"]["rows"] == 2

    assert assess("ticket", "release", before["ticket"]).exit_code == 0
    refused = assess("exhaust", "--ticket", before["ticket"])
    assert (refused.exit_code, "is released" in refused.stderr) == (3, True)
    assert "released and expired tickets deleted: 1" in assess("compact", "--vacuum").stderr
    assert assess("ticket", "list", "--format", "jsonl").stdout == ""


def test_the_differences_of_a_ticket_are_rows_of_a_table(assess: Assess, stores: Stores) -> None:
    before = made(assess, stores)
    keep(
        stores.hot, [version(user_id="u1", attempted=RECEIVED + 5, answers=[answer(score=2.0)]), version(user_id="u3")]
    )

    done = assess("diff", before["ticket"], "--format", "csv")

    rows = [
        (row["change"], row["user_id"], row["score_before"], row["score"])
        for row in csv.DictReader(io.StringIO(done.stdout))
    ]
    assert rows == [("changed", "u1", "1.0", "2.0"), ("added", "u3", "", "1.0")]
    assert done.stderr == "attempts added: 1, changed: 1, gone: 0\n"


def test_the_reports_of_requests_get_tickets_if_a_setting_says_so(
    assess: Assess, stores: Stores, settings: Settings
) -> None:
    keep(stores.hot, [version()])
    assess("request", "submit", "--tag", "t", "--dataset", "score-exhaust", "--config", '{"batchId": "b1"}')

    assert assess("request", "work", env={"ASSESS_REQUEST_TICKETS": "yes"}).exit_code == 0

    [ticket] = stores.lake.tickets.all()
    [sidecar] = settings.home.joinpath("exhausts").rglob("*.json")
    assert json.loads(sidecar.read_text())["ticket"] == ticket.id
