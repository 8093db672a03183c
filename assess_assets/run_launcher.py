"""Dagster's launcher of runs as local processes, which also notices that the process of a run is gone.

The code server notices when the process of a run dies. If all of Dagster is killed and started again, nothing else
would notice: the run would count as started forever and keep its place in the lake's queue.
"""

from typing import Final

import dagster as dg
import psutil

from assess_assets.dagster_internals import CheckRunHealthResult, WorkerStatus

_TOLERANCE: Final = 2  # seconds; the start time of a process is rounded to clock ticks after boot


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Tells run monitoring whether the process of a run is alive. `dagster.yaml` names this class."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: monitoring fails a run whose process is gone, and run retries start it again."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Look for the process whose id the run wrote into its log when it began."""
        for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            named = entry.get_dagster_event().engine_event_data.metadata.get("pid")
            if named is not None:
                process = int(str(named.value))
                if is_alive(process, entry.timestamp):
                    return CheckRunHealthResult(WorkerStatus.RUNNING)
                return CheckRunHealthResult(WorkerStatus.FAILED, f"process {process} is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING, "the run has not logged its process id yet")


def is_alive(process: int, since: float) -> bool:
    """Whether a process that ran at `since` (epoch seconds) still runs; a later process with the same id is not it."""
    try:
        found = psutil.Process(process)
        return found.status() != psutil.STATUS_ZOMBIE and found.create_time() <= since + _TOLERANCE
    except psutil.NoSuchProcess:
        return False
