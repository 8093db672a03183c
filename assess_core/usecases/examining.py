"""Use case: the findings of all checks, for readers who cannot wait for them.

A check of a store that does not answer takes many seconds, and all checks together some seconds of processor time. So
`Examiner` runs them one after the other in a thread of its own, and at most for a twentieth of the time. Readers get
the findings that are there.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from assess_core.ports.findings import Finding, Level
from assess_core.usecases.monitoring import FRESH, SHARE

_log = logging.getLogger(__name__)
_BROKEN: Final = Finding(
    Level.BAD, "checks", "a check ended with an internal error; the messages of this process have it", "assess doctor"
)


class Examined(NamedTuple):
    """What the newest run of the checks found so far."""

    began_at: int
    """epoch ms"""
    findings: tuple[Finding, ...]
    is_complete: bool
    again_at: int = 0
    """When the checks can begin again (epoch ms); 0 while they run."""


class Examiner:
    """The newest findings. `now` gives epoch ms; `clock` is monotonic, in seconds."""

    def __init__(
        self, examine: Callable[[], Iterator[Finding]], now: Callable[[], int], clock: Callable[[], float]
    ) -> None:
        self._examine, self._now, self._clock = examine, now, clock
        self._lock = threading.Lock()
        self._found = Examined(0, (), is_complete=True)
        self._next_at = clock()

    def newest(self) -> Examined:
        """The newest findings, without a wait; begins to check again if it is time."""
        with self._lock:
            if self._found.is_complete and self._clock() >= self._next_at:
                self._found = Examined(self._now(), (), is_complete=False)
                threading.Thread(target=self._run, name="examiner", daemon=True).start()
            return self._found

    def _run(self) -> None:
        started = self._clock()
        try:
            for finding in self._examine():
                self._add(finding)
        except Exception:  # noqa: BLE001 the findings before it stay, and the next run may succeed
            _log.exception("a check for the page of findings failed")
            self._add(_BROKEN)
        finally:
            ended = self._clock()
            pause = max(FRESH, SHARE * (ended - started))
            with self._lock:
                self._next_at = ended + pause
                self._found = self._found._replace(is_complete=True, again_at=self._now() + int(pause * 1000))

    def _add(self, finding: Finding) -> None:
        with self._lock:
            self._found = self._found._replace(findings=(*self._found.findings, finding))
