"""What the core needs to know about courses, assessments and batches."""

from collections.abc import Iterator
from enum import Enum
from typing import Final, Protocol

from assess_core.domain.counts import counted
from assess_core.ports.findings import Finding, Level

ONGOING: Final = 1
"""Sunbird's status of a batch that is on-going; 0 is a future batch, 2 a finished one."""


class BatchState(Enum):
    """The known state of a batch of a course."""

    ONGOING = "on-going"
    NOT_ONGOING = "not on-going"
    UNKNOWN = "unknown"


class Facts(Protocol):
    """The stream asks about courses and assessments for each new version; the API asks about batches."""

    def leaf_nodes(self, course_id: str) -> frozenset[str] | None:
        """The assessments and contents of a course; None if the course is unknown."""
        ...

    def question_count(self, assessment_id: str) -> int | None:
        """The number of questions of an assessment; None if it is unknown."""
        ...

    def batch(self, course_id: str, batch_id: str) -> BatchState | None:
        """The state of a batch; None if this source knows nothing about batches. Raises `StoreUnavailable`."""
        ...

    def batches_of(self, course_id: str, after: str, limit: int) -> list[str] | None:
        """The first `limit` batches of a course after `after` (empty: from the beginning), sorted.

        None if this source knows nothing about batches. Raises `StoreUnavailable`.
        """
        ...

    def examine(self) -> Iterator[Finding]:
        """The state of the source, for `assess doctor`. May read all of it. Raises `StoreUnavailable`."""
        ...


class NoFacts:
    """Knows nothing, so every course, assessment and batch is accepted."""

    def leaf_nodes(self, course_id: str) -> frozenset[str] | None:
        return None

    def question_count(self, assessment_id: str) -> int | None:
        return None

    def batch(self, course_id: str, batch_id: str) -> BatchState | None:
        return None

    def batches_of(self, course_id: str, after: str, limit: int) -> list[str] | None:
        return None

    def examine(self) -> Iterator[Finding]:
        yield Finding(Level.OK, "facts", "ASSESS_FACTS is not set: every course, assessment and batch is accepted")


def batches_finding(known: int, ongoing: int, action: str) -> Finding:
    """The number of known batches; a warning with this action if none of them is on-going."""
    message = f"{counted(known, 'batch', 'batches')}, {ongoing:,} on-going"
    if ongoing:
        return Finding(Level.OK, "facts", message)
    return Finding(Level.WARN, "facts", f"{message}: the write API stores nothing", action)
