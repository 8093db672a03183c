"""The cost of an event: time by the clock, and CPU time of this process and of a server on the same machine."""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """Microseconds per event."""

    clock: float
    client: float
    """CPU time of this process."""
    server: float
    """CPU time of the server; 0 if its process is unknown."""

    @property
    def rate(self) -> float:
        """Events per second."""
        return 1e6 / self.clock

    @property
    def cpu(self) -> float:
        return self.client + self.server

    def __str__(self) -> str:
        return f"{self.rate:,.0f} events/s, CPU {self.client:.0f} us in the client and {self.server:.0f} in the server"


def cost(events: int, call: Callable[[], object], server: int | None = None) -> Cost:
    """Measure a call that handles this many events. `server`: the id of the server's process."""
    began = time.perf_counter(), time.process_time(), _cpu(server)
    call()
    ended = time.perf_counter(), time.process_time(), _cpu(server)
    return Cost(*((end - begin) / events * 1e6 for begin, end in zip(began, ended, strict=True)))


def peak_mib() -> float:
    """The largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu(process: int | None) -> float:
    """The seconds of CPU time that a process has used."""
    if process is None:
        return 0.0
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
