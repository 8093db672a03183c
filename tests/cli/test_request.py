"""`assess request`, and how the doctor and the settings speak of requests."""

import getpass
import json
import os
from pathlib import Path

import pytest

from assess_core.domain.events import decode
from assess_core.domain.moments import MINUTE
from assess_core.domain.report_jobs import new_job
from assess_core.ports.facts import NoFacts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.folding import Checks, fold
from assess_core.wiring import open_requests
from tests.cli.conftest import Assess
from tests.factories import event, record
from tests.report_requests import NOW, request

B1 = ("--tag", "t1", "--dataset", "score-exhaust", "--config", '{"batchId": "b1"}')


@pytest.fixture(autouse=True)
def attempts(stores: Stores) -> None:
    fold([decode(record(event()))], stores.hot, Checks(NoFacts()))


def submitted(assess: Assess, *arguments: str) -> str:
    result = assess("request", "submit", *(arguments or B1))
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_a_request_is_submitted_worked_on_shown_and_downloaded(assess: Assess, tmp_path: Path) -> None:
    id_ = submitted(assess)
    assert submitted(assess) == id_

    worked = assess("request", "work")

    assert worked.exit_code == 0
    assert f"{id_} score-exhaust of t1:local: SUCCESS, 100 %" in worked.stderr
    assert worked.stderr.endswith("1 SUCCESS\n")
    shown = json.loads(assess("request", "show", "t1", id_).stdout)
    assert (shown["status"], shown["files"][0]["rows"]) == ("SUCCESS", 1)
    [path] = assess("request", "download", "t1", id_, "--folder", str(tmp_path / "new")).stdout.splitlines()
    assert Path(path).read_text(encoding="utf-8").startswith("batch_id,")
    assert assess("request", "work").stderr == "no request was ready\n"


def test_the_pictures_of_a_request_are_downloaded_with_its_report(assess: Assess, tmp_path: Path) -> None:
    id_ = submitted(assess, *B1[:-1], '{"batchId": "b1", "pictures": ["png"]}')
    assert assess("request", "work").exit_code == 0

    paths = assess("request", "download", "t1", id_, "--folder", str(tmp_path / "new")).stdout.splitlines()

    assert [Path(path).suffix for path in paths] == [".csv", ".png", ".png", ".png"]
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in paths[1:])


def test_the_list_shows_a_channel_or_a_tag(assess: Assess) -> None:
    id_ = submitted(assess)
    other = submitted(assess, "--tag", "t2", *B1[2:])

    listed = [json.loads(line) for line in assess("request", "list", "--format", "jsonl").stdout.splitlines()]
    assert {row["request"] for row in listed} == {id_, other}
    of_tag = assess("request", "list", "t1", "--status", "SUBMITTED", "--format", "jsonl").stdout
    assert [json.loads(line)["request"] for line in of_tag.splitlines()] == [id_]
    assert assess("request", "list", "--channel", "other", "--format", "jsonl").stdout == ""


def test_a_cancelled_request_has_no_report(assess: Assess) -> None:
    id_ = submitted(assess)

    assert "CANCELLED" in assess("request", "cancel", "t1", id_).stderr
    result = assess("request", "download", "t1", id_)
    assert (result.exit_code, result.stdout) == (4, "")
    assert "has no report (CANCELLED: the request was cancelled" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("show", "t1", "nope"), 3, "no job available with the given request_id and tag"),
        (("submit", *B1[:-1], "nonsense"), 2, "--config is not a JSON object"),
        (("submit", *B1[:-1], "[" * 500), 2, "--config is nested too deeply"),
        (("submit", *B1[:-1], '{"batchId": 1}'), 2, "is not a text"),
        (("submit", *B1, "--format", "doc"), 2, "is not one of csv"),
        (("work", "--lease", "soon"), 2, "is not a duration"),
    ],
)
def test_wrong_use_gives_a_message(assess: Assess, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = assess("request", *arguments)

    assert result.exit_code == code, result.output
    assert message in result.stderr


def test_a_user_without_a_name_is_a_number(assess: Assess, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under any number."""

    def no_entry() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(getpass, "getuser", no_entry)
    monkeypatch.setattr(os, "getuid", lambda: 54321)

    id_ = submitted(assess)

    assert json.loads(assess("request", "list", "--format", "jsonl").stdout)["request"] == id_
    assert assess("request", "cancel", "t1", id_).exit_code == 0


def test_an_unreadable_file_of_the_lake_fails_the_request_and_publishes_nothing(
    assess: Assess, settings: Settings
) -> None:
    for command in ("archive", "verify", "clear"):
        assert assess(command, "--closed").exit_code == 0
    for file in Path(settings.lake).rglob("attempts/**/*.parquet"):
        file.write_bytes(b"damaged")
    id_ = submitted(assess)

    assess("request", "work")

    shown = json.loads(assess("request", "show", "t1", id_).stdout)
    assert (shown["status"], shown["tries"], shown["files"]) == ("SUBMITTED", 1, [])
    assert ".parquet" in shown["message"]
    assert not list(Path(settings.exhausts).rglob("*.csv"))


def test_the_doctor_names_requests_that_nothing_serves(assess: Assess, settings: Settings) -> None:
    open_requests(settings).add(new_job(request(), NOW - 60 * MINUTE))

    found = json.loads(assess("doctor", "--json").stdout)

    [finding] = [each for each in found if each["what"] == "requests"]
    assert finding["level"] == "warn"
    assert "1 waits longer than 10m" in finding["message"]
    assert finding["action"].startswith("assess request work")
