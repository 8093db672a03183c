"""What the core asks about courses, assessments and batches."""

from collections.abc import Iterator
from enum import Enum
from typing import Final, Protocol

from assess_core.ports.findings import Finding, Level

ONGOING: Final = 1
"""Sunbird's status of a batch that is on-going; 0 is a future batch, 2 a finished one."""


class BatchState(Enum):
    """What is known of a batch of a course."""

    ONGOING = "on-going"
    NOT_ONGOING = "not on-going"
    UNKNOWN = "unknown"


class Facts(Protocol):
    """A port: the stream asks of courses and assessments, for a version that is new; the write API asks of batches."""

    def leaf_nodes(self, course_id: str) -> frozenset[str] | None:
        """The assessments and contents of a course; None when the course is not known."""
        ...

    def question_count(self, assessment_id: str) -> int | None:
        """How many questions the assessment has; None when that is not known."""
        ...

    def batch(self, course_id: str, batch_id: str) -> BatchState | None:
        """Whether the batch is on-going; None when nothing is known of any batch. Raises `StoreUnavailable`."""
        ...

    def examine(self) -> Iterator[Finding]:
        """What there is, for `assess doctor`; may read all of it. Raises `StoreUnavailable`."""
        ...


class NoFacts:
    """Nothing is known: every course, assessment and batch is accepted."""

    def leaf_nodes(self, course_id: str) -> frozenset[str] | None:
        return None

    def question_count(self, assessment_id: str) -> int | None:
        return None

    def batch(self, course_id: str, batch_id: str) -> BatchState | None:
        return None

    def examine(self) -> Iterator[Finding]:
        yield Finding(Level.OK, "facts", "ASSESS_FACTS names none: every course, assessment and batch is accepted")


def batches_finding(known: int, ongoing: int, action: str) -> Finding:
    """How many batches are known; a warning with this action if none of them is on-going."""
    message = f"{known:,} batches, {ongoing:,} of them on-going"
    if ongoing:
        return Finding(Level.OK, "facts", message)
    return Finding(Level.WARN, "facts", f"{message}: the write API stores nothing", action)
