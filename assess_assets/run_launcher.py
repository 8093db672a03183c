"""Runs as processes of this machine, as Dagster has them, but that a process which is gone is noticed.

The code server notices when a run's process dies. When all of Dagster was killed and started again nobody would: the
run counts as started for ever, and holds the place of the lake's only writer in the queue.
"""

import os
from pathlib import Path
from typing import Final

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

_PROC: Final = Path("/proc")
_BEGAN: Final = 18  # of the fields of /proc/PID/stat after the state: when it began, in ticks since the machine did
_ROUNDED: Final = 2  # seconds


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Answers run monitoring whether the process of a run is there; dagster.yaml names it."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: monitoring then fails a run whose process is gone, and run retries start it again."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """By the process id that the run wrote into its log when it began."""
        for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            said = entry.get_dagster_event().engine_event_data.metadata.get("pid")
            if said is not None:
                process = int(str(said.value))
                if lives(process, entry.timestamp):
                    return CheckRunHealthResult(WorkerStatus.RUNNING)
                return CheckRunHealthResult(WorkerStatus.FAILED, f"process {process} is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING, "it has not said yet which process it is")


def lives(process: int, since: float) -> bool:
    """Whether a process that was there at a moment (epoch seconds) is there still, and is not another of its number."""
    if not _PROC.is_dir():
        return _answers(process)
    try:
        state, *fields = (_PROC / str(process) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        booted = next(line for line in (_PROC / "stat").read_text(encoding="utf-8").splitlines() if "btime" in line)
    except OSError:
        return False
    began = int(booted.split()[1]) + int(fields[_BEGAN]) / os.sysconf("SC_CLK_TCK")
    return state != "Z" and began <= since + _ROUNDED


def _answers(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
