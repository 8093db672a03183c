"""What services cost after a long history: starting the API and Dagster, and a backfill of 100 new slices.

Dagster runs as `assess up` runs it. Its processor time also has the idle work of its daemon while the backfill runs, so
it varies with the load of the machine.
"""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from assess_assets.registration import Range
from assess_core.settings import Settings
from benchmarks.dagster_service import Service, Used, Watch, running, used_by
from benchmarks.growth_operations import Home, dagster_of
from benchmarks.measure import Run

_LIMIT: Final = 1800  # deadline of a backfill in seconds


def start_of_api(settings: Settings) -> Run:
    """Until the API answers its first request."""
    started = time.perf_counter()
    command, env = [sys.executable, "-m", "graphql_api", "--port", "0"], {**os.environ, **settings.env()}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            port = int(process.stderr.readline().rsplit(":", 1)[1].split("/")[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                answer.read()
            used = used_by(Path(f"/proc/{process.pid}"))
            return Run(time.perf_counter() - started, used.seconds, used.peak)
        finally:
            process.terminate()


def services(home: Home) -> dict[str, Run]:
    """The start of Dagster, its code server alone, and a backfill of new slices."""
    fresh = [str(slice_) for slice_ in home.add_fresh()]
    dagster_of(home).add_dynamic_partitions("archive_slices", fresh)
    started = time.perf_counter()
    with running(home.settings, home.path / "dagster.log") as dagster, Watch(dagster.process.pid) as watch:
        found = {"start of Dagster": _run(started, _seen(watch))}
        begun, before = time.perf_counter(), _run(started, watch.used.values()).cpu
        backfill = dagster.backfill([Range(fresh[0], fresh[-1])], "growth")
        _wait(dagster, backfill)
        after = _run(begun, watch.used.values())
        found["backfill of 100 slices"] = after._replace(cpu=after.cpu - before)
        servers = [used for used in watch.used.values() if "code-server" in used.command or "grpc" in used.command]
        found["Dagster's code server"] = _run(started, servers)
    return found


def _wait(dagster: Service, backfill: str) -> None:
    dagster.wait("the backfill", lambda: dagster.state(backfill).has_ended, _LIMIT)
    state = dagster.state(backfill)
    assert state.succeeded, state


def _seen(watch: Watch) -> list[Used]:
    """The processes, after each was sampled."""
    time.sleep(1)
    return list(watch.used.values())


def _run(started: float, used: Iterable[Used]) -> Run:
    some = list(used)
    return Run(time.perf_counter() - started, sum(each.seconds for each in some), sum(each.peak for each in some))
