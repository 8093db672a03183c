"""`assess erase`: the order, the receipt, and the proof that nothing stays."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.wiring import open_stores
from tests.cli.conftest import Assess
from tests.erasures import users
from tests.factories import MONDAY, WEEK, event
from tests.loop import take

SECRET = "learner-4f1c9a"
NOW = MONDAY + 4 * WEEK


@pytest.fixture
def filled(settings: Settings) -> Settings:
    stores = open_stores(settings)
    take(stores, event(SECRET), event("u2"))
    slices = stores.hot.held()
    archive(slices, stores, NOW)
    verify(slices, stores, NOW)
    clear(slices, stores, NOW)
    dagster = settings.home / "dagster" / "history"
    dagster.mkdir(parents=True)
    (dagster / "step.out").write_text(f"the learner {SECRET} has 3 attempts\n")
    (dagster / "other.out").write_text("nothing\n")
    with closing(sqlite3.connect(dagster / "index.db")) as storage:
        storage.execute("CREATE TABLE event_logs (id INTEGER PRIMARY KEY, event TEXT)")
        storage.execute("CREATE TABLE asset_keys (id INTEGER PRIMARY KEY, asset_key TEXT, last_materialization TEXT)")
        storage.execute("INSERT INTO event_logs (event) VALUES (?), ('other')", (json.dumps({"preview": SECRET}),))
        storage.execute("INSERT INTO asset_keys (asset_key, last_materialization) VALUES ('a', ?)", (SECRET,))
        storage.commit()
    return settings


def erase(assess: Assess, receipt: Path, *users: str) -> None:
    named = [part for user in users for part in ("--learner", user)]
    done = assess("erase", *named, "--by", "data protection office", "--reason", "a letter", "--output", str(receipt))
    assert done.exit_code == 0, done.output


def test_an_erasure_ends_with_a_receipt_that_a_check_proves(filled: Settings, assess: Assess, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.json"

    erase(assess, receipt, SECRET)
    checked = assess("erase", "--check", str(receipt), "--learner", SECRET)

    assert checked.exit_code == 0, checked.output
    assert "none holds an id" in checked.stderr
    assert SECRET not in receipt.read_text()
    assert users(open_stores(filled).hot.all_learners()) == ["u2"]
    with closing(sqlite3.connect(filled.home / "dagster" / "history" / "index.db")) as storage:
        assert storage.execute("SELECT event FROM event_logs").fetchall() == [("other",)]
        assert storage.execute("SELECT * FROM asset_keys").fetchall() == [(1, "a", None)]
    assert sorted(path.name for path in (filled.home / "dagster" / "history").iterdir()) == ["index.db", "other.out"]
    assert oct((filled.home / "erasure.keys").stat().st_mode & 0o777) == "0o600"


def test_a_check_names_each_place_that_still_holds_the_learner(
    filled: Settings, assess: Assess, tmp_path: Path
) -> None:
    receipt = tmp_path / "receipt.json"
    erase(assess, receipt, SECRET)
    (filled.home / "dagster" / "history" / "note.txt").write_text(f"{SECRET}\n")
    (filled.home / "lake" / "attempts" / "_delta_log" / "00000000000000000000.json").write_text(
        json.dumps({"add": {"stats": json.dumps({"minValues": {"user_id": SECRET}})}})
    )

    checked = assess("erase", "--check", str(receipt), "--learner", SECRET)

    assert checked.exit_code == 1
    assert [line.partition(": holds")[0] for line in checked.stdout.splitlines()] == [
        "lake: attempts/_delta_log/00000000000000000000.json",
        "Dagster: history/note.txt",
    ]


def test_a_dry_run_counts_and_changes_nothing(filled: Settings, assess: Assess) -> None:
    counted = assess("erase", "--learner", SECRET, "--by", "A", "--reason", "b", "--dry-run")

    assert "rows in these files: 1" in counted.stdout
    assert "nothing was changed" in counted.stderr
    assert not (filled.home / "erasure.keys").exists()
    assert users(open_stores(filled).hot.all_learners()) == [SECRET, "u2"]


def test_a_list_names_learners_and_a_check_needs_all_of_them(filled: Settings, assess: Assess, tmp_path: Path) -> None:
    list_, receipt = tmp_path / "list.txt", tmp_path / "receipt.json"
    list_.write_text(f"{SECRET}\n\nu2\n")
    done = assess("erase", "--file", str(list_), "--by", "A", "--reason", "b", "--output", str(receipt))
    assert done.exit_code == 0, done.output
    assert users(open_stores(filled).hot.all_learners()) == []

    assert assess("erase", "--check", str(receipt), "--file", str(list_)).exit_code == 0
    one = assess("erase", "--check", str(receipt), "--learner", SECRET)
    assert (one.exit_code, "about 2 learners, and 1 was named" in one.stderr) == (2, True)
    another = assess("erase", "--check", str(receipt), "--learner", "u3")
    assert (another.exit_code, "not about one of these learners" in another.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a learner"),
        (["--learner", "u"], "needs --by WHO and --reason WHY"),
        (["--learner", "u", "--by", "u", "--reason", "b"], "it names the learner"),
        (["--learner", "", "--by", "a", "--reason", "b"], "an order needs a learner"),
    ],
)
def test_a_wrong_order_is_refused_with_a_sentence(assess: Assess, arguments: list[str], message: str) -> None:
    refused = assess("erase", *arguments)

    assert refused.exit_code == 2
    assert message in refused.stderr


def test_a_receipt_that_was_changed_is_refused(filled: Settings, assess: Assess, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.json"
    erase(assess, receipt, SECRET)
    receipt.write_text(receipt.read_text().replace("a letter", "no letter"))

    refused = assess("erase", "--check", str(receipt), "--learner", SECRET)

    assert refused.exit_code == 2
    assert "was changed after it was signed" in refused.stderr


@pytest.mark.long
def test_the_doctor_asks_for_a_ring_that_is_missing(filled: Settings, assess: Assess, tmp_path: Path) -> None:
    erase(assess, tmp_path / "receipt.json", SECRET)
    shutil.rmtree(filled.home / "dagster")  # otherwise the doctor loads Dagster, which takes seconds
    assert "1 learner is erased" in assess("doctor").stdout

    (filled.home / "erasure.keys").unlink()
    found = assess("doctor")

    assert found.exit_code == 1
    assert "copy the file from the machine that erased them, or from its backup" in found.stdout


def test_a_receipt_that_cannot_be_written_stops_an_erasure_before_it_begins(
    filled: Settings, assess: Assess, tmp_path: Path
) -> None:
    order = ("--learner", SECRET, "--by", "an office", "--reason", "a letter", "--output")
    for output in (tmp_path / "no such folder" / "receipt.json", Path("/dev/null")):
        refused = assess("erase", *order, str(output))
        assert refused.exit_code in (1, 2), refused.output
        assert SECRET in users(open_stores(filled).hot.all_learners())

    (tmp_path / "link.json").symlink_to(tmp_path / "receipt.json")
    assert assess("erase", *order, str(tmp_path / "link.json")).exit_code == 0
    assert (tmp_path / "receipt.json").stat().st_mode & 0o777 == 0o600


def test_a_list_of_learners_is_read_as_other_programs_write_it(
    filled: Settings, assess: Assess, tmp_path: Path
) -> None:
    take(open_stores(filled), event("a\u2028b"), event("a"))
    chosen = tmp_path / "learners.txt"
    chosen.write_bytes(f"\ufeff{SECRET}\r\n\na\u2028b \r\n".encode())

    done = assess("erase", "--file", str(chosen), "--by", "an office", "--reason", "a letter")

    assert done.exit_code == 0, done.output
    assert users(open_stores(filled).hot.all_learners()) == ["a", "u2"]


def test_an_erasure_leaves_files_in_the_folder_of_dagster_that_are_not_of_dagster(
    filled: Settings, assess: Assess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(filled.home))  # beside stores and log
    log = filled.home / "events" / "day.jsonl"
    log.parent.mkdir(exist_ok=True)
    log.write_text(f"an event of {SECRET}\nan event of u2\n")
    (filled.home / "history").mkdir()
    (filled.home / "history" / "step.out").write_text(SECRET)

    erase(assess, tmp_path / "receipt.json", SECRET)

    assert "an event of u2" in log.read_text()
    assert list((filled.home / "history").iterdir()) == []
    assert not (filled.home / "dagster" / "history" / "step.out").exists(), "also where `assess up` runs Dagster"
