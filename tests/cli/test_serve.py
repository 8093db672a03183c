"""`assess up` and `assess api` on the command line."""

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
PATIENCE = 120  # seconds until a command is killed
SLICES = {"query": "{ slices { id } }"}


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    """Starts an `assess` command that does not end by itself. Yields its process and its standard error."""
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


def until(text: str, lines: IO[str]) -> list[str]:
    """The lines up to the first one with this text."""
    read = []
    for one in lines:
        read.append(one)
        if text in one:
            return read
    raise AssertionError("".join(read))


def query_slices(port: int) -> object:
    request = urllib.request.Request(
        f"http://{HOST}:{port}/graphql", json.dumps(SLICES).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def housekeeping(home: Path, *arguments: str) -> str:
    """The output of `assess housekeeping` for the Dagster of `UP`."""
    url = f"http://{HOST}:{UP[-1]}"
    command = [sys.executable, "-P", "-m", "assess_cli", "--home", str(home), "housekeeping", *arguments]
    return subprocess.run([*command, "--dagster", url], capture_output=True, text=True, check=True).stdout


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


def processes_of(home: Path) -> dict[int, list[str]]:
    """The processes of this home folder, found by their environment, with their command lines."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # the process ended, or belongs to another user
            if process.environ().get("ASSESS_HOME") == str(home):
                found[process.pid] = process.cmdline()
    return found


@pytest.mark.long
def test_up_reads_the_log_accepts_attempts_answers_queries_and_stops_at_one_signal(tmp_path: Path) -> None:
    api_port = free_port(0)
    with running(tmp_path, *UP, "--api-port", str(api_port)) as (process, lines):
        until("everything is up", lines)
        until("housekeeping is off (the default)", lines)
        assert housekeeping(tmp_path, "on").startswith("housekeeping is on: ")
        assert all(each["on"] for each in json.loads(housekeeping(tmp_path, "status", "--json")))
        assert housekeeping(tmp_path, "off").startswith("housekeeping is off")
        (tmp_path / "log" / "today.jsonl").write_bytes(line(event(batch="b1")) + b"\n")
        assert within(10, lambda: query_slices(api_port) == {"data": {"slices": [{"id": "b1|2024-W05"}]}})
        assert '"b2": "SUCCESS"' in json.dumps(submitted(api_port, event(batch="b2")))
        assert within(10, lambda: "b2|" in json.dumps(query_slices(api_port)))

        process.send_signal(signal.SIGINT)
        output = lines.read()

        assert process.wait(timeout=30) == 0
        assert "assess: stopping" in output
        assert not re.search(r"Traceback|INFO|DEBUG|BetaWarning", output)
    assert within(5, lambda: not processes_of(tmp_path)), processes_of(tmp_path)


def test_the_api_runs_in_the_process_of_the_command(tmp_path: Path) -> None:
    port = free_port(0)
    with running(tmp_path, "api", "--port", str(port)) as (process, lines):
        until("API on", lines)
        assert query_slices(port) == {"data": {"slices": []}}
        assert list(processes_of(tmp_path)) == [process.pid]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_a_port_in_use_is_refused_with_its_number(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as in_use:
        port = in_use.getsockname()[1]
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
