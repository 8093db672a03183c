"""Every block of the README, typed in its order into fresh shells on a checkout, as a new user does."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from assess_cli.together import HOST, free_port
from tests.cli.test_together import within

ROOT = Path(__file__).parents[1]
BLOCKS: Final = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
ATTEMPT: Final = "my-first-attempt"  # what the README submits
SCORE: Final = 2  # of that attempt
DONE, FAILED = "__done__", "__failed__"

pytestmark = [
    pytest.mark.timeout(900),  # the demo takes 25 s of processor time, `assess up` 10 s; and twice the patience
    pytest.mark.xdist_group("readme"),  # one worker types the README, once
]


class Shell:
    """A bash in which `assess` is no command yet, as after a login."""

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
        """What a block prints on standard output; fails the test when one of its commands fails."""
        assert self.process.stdout is not None
        self.send(f"{block}\necho; echo {DONE}\n")
        lines: list[str] = []
        for line in self.process.stdout:
            if line.startswith(DONE):
                break
            lines.append(line)
        said = "".join(lines)
        assert line.startswith(DONE), f"the shell ended\n{block}\n{self.errors.read_text()}"
        assert FAILED not in said, f"{block}\n{said}\n{self.errors.read_text()}"
        return said.removesuffix("\n")

    def close(self) -> None:
        self.process.communicate(timeout=90)


class Typed(NamedTuple):
    """What happened while the README was typed."""

    folder: Path
    demo: str
    """What `make demo` printed."""
    before: dict[str, object]
    """The score of the learner before the README submits an attempt."""
    read: dict[str, object]
    """The same score over HTTP."""
    submitted: dict[str, object]
    shell: Shell
    """With the virtual environment active, and `assess up` running beside it."""


def checkout(folder: Path) -> Path:
    """What `make` needs of a checkout, with a virtual environment that is set up already: this one."""
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
        # not 8000 and 3000, which another test or a developer may use
        second.send(up.replace("assess up", f"exec assess up --api-port {api} --dagster-port {dagster}"))
        assert within(120, lambda: "everything is up" in second.errors.read_text()), second.errors.read_text()
        shell.type(mentor)
        before, answer = shell.type(here(read, api)).strip().splitlines()
        submitted = json.loads(shell.type(here(submit, api)))
        yield Typed(folder, demo, json.loads(before), json.loads(answer)["result"], submitted["result"], shell)
    finally:
        second.process.send_signal(signal.SIGINT)
        second.close()
        shell.close()


def here(block: str, port: int) -> str:
    return block.replace("127.0.0.1:8000", f"{HOST}:{port}")


def test_a_report_is_where_the_readme_says(typed: Typed) -> None:
    assert (typed.folder / "scores.parquet").read_bytes()[:4] == b"PAR1"


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


def test_the_lines_of_the_demo_run_in_a_fresh_shell(typed: Typed) -> None:
    lines = typed.demo.partition("Look around:\n")[2].splitlines()
    fresh = Shell(typed.folder)
    try:
        shown = {line.split()[3]: fresh.type(line) for line in lines if line.strip() and not line.endswith(" up")}
    finally:
        fresh.close()
    assert list(shown) == ["slices", "table", "score", "exhaust"]
    assert all(shown.values())
    assert lines[-1].endswith(" up") or lines[-2].endswith(" up")


def test_everything_that_was_written_is_for_this_user_alone(typed: Typed) -> None:
    home = typed.folder / ".assess"
    paths = [home, *home.rglob("*"), typed.folder / "events.jsonl", typed.folder / "scores.parquet"]
    assert {path.name for path in paths} >= {"hot.sqlite", "dagster", "log", "lake", "demo", "dagster.yaml"}
    assert not [f"{path.stat().st_mode:o} {path}" for path in paths if path.exists() and path.stat().st_mode & 0o077]
