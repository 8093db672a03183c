"""`assess import`, as an operator types it."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from tests.archives import ANSWER, cells, put_archive
from tests.balances import draw
from tests.cli.conftest import Assess
from tests.factories import RECEIVED, WEEK
from tests.forked import Forked


def counts(output: str) -> dict[str, int]:
    found: dict[str, int] = json.loads(output)
    return found


def test_the_counts_of_an_import(assess: Assess, tmp_path: Path) -> None:
    put_archive(tmp_path / "old", cells(), cells(attempt_id="t2"), name="b1_c1/2024-5-1.csv.gz")

    result = assess("import", str(tmp_path / "old"), "--json")

    assert result.exit_code == 0
    assert counts(result.stdout) == {
        "files": 1, "read": 2, "imported": 2, "there": 0, "refused": 0, "bad_files": 0, "erased": 0, "slices": 1,
        "skipped_files": 0,
    }  # fmt: skip
    assert result.stderr == "2 rows of 1 slice imported and verified; `assess slices` lists them\n"
    assert assess("score", "--learner", "u1", "--assessment", "a1").exit_code == 0


def test_refused_rows_and_bad_files_are_named(assess: Assess, tmp_path: Path) -> None:
    good = put_archive(tmp_path, cells(), cells(user_id=""), name="b1-2024-5-1.csv")
    bad = tmp_path / "b1-2024-6-1.csv.gz"
    bad.write_bytes(b"not gzip")

    result = assess("import", str(good), str(bad), "--refused", str(tmp_path / "refused.jsonl"))

    assert result.exit_code == 4
    assert f"{good} line 3: `user_id` is missing" in result.stderr
    assert f"{bad}: the file is not compressed by gzip" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("assess: 1 row and 1 file cannot be imported; the rest is")
    refused = [json.loads(line) for line in (tmp_path / "refused.jsonl").read_text().splitlines()]
    assert [(found["file"], found["line"]) for found in refused] == [(str(good), 3), (str(bad), None)]


def test_only_the_first_refusals_are_printed(assess: Assess, tmp_path: Path) -> None:
    path = put_archive(tmp_path, *(cells(user_id="") for _ in range(25)))

    result = assess("import", str(path))

    assert result.stderr.count("`user_id` is missing") == 20
    assert "... and 5 more" in result.stderr


def test_a_journal_skips_files_that_are_finished(assess: Assess, tmp_path: Path) -> None:
    old, journal = tmp_path / "old", str(tmp_path / "journal")
    put_archive(old, cells(), name="b1-2024-5-1.csv")
    put_archive(old, cells(user_id="u2"), cells(user_id=""), name="b1-2024-5-2.csv")
    assess("import", str(old), "--journal", journal)
    put_archive(old, cells(user_id="u3"), name="b1-2024-5-3.csv")

    found = counts(assess("import", str(old), "--journal", journal, "--json").stdout)

    # a file with a refused row is read again
    assert (found["skipped_files"], found["files"], found["imported"], found["there"]) == (1, 2, 1, 1)


def test_refusals_never_replace_an_archive(assess: Assess, tmp_path: Path) -> None:
    bad = put_archive(tmp_path, cells(user_id=""), name="b1-2024-5-1.csv")
    before = bad.read_bytes()
    (tmp_path / "link.jsonl").symlink_to(bad)

    for named in (bad, tmp_path / "link.jsonl"):
        result = assess("import", str(tmp_path), "--refused", str(named))

        assert result.exit_code == 2
        assert "is one of the archives; name a new file" in result.stderr
        assert bad.read_bytes() == before


def test_a_journal_is_never_an_archive(assess: Assess, tmp_path: Path) -> None:
    cut = put_archive(tmp_path, name="b1-2024-5-1.csv")
    cut.write_bytes(b"")

    result = assess("import", str(tmp_path), "--journal", str(cut))

    assert result.exit_code == 2
    assert "is one of the archives; name a new file" in result.stderr
    assert cut.read_bytes() == b""


FILES, ROWS = 8, 40


@pytest.mark.long
def test_an_import_that_is_killed_twice_is_completed_by_the_next_one(
    stores: Stores, settings: Settings, assess: Assess, tmp_path: Path
) -> None:
    """Each process is killed as soon as the lake got another commit, so between an append and its map entries."""
    old = tmp_path / "old"
    for file in range(FILES):
        rows = [
            cells([ANSWER], user_id=f"u{row}", attempt_id=f"t{file}", updated_on=str(RECEIVED + file * WEEK))
            for row in range(ROWS)
        ]
        put_archive(old, *rows, name=f"b1-2024-{file + 5}-1.csv.gz")
    log = Path(settings.lake) / "attempts" / "_delta_log"
    for _ in range(2):
        kill_after_next_commit(log, old, settings)

    result = assess("import", str(old), "--json")

    assert result.exit_code == 0
    sheet = draw(stores, against_log=True).sheet
    assert sheet.balanced
    assert (sheet.named, sheet.lake_only) == (FILES * ROWS, FILES * ROWS)
    for _, learner in stores.hot.all_learners():
        [summary] = learner.summaries.values()
        assert (summary.attempts_count, summary.versions) == (FILES, FILES)
    assert counts(assess("import", str(old), "--json").stdout)["there"] == FILES * ROWS


def kill_after_next_commit(log: Path, old: Path, settings: Settings) -> None:
    before = commits(log)
    command = ["-m", "assess_cli", "import", str(old)]
    process = Forked[bytes](command, env={**os.environ, **settings.env()}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while commits(log) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert commits(log) > before


def commits(log: Path) -> int:
    return len(list(log.glob("*.json"))) if log.exists() else 0
