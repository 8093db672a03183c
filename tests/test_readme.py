"""All blocks of the README, typed in their order into new shells on a checkout, like by a new user."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from assess_cli.together import HOST, free_port
from tests.cli.test_serve import processes_of
from tests.cli.test_together import within
from tests.reference_files import unknown

ROOT = Path(__file__).parents[1]
BLOCKS: Final = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
ATTEMPT: Final = "my-first-attempt"  # the attempt that the README submits
SCORE: Final = 2  # of that attempt
DONE, FAILED = "__done__", "__failed__"

pytestmark = [
    pytest.mark.long,
    # the demo takes 15 s of processor time, `assess up` 10 s, and two waits can take 180 s
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("readme"),  # one worker types the README, once
]


class Shell:
    """A bash without the `assess` command, as after a login."""

    def __init__(self, folder: Path) -> None:
        venv = str(Path(sys.prefix) / "bin")
        path = [part for part in os.environ["PATH"].split(":") if part != venv]
        self.errors = folder.parent / f"errors-{len(list(folder.parent.iterdir()))}"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                ["bash"],
                cwd=folder,
                env={"PATH": ":".join(path), "HOME": str(folder.parent), "LANG": "C.UTF-8"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.type(f"umask 022; trap 'echo {FAILED} $?' ERR")

    def send(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def type(self, block: str) -> str:
        """The standard output of a block. Fails the test if one of its commands fails."""
        assert self.process.stdout is not None
        self.send(f"{block}\necho; echo {DONE}\n")
        lines: list[str] = []
        for line in self.process.stdout:
            if line.startswith(DONE):
                break
            lines.append(line)
        printed = "".join(lines)
        assert line.startswith(DONE), f"the shell ended\n{block}\n{self.errors.read_text()}"
        assert FAILED not in printed, f"{block}\n{printed}\n{self.errors.read_text()}"
        return printed.removesuffix("\n")

    def close(self) -> None:
        self.process.communicate(timeout=90)


class Typed(NamedTuple):
    """The results of the blocks of the README."""

    folder: Path
    demo: str
    """The output of `make demo`."""
    before: dict[str, object]
    """The score of the learner before the README submits an attempt."""
    read: dict[str, object]
    """The same score, read over HTTP."""
    submitted: dict[str, object]
    shell: Shell
    """A shell with the active virtual environment, while `assess up` runs in another shell."""
    up: "subprocess.Popen[str]"
    """`assess up`."""


def checkout(folder: Path) -> Path:
    """The files of a checkout that `make` needs, with the virtual environment of this test run."""
    (folder / ".venv").mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copyfile(ROOT / name, folder / name)
    (folder / ".venv" / "bin").symlink_to(Path(sys.prefix) / "bin")
    (folder / ".venv" / ".setup").touch()
    os.utime(folder / ".venv" / ".setup", (time.time() + 60, time.time() + 60))
    return folder


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    folder = checkout(tmp_path_factory.mktemp("readme") / "checkout")
    api, dagster = free_port(0), free_port(0)
    setup, run, up, mentor, read, submit, again = BLOCKS
    assert up.endswith("assess up\n")
    assert again.startswith("assess score")
    shell, second = Shell(folder), Shell(folder)
    try:
        demo = shell.type(setup)
        shell.type(run)
        # other ports than 8000 and 3000, which another test or a developer can use
        second.send(up.replace("assess up", f"exec assess up --api-port {api} --dagster-port {dagster}"))
        assert within(120, lambda: "everything is up" in second.errors.read_text()), second.errors.read_text()
        shell.type(mentor)
        before, answer = shell.type(with_port(read, api)).strip().splitlines()
        submitted = json.loads(shell.type(with_port(submit, api)))
        yield Typed(
            folder, demo, json.loads(before), json.loads(answer)["result"], submitted["result"], shell, second.process
        )
    finally:
        second.process.send_signal(signal.SIGINT)
        second.close()
        shell.close()


def with_port(block: str, port: int) -> str:
    return block.replace("127.0.0.1:8000", f"{HOST}:{port}")


def test_the_demo_shows_that_no_answer_changed(typed: Typed) -> None:
    assert "All the same" in typed.demo
    assert "CHANGED" not in typed.demo


def test_the_report_of_the_readme_exists(typed: Typed) -> None:
    with zipfile.ZipFile(typed.folder / "scores.xlsx") as workbook:
        assert workbook.testzip() is None
        assert "xl/worksheets/sheet1.xml" in workbook.namelist()


def test_the_command_line_and_the_read_api_give_the_same_score(typed: Typed) -> None:
    assert typed.read == typed.before
    assert typed.read["attemptsCount"] == 1


def test_the_submitted_score_is_read_back(typed: Typed) -> None:
    assert "SUCCESS" in typed.submitted.values()

    def score() -> dict[str, object]:
        found: dict[str, object] = json.loads(typed.shell.type(BLOCKS[-1]))
        return found

    assert within(60, lambda: score()["lastAttemptedScore"] == SCORE)
    assert score()["attemptsCount"] == 2
    assert ATTEMPT in typed.shell.type("assess table attempts --batch 0130929928739600003 --format csv")


def test_the_commands_that_the_demo_prints_run_in_a_new_shell(typed: Typed) -> None:
    lines = typed.demo.partition("Look around:\n")[2].splitlines()
    new = Shell(typed.folder)
    try:
        shown = {line.split()[3]: new.type(line) for line in lines if line.strip() and not line.endswith(" up")}
    finally:
        new.close()
    assert list(shown) == ["slices", "table", "score", "exhaust"]
    assert all(shown.values())
    assert lines[-1].endswith(" up") or lines[-2].endswith(" up")


def test_all_written_files_can_be_read_only_by_this_user(typed: Typed) -> None:
    home = typed.folder / ".assess"
    paths = [home, *home.rglob("*"), typed.folder / "events.jsonl", typed.folder / "scores.xlsx"]
    assert {path.name for path in paths} >= {"hot.sqlite", "dagster", "log", "lake", "demo", "dagster.yaml"}
    assert not [f"{path.stat().st_mode:o} {path}" for path in paths if path.exists() and path.stat().st_mode & 0o077]


def test_the_reference_has_every_file_of_the_home_folder(typed: Typed) -> None:
    assert unknown(typed.folder / ".assess") == []


def test_a_kill_of_up_leaves_no_process_running(typed: Typed) -> None:
    """The last test here: starting another `assess up` for it would take 10 s of processor time."""
    home = typed.folder / ".assess"
    assert len(processes_of(home)) > 4
    typed.up.kill()
    assert typed.up.wait(10) == -signal.SIGKILL
    assert within(60, lambda: not processes_of(home)), processes_of(home)
