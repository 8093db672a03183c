"""Use case: give a mentor the grants of a source. What was read is remembered for some seconds."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from assess_core.domain.access import Caller, Granted, Role
from assess_core.errors import AssessError
from assess_core.ports.grants import Grants

AGE: Final = 10.0
"""Seconds for which an answer is used, also the answer that the source cannot be read."""
MOST_REMEMBERED: Final = 10_000
UNREADABLE: Final = (
    "the table of grants cannot be read, so nothing that needs it is allowed; try again later, or ask the operator to "
    "run assess doctor"
)


class _Answer(NamedTuple):
    granted: Granted | None
    """None if the source could not be read."""
    until: float


class Granting:
    """Adds grants to callers. `notify` gets the details of a source that cannot be read: clients must not see them."""

    def __init__(
        self, grants: Grants, notify: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._grants = grants
        self._notify = notify
        self._now = now
        self._remembered: OrderedDict[str, _Answer] = OrderedDict()
        self._silent_until = float("-inf")
        self._lock = threading.Lock()

    def needs_source(self, caller: Caller) -> bool:
        """Whether `granted` must read the source, which can take time."""
        return Role.MENTOR in caller.roles and self._known(caller.id) is None

    def granted(self, caller: Caller) -> Caller:
        """The caller with the grants of the source. If it cannot be read, the caller carries the reason."""
        if Role.MENTOR not in caller.roles:
            return caller
        answer = self._known(caller.id) or self._read(caller.id)
        if answer.granted is None:
            return caller._replace(without_grants=UNREADABLE)
        return caller._replace(
            batches=caller.batches | answer.granted.batches, courses=caller.courses | answer.granted.courses
        )

    def _known(self, mentor: str) -> _Answer | None:
        with self._lock:
            found = self._remembered.get(mentor)
            return found if found is not None and self._now() < found.until else None

    def _read(self, mentor: str) -> _Answer:
        granted = None
        try:
            granted = self._grants.of(mentor)
        except AssessError as error:
            if self._now() >= self._silent_until:  # one message for all mentors
                self._silent_until = self._now() + AGE
                self._notify(f"{error}; until then mentors get only what their tokens grant")
        answer = _Answer(granted, self._now() + AGE)
        with self._lock:
            self._remembered[mentor] = answer
            self._remembered.move_to_end(mentor)
            if len(self._remembered) > MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        return answer
