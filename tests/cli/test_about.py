"""`assess settings` shows each value and its source. `assess doctor` shows problems and the commands to type."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assess_cli.serve import install_dagster_home
from assess_core import wiring
from assess_core.ports.facts import NoFacts
from assess_core.ports.stores import Stores
from assess_core.settings import ApiSettings, Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.folding import Checks, fold
from assess_core.wiring import examining, open_exhausts, open_hot, open_lake, open_log, open_stores
from tests.cli.conftest import Assess
from tests.factories import MONDAY, WEEK, decoded, event, line

LATER = MONDAY + 4 * WEEK


def findings(output: str) -> dict[str, dict[str, str]]:
    return {found["what"]: found for found in json.loads(output)}


def fold_one(stores: Stores, *messages: object) -> None:
    fold([decoded(message) for message in messages], stores.hot, Checks(NoFacts()))


def test_settings_show_the_source_of_each_value(assess: Assess, settings: Settings) -> None:
    result = assess("settings", "--json", env={"ASSESS_GRACE": "36h", "ASSESS_LAKE": ""})

    shown = {row["setting"]: (row["value"], row["from"]) for row in json.loads(result.stdout)}
    assert shown == {
        "ASSESS_HOME": (str(settings.home), "--home"),
        "ASSESS_HOT_STORE": (f"sqlite:///{settings.home}/hot.sqlite", "default"),
        "ASSESS_LAKE": (f"{settings.home}/lake", "default"),
        "ASSESS_EXHAUSTS": (f"{settings.home}/exhausts", "default"),
        "ASSESS_LOG": (f"{settings.home}/log", "default"),
        "ASSESS_GRACE": ("36h", "environment"),
        "ASSESS_FACTS": ("", "default"),
        "ASSESS_MEMORY": ("", "default"),
        **{name: (value, "default") for name, value in ApiSettings().env().items()},
        "ASSESS_CHANNEL_BATCHES": ("500", "default"),
        "ASSESS_CHANNEL_BYTES": ("10GB", "default"),
        "ASSESS_KEEP_REPORTS": ("7d", "default"),
        "ASSESS_KEEP_TICKETS": ("365d", "default"),
        "ASSESS_REQUEST_TICKETS": ("no", "default"),
        "ASSESS_NOTIFY": ("", "default"),
        "ASSESS_PUBLIC_URL": ("", "default"),
        "ASSESS_GRANTS": ("", "default"),
        "ASSESS_NAMES": ("", "default"),
        "ASSESS_NAMES_TOKEN": ("", "default"),
        "ASSESS_SCHEDULES": ("", "default"),
        "ASSESS_RETENTION": ("", "default"),
        "ASSESS_ERASURE_KEYS": (str(settings.home / "erasure.keys"), "default"),
        "ASSESS_TRACES": ("", "default"),
        "ASSESS_MESSAGES": ("text", "default"),
    }


def test_settings_show_no_password(assess: Assess) -> None:
    secret = {
        "ASSESS_HOT_STORE": "cassandra://user:hunter2@host/ks",
        "ASSESS_LOG": "kafka://host/topic?group=g&sasl.username=user&sasl.password=hunter2",
    }

    shown = assess("settings", "--json", env=secret).stdout

    assert "hunter2" not in shown
    assert "cassandra://user:***@host/ks" in shown
    assert "sasl.username=user&sasl.password=***" in shown


def test_the_doctor_checks_every_store_also_if_one_does_not_answer(assess: Assess, stores: Stores) -> None:
    result = assess("doctor", "--json", env={"ASSESS_HOT_STORE": "sqlite:////dev/null/hot.sqlite"})

    found = findings(result.stdout)
    assert result.exit_code == 1
    assert found["hot store"]["level"] == "bad"
    assert (found["lake"]["level"], found["exhausts"]["level"]) == ("ok", "ok")
    assert "slices" not in found


def test_the_home_folder_can_come_from_the_environment(assess: Assess, tmp_path: Path) -> None:
    result = assess("settings", "--json", home=None, env={"ASSESS_HOME": str(tmp_path)})
    assert json.loads(result.stdout)[0] == {
        "setting": "ASSESS_HOME",
        "value": str(tmp_path),
        "from": "environment",
    }


def test_a_healthy_home_has_no_bad_finding(assess: Assess, stores: Stores) -> None:
    result = assess("doctor", "--json")
    assert result.exit_code == 0
    assert {found["level"] for found in findings(result.stdout).values()} <= {"ok", "warn"}


def test_the_doctor_creates_nothing_and_reports_a_missing_home_folder(assess: Assess, settings: Settings) -> None:
    result = assess("doctor")

    assert result.exit_code == 0
    assert f"warn  home folder     {settings.home} does not exist, so nothing is stored there" in result.stdout
    assert "hot.sqlite does not exist yet" in result.stdout
    assert "all is well" not in result.stderr
    assert not settings.home.exists()


def test_the_doctor_checks_kafka_also_without_a_home_folder(assess: Assess, settings: Settings) -> None:
    result = assess("doctor", "--json", env={"ASSESS_LOG": "kafka://127.0.0.1:1/assess?group=g"})

    found = findings(result.stdout)
    assert (result.exit_code, found["log"]["level"], found["lake"]["level"]) == (1, "bad", "ok")
    assert "127.0.0.1:1" in found["log"]["message"]
    assert not settings.home.exists()


def test_settings_and_the_doctor_warn_of_a_variable_that_is_not_a_setting(assess: Assess, stores: Stores) -> None:
    misspelt = {"ASSESS_GRACE_PERIOD": "2d", "ASSESS_ZZZ": "1"}

    shown, checked = assess("settings", env=misspelt), assess("doctor", env=misspelt)

    assert shown.stderr.splitlines() == [
        "warning: ASSESS_GRACE_PERIOD is not a setting and has no effect; did you mean ASSESS_GRACE?",
        "warning: ASSESS_ZZZ is not a setting and has no effect; `assess settings` lists all settings; unset it",
    ]
    assert "warn  settings        ASSESS_GRACE_PERIOD is not a setting and has no effect\n" in checked.stdout
    assert "-> did you mean ASSESS_GRACE?" in checked.stdout


def test_the_doctor_warns_of_a_home_folder_that_other_users_can_read(
    assess: Assess, stores: Stores, settings: Settings
) -> None:
    assert "privacy" not in findings(assess("doctor", "--json").stdout)
    settings.home.chmod(0o755)

    found = findings(assess("doctor", "--json").stdout)["privacy"]

    assert (found["level"], found["action"]) == ("warn", f"chmod -R go= {settings.home}")
    assert str(settings.home) in found["message"]


@pytest.mark.long
def test_the_doctor_lists_the_sensors_and_schedules_of_dagster_that_are_off(
    assess: Assess, stores: Stores, settings: Settings
) -> None:
    assert findings(assess("doctor", "--json").stdout)["Dagster"]["level"] == "ok"
    install_dagster_home(settings.home)

    listed = json.loads(assess("doctor", "--json").stdout)

    off = [found["message"] for found in listed if found["what"] == "Dagster"]
    assert any(
        text.startswith("the sensor clear_verified_weeks is off: ") and "deletes" in text.lower() for text in off
    )
    assert not any("register_slices_and_batches" in text for text in off)
    assert any(text.startswith("the schedule watch_daily is off: ") for text in off)


@pytest.mark.long
def test_a_machine_without_access_to_the_database_of_dagster_is_not_bad(
    assess: Assess, stores: Stores, tmp_path: Path
) -> None:
    (tmp_path / "dagster.yaml").write_text("storage: nonsense\n")

    result = assess("doctor", "--json", env={"DAGSTER_HOME": str(tmp_path)})

    found = findings(result.stdout)["Dagster"]
    assert (result.exit_code, found["level"], found["action"]) == (0, "warn", "type assess doctor where Dagster runs")


def test_the_doctor_lists_waiting_events_and_the_commands_to_type(assess: Assess, settings: Settings) -> None:
    fold_one(open_stores(settings), event(batch="b1"), b"nonsense")
    log = Path(settings.log)
    log.mkdir()
    (log / "today.jsonl").write_bytes(line(event()) + b"\n")

    found = findings(assess("doctor", "--json").stdout)

    assert (found["failed events"]["level"], found["failed events"]["action"]) == ("warn", "assess failed list")
    assert (found["log"]["level"], found["log"]["action"]) == ("warn", "assess up")
    assert "today.jsonl from line 1" in found["log"]["message"]
    assert found["slices"]["level"] == "ok"  # no slice is closed while the log has unread lines


def test_the_doctor_warns_of_files_in_the_log_folder_that_are_not_read(assess: Assess, settings: Settings) -> None:
    fold_one(open_stores(settings), event())
    log = Path(settings.log)
    log.mkdir()
    for name in ("events.jsonl.bak", ".events.jsonl.tmp"):
        (log / name).write_bytes(line(event()) + b"\n")

    found = findings(assess("doctor", "--json").stdout)

    assert (found["log"]["level"], found["log files"]["level"]) == ("ok", "warn")
    assert found["log files"]["message"].endswith(": 'events.jsonl.bak'")


def test_the_doctor_reports_why_a_slice_could_not_be_verified(assess: Assess, settings: Settings) -> None:
    stores = open_stores(settings)
    fold_one(stores, event(batch="b1"))
    archive(stores.hot.slices(), stores, LATER)
    [path] = (settings.home / "lake" / "attempts").rglob("*.parquet")
    original = path.read_bytes()
    path.unlink()
    verify(stores.hot.slices(), stores, LATER)

    result = assess("doctor", "--json")

    found = findings(result.stdout)["slices"]
    assert (result.exit_code, found["level"]) == (1, "bad")
    assert found["message"].startswith("1 could not be verified, e.g. b1|2024-W05: the lake's file")
    assert found["action"] == "restore the lake's files, then assess verify --closed"
    path.write_bytes(original)
    assert assess("verify", "--closed").exit_code == 0
    assert findings(assess("doctor", "--json").stdout)["slices"]["level"] == "ok"


def test_the_doctor_gives_the_next_step_of_slices(assess: Assess, settings: Settings) -> None:
    stores = open_stores(settings)

    def doctor() -> tuple[str, str | None]:
        found = findings(assess("doctor", "--json").stdout)["slices"]
        return found["message"], found["action"]

    fold_one(stores, event(batch="b1"))
    assert doctor() == ("1 closed and not archived, e.g. b1|2024-W05", "assess archive --closed")
    archive(stores.hot.slices(), stores, LATER)
    assert doctor() == ("1 archived and not verified, e.g. b1|2024-W05", "assess verify --closed")
    verify(stores.hot.slices(), stores, LATER)
    clear(stores.hot.slices(), stores, LATER)
    assert doctor() == ("0, none needs an action now", None)
    fold_one(stores, event(batch="b1", attempt="t2"))
    assert doctor() == (
        "1 archived, and received rows since, e.g. b1|2024-W05",
        "assess archive --closed, then verify and clear",
    )


@pytest.mark.parametrize(
    ("name", "value"), [("ASSESS_HOT_STORE", "mysql://somewhere"), ("ASSESS_LAKE", "ftp://somewhere")]
)
def test_a_setting_that_cannot_be_used_is_bad(assess: Assess, stores: Stores, name: str, value: str) -> None:
    result = assess("doctor", "--json", env={name: value})
    assert result.exit_code == 1
    [bad] = [found for found in findings(result.stdout).values() if found["level"] == "bad"]
    assert name in bad["message"]


def test_a_damaged_hot_store_is_bad(assess: Assess, settings: Settings) -> None:
    stores = open_stores(settings)
    fold_one(stores, *(event(attempt=f"t{n}") for n in range(200)))
    del stores
    file = settings.home / "hot.sqlite"
    data = bytearray(file.read_bytes())
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    file.write_bytes(data)

    result = assess("doctor", "--json")

    assert result.exit_code == 1
    assert "bad" in {found["level"] for found in findings(result.stdout).values()}


def test_a_lake_of_another_program_is_bad(assess: Assess, settings: Settings, stores: Stores) -> None:
    attempts = Path(settings.lake) / "attempts"
    attempts.mkdir(parents=True)
    (attempts / "holiday.jpg").touch()

    result = assess("doctor", "--json")

    assert result.exit_code == 1
    found = findings(result.stdout)
    assert found["lake"]["level"] == "bad"
    assert "was not written by this project" in found["lake"]["message"]
    assert (found["hot store"]["level"], found["failed events"]["level"]) == ("ok", "ok")
    for what in ("tickets", "slices", "corrections"):
        assert (found[what]["level"], found[what]["message"]) == ("warn", "not checked: lake cannot be read")


def test_an_exhaust_folder_that_is_a_file_is_bad(assess: Assess, settings: Settings, stores: Stores) -> None:
    Path(settings.exhausts).touch()
    result = assess("doctor")
    assert result.exit_code == 1
    assert "exhausts cannot be written" in result.stdout


def test_the_doctor_opens_each_store_once(assess: Assess, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    for open_ in (open_hot, open_log, open_lake, open_exhausts):

        def counted(*given: Any, open_: Callable[..., object] = open_) -> object:
            opened.append(open_.__name__)
            return open_(*given)

        for module in (examining, wiring):
            monkeypatch.setattr(module, open_.__name__, counted)

    assert "slices" in findings(assess("doctor", "--json").stdout)

    assert sorted(opened) == ["open_exhausts", "open_hot", "open_lake", "open_log"]


def test_the_doctor_reports_that_everything_is_accepted_without_facts(assess: Assess, stores: Stores) -> None:
    found = findings(assess("doctor", "--json").stdout)["facts"]
    assert (found["level"], found.get("action")) == ("ok", None)
    assert "every course, assessment and batch is accepted" in found["message"]


@pytest.mark.parametrize(
    ("text", "level", "message", "action"),
    [
        (
            '{"leafNodes": {"c1": ["a1"]}, "questionCounts": {"a1": 3, "a2": 4}, "batches": {"b1": {"courseId": "c1", '
            '"status": 1}, "b2": {"courseId": "c1", "status": 2}}}',
            "ok",
            "leaf nodes of 1 course, questions of 2 assessments, 2 batches, 1 on-going",
            None,
        ),
        (
            '{"questionCounts": {"a1": 3}}',
            "ok",
            "leaf nodes of 0 courses, questions of 1 assessment; nothing about batches, so every batch is accepted",
            None,
        ),
        (
            '{"batches": {"b2": {"courseId": "c1", "status": 2}}}',
            "warn",
            "1 batch, 0 on-going: the write API stores nothing",
            'name those that are in "batches": {"BATCH": {"courseId": "COURSE", "status": 1}}, or leave "batches" out',
        ),
        (
            '{"leaf_nodes": {"c1": ["a1"]}}',
            "warn",
            "the file is empty, so everything is accepted",
            "give it leafNodes, questionCounts or batches, or leave ASSESS_FACTS out",
        ),
    ],
)
def test_the_doctor_summarizes_a_facts_file(
    assess: Assess, stores: Stores, tmp_path: Path, text: str, level: str, message: str, action: str | None
) -> None:
    file = tmp_path / "facts.json"
    file.write_text(text)

    result = assess("doctor", "--json", env={"ASSESS_FACTS": str(file)})

    found = findings(result.stdout)["facts"]
    assert result.exit_code == 0
    assert (found["level"], found["action"]) == (level, action)
    assert found["message"].startswith(f"{file}: ")
    assert found["message"].endswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file or directory; check --facts and ASSESS_FACTS"),
        ('{"batches": []}', 'is not like {"leafNodes"'),
    ],
)
def test_facts_that_cannot_be_read_are_bad_and_the_rest_is_checked(
    assess: Assess, stores: Stores, tmp_path: Path, text: str | None, message: str
) -> None:
    file = tmp_path / "facts.json"
    if text is not None:
        file.write_text(text)

    result = assess("doctor", "--json", env={"ASSESS_FACTS": str(file)})

    found = findings(result.stdout)
    assert result.exit_code == 1
    assert found["facts"]["level"] == "bad"
    assert str(file) in found["facts"]["message"]
    assert message in found["facts"]["message"]
    assert found["slices"]["level"] == "ok"
