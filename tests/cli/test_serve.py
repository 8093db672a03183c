"""`assess up` and `assess api` as a person runs them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import IO

import psutil
import pytest

from assess_cli.serve import install_dagster_home
from assess_cli.together import HOST, free_port
from assess_core.settings import Settings
from tests.cli.test_together import within
from tests.factories import event, line

UP = ("up", "--dagster-port", str(free_port(0)))
PATIENCE = 120  # seconds until a command that should be up, and is not, is killed
SLICES = {"query": "{ slices { id } }"}


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    """An `assess` command that lasts, and what it says."""
    command = [sys.executable, "-P", "-m", "assess_cli", "--home", str(home), *arguments]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ASSESS_", "DAGSTER_"))}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stderr is not None
        watchdog = Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            yield process, process.stderr
        finally:
            watchdog.cancel()
            process.terminate()


def until(said: str, lines: IO[str]) -> list[str]:
    """The lines up to one that holds this text."""
    read = []
    for one in lines:
        read.append(one)
        if said in one:
            return read
    raise AssertionError("".join(read))


def asked(port: int) -> object:
    request = urllib.request.Request(
        f"http://{HOST}:{port}/graphql", json.dumps(SLICES).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def submitted(port: int, message: object) -> object:
    """The result of sending an attempt to the write API."""
    request = urllib.request.Request(
        f"http://{HOST}:{port}/v1/content/state/update",
        json.dumps({"request": {"assessments": [message]}}).encode(),
        {"content-type": "application/json"},
        method="PATCH",
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["result"]


def of_home(home: Path) -> dict[int, list[str]]:
    """The processes that work for this home folder: only they have it in their environment."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it ended, or belongs to another user
            if process.environ().get("ASSESS_HOME") == str(home):
                found[process.pid] = process.cmdline()
    return found


def test_up_reads_the_log_takes_attempts_answers_and_stops_at_one_signal(tmp_path: Path) -> None:
    api_port = free_port(0)
    with running(tmp_path, *UP, "--api-port", str(api_port)) as (process, lines):
        until("everything is up", lines)
        assert "clear_verified_weeks is off; turn it on at http" in until("retire_cleared_slices is off", lines)[-2]
        (tmp_path / "log" / "today.jsonl").write_bytes(line(event(batch="b1")) + b"\n")
        assert within(10, lambda: asked(api_port) == {"data": {"slices": [{"id": "b1|2024-W05"}]}})
        assert '"b2": "SUCCESS"' in json.dumps(submitted(api_port, event(batch="b2")))
        assert within(10, lambda: "b2|" in json.dumps(asked(api_port)))

        process.send_signal(signal.SIGINT)
        said = lines.read()

        assert process.wait(timeout=30) == 0
        assert "assess: stopping" in said
        assert not re.search(r"Traceback|INFO|DEBUG|BetaWarning", said)
    assert within(5, lambda: not of_home(tmp_path)), of_home(tmp_path)


def test_a_kill_of_up_leaves_nothing_running(tmp_path: Path) -> None:
    with running(tmp_path, *UP, "--api-port", str(free_port(0))) as (process, lines):
        until("everything is up", lines)
        assert len(of_home(tmp_path)) > 4
        process.kill()
    assert within(60, lambda: not of_home(tmp_path)), of_home(tmp_path)


def test_the_api_is_this_very_process(tmp_path: Path) -> None:
    port = free_port(0)
    with running(tmp_path, "api", "--port", str(port)) as (process, lines):
        until("API on", lines)
        assert asked(port) == {"data": {"slices": []}}
        assert list(of_home(tmp_path)) == [process.pid]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_a_port_that_is_taken_is_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with running(tmp_path, "api", "--port", str(port)) as (process, lines):
            assert process.wait(timeout=10) == 2
            assert f"--host {HOST} --port {port}: Address already in use" in lines.read()


@pytest.mark.parametrize("name", ["home", 'it\'s a "home" with ünïcode'])
def test_dagster_keeps_its_records_below_the_home_folder(tmp_path: Path, name: str) -> None:
    settings = Settings.from_env({}, str(tmp_path / name))
    folder = install_dagster_home(settings.home)
    written = (folder / "dagster.yaml").read_text(encoding="utf-8")
    assert folder == settings.home / "dagster"
    for kind in ("storage/history", "storage/history/runs", "storage/schedules", "artifacts", "compute_logs"):
        assert f"base_dir: {json.dumps(f'{folder}/{kind}')}\n" in written
    assert (folder / "workspace.yaml").is_file()
