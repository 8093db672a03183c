"""`assess restore`, `assess rebuild`, and the commands of docs/restore.md, typed one after the other."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from assess_core.settings import Settings
from assess_core.wiring import open_queries, open_stores
from tests.balances import follow
from tests.cli.conftest import Assess
from tests.factories import MONDAY, WEEK, event, line
from tests.loop import everything

PAGE = Path(__file__).parents[2] / "docs" / "restore.md"


def blocks() -> list[list[str]]:
    """The lines of each block of commands."""
    found = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [block.splitlines() for block in found]


def typed(assess: Assess, settings: Settings, lines: list[str]) -> None:
    """Type commands in the current folder; those of ours run in this process."""
    for words in lines:
        if words.startswith("assess "):
            done = assess(*shlex.split(words)[1:])
            assert done.exit_code == 0, (words, done.output)
        else:
            env = {**os.environ, "ASSESS_HOME": str(settings.home)}
            python = words.replace("python -c", f"{shlex.quote(sys.executable)} -c")
            subprocess.run(["sh", "-ec", python], check=True, env=env)


def hand_in(settings: Settings, name: str, *lines: bytes) -> None:
    folder = Path(settings.log)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"\n".join(lines) + b"\n")
    follow(open_stores(settings))


def answers(settings: Settings) -> dict[str, object]:
    found = everything(open_queries(settings), ("u1", "u2", "u3"), ("b1",), ("a1",))
    return {**found, "failed": [event.key for event in open_stores(settings).hot.failed()]}


@pytest.fixture
def week(assess: Assess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation with a week in the lake, a week in the hot store, and a failed event."""
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_env({}, str(tmp_path / "home"))
    at = MONDAY + 3600_000
    hand_in(settings, "1.jsonl", line(event(attempted=at), at), line(event(user="u2", attempted=at), at), b"nonsense")
    for step in ("archive", "verify", "clear"):
        assert assess(step, "--closed").exit_code == 0
    hand_in(settings, "2.jsonl", line(event(user="u3", attempted=at), at + WEEK))
    return settings


@pytest.mark.long
def test_a_lost_hot_store_is_rebuilt_with_the_commands_of_the_page(week: Settings, assess: Assess) -> None:
    backup, lost, _ = blocks()
    before = answers(week)

    typed(assess, week, backup + lost)

    assert answers(week) == before
    assert json.loads(assess("rebuild", "--json").stdout)["named"] == 0


@pytest.mark.long
def test_an_old_backup_is_completed_with_the_commands_of_the_page(week: Settings, assess: Assess) -> None:
    backup, _, old = blocks()
    typed(assess, week, backup)
    hand_in(week, "3.jsonl", line(event(user="u3", attempt="t2", attempted=MONDAY), MONDAY + WEEK))
    for step in ("archive", "verify", "clear"):
        assert assess(step, "--closed").exit_code == 0
    before = answers(week)
    for path in week.home.glob("hot.sqlite*"):
        path.unlink()

    typed(assess, week, old)

    assert answers(week) == before
    follow(open_stores(week))
    assert assess("clear", "--closed").exit_code == 0
    assert answers(week) == before
    assert open_stores(week).hot.held() == []


def test_a_restored_slice_is_in_the_hot_store_until_the_next_clear(week: Settings, assess: Assess) -> None:
    before, [name] = answers(week), [row["slice"] for row in json.loads(assess("slices", "--json").stdout)][:1]

    done = assess("restore", name)
    again = json.loads(assess("restore", name, "--json").stdout)

    assert done.exit_code == 0
    assert done.stderr == "in the hot store again: 2 rows of 1 slice; `assess clear` deletes them there\n"
    assert again == [{"slice": name, "rows": 2, "refused": None}]
    assert answers(week) == before
    assert json.loads(assess("clear", name, "--json").stdout)[0]["cleared"] == 2


def test_an_unknown_slice_and_one_that_was_never_archived_are_refused(week: Settings, assess: Assess) -> None:
    unknown = assess("restore", "b9|2024-W05")
    hot = assess("restore", json.loads(assess("slices", "--json").stdout)[-1]["slice"])

    assert (unknown.exit_code, hot.exit_code) == (3, 4)
    assert "it was never archived; archive it first" in hot.stderr
