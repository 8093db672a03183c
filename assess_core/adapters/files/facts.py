"""Facts about courses, assessments and batches, from a JSON file."""

import os
from collections.abc import Callable, Iterator
from heapq import nsmallest
from pathlib import Path
from typing import Final

import msgspec

from assess_core.adapters.files.changes import Identity, identity_of
from assess_core.adapters.files.setting_files import read_beginning
from assess_core.domain.counts import counted
from assess_core.domain.json_text import without_mark
from assess_core.errors import BadFacts
from assess_core.ports.facts import ONGOING, BatchState, batches_finding
from assess_core.ports.findings import Finding, Level

_MOST_BYTES: Final = 512 * 1024**2


class FactsBatch(msgspec.Struct, frozen=True, rename="camel"):
    """A batch in the facts file."""

    course_id: str
    status: int


class JsonFacts(msgspec.Struct, frozen=True, rename="camel"):
    """`{"leafNodes": {course: [ids]}, "questionCounts": {assessment: n}, "batches": {id: {"courseId", "status"}}}`.

    Each part may be missing; then nothing is known about it.
    """

    leaf_nodes_: dict[str, frozenset[str]] = msgspec.field(default_factory=dict, name="leafNodes")
    question_counts: dict[str, int] = {}
    batches: dict[str, FactsBatch] | None = None

    @classmethod
    def read(cls, path: Path) -> "JsonFacts":
        """Raises `BadFacts`."""
        try:
            content = read_beginning(path, _MOST_BYTES)
            if len(content) > _MOST_BYTES:
                raise BadFacts(
                    f"the facts file {str(path)!r} has more than {_MOST_BYTES // 1024**2} MiB; leave out what no event "
                    "names, or use ASSESS_FACTS=cassandra://HOST/KEYSPACE"
                )
            return msgspec.json.decode(without_mark(content), type=cls)
        except OSError as error:
            raise BadFacts(
                f"the facts file {str(path)!r} cannot be read: {error.strerror}; check --facts and ASSESS_FACTS"
            ) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadFacts(
                f"the facts file {str(path)!r} is not like "
                f'{{"leafNodes": {{"COURSE": ["ID"]}}, "questionCounts": {{"ASSESSMENT": 10}}, '
                f'"batches": {{"BATCH": {{"courseId": "COURSE", "status": {ONGOING}}}}}}}: {error}'
            ) from error

    def leaf_nodes(self, course_id: str) -> frozenset[str] | None:
        return self.leaf_nodes_.get(course_id) or None  # an empty list means unknown, as in the reference job

    def question_count(self, assessment_id: str) -> int | None:
        return self.question_counts.get(assessment_id)

    def batch(self, course_id: str, batch_id: str) -> BatchState | None:
        if self.batches is None:
            return None
        found = self.batches.get(batch_id)
        if found is None or found.course_id != course_id:
            return BatchState.UNKNOWN
        return BatchState.ONGOING if found.status == ONGOING else BatchState.NOT_ONGOING

    def batches_of(self, course_id: str, after: str, limit: int) -> list[str] | None:
        if self.batches is None:
            return None
        found = (id_ for id_, batch in self.batches.items() if batch.course_id == course_id and id_ > after)
        return nsmallest(limit, found)

    def examine(self) -> Iterator[Finding]:
        courses, assessments = len(self.leaf_nodes_), len(self.question_counts)
        of_each = f"leaf nodes of {counted(courses, 'course')}, questions of {counted(assessments, 'assessment')}"
        if self.batches is not None:
            ongoing = sum(batch.status == ONGOING for batch in self.batches.values())
            one = f'{{"BATCH": {{"courseId": "COURSE", "status": {ONGOING}}}}}'
            action = f'name those that are in "batches": {one}, or leave "batches" out'
            found = batches_finding(len(self.batches), ongoing, action)
            yield found._replace(message=f"{of_each}, {found.message}")
        elif self.leaf_nodes_ or self.question_counts:
            yield Finding(Level.OK, "facts", f"{of_each}; nothing about batches, so every batch is accepted")
        else:
            action = "give it leafNodes, questionCounts or batches, or leave ASSESS_FACTS out"
            yield Finding(Level.WARN, "facts", "the file is empty, so everything is accepted", action)


class FactsFile:
    """The facts of a JSON file. It is read again when it changes; while it cannot be read, the last facts are used."""

    def __init__(self, path: Path, notify: Callable[[str], None]) -> None:
        """Raises `BadFacts`."""
        self._path = path
        self._notify = notify
        self._seen = _identity(path)
        self._facts = JsonFacts.read(path)

    def leaf_nodes(self, course_id: str) -> frozenset[str] | None:
        return self._current().leaf_nodes(course_id)

    def question_count(self, assessment_id: str) -> int | None:
        return self._current().question_count(assessment_id)

    def batch(self, course_id: str, batch_id: str) -> BatchState | None:
        return self._current().batch(course_id, batch_id)

    def batches_of(self, course_id: str, after: str, limit: int) -> list[str] | None:
        return self._current().batches_of(course_id, after, limit)

    def examine(self) -> Iterator[Finding]:
        for finding in self._current().examine():
            yield finding._replace(message=f"{self._path}: {finding.message}")

    def _current(self) -> JsonFacts:
        now = _identity(self._path)
        if now != self._seen:
            self._seen = now
            try:
                self._facts = JsonFacts.read(self._path)
            except BadFacts as error:
                self._notify(f"{error}; until then the previous facts are used")
        return self._facts


def _identity(path: Path) -> Identity | None:
    """None if there is no file."""
    try:
        return identity_of(os.stat(path))
    except OSError:
        return None
