"""The tasks of workers: commands of the product and the checks of their output."""

import json
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.crash.expectations import (
    Bounds,
    Line,
    Wrong,
    check_balance,
    check_learner,
    check_response_exhaust,
    check_score_exhaust,
    check_table,
)

LATER: Final = ("--closed", "--as-of", "2099-01-01")
"""All slices, once the log is read."""
TABLES: Final = ("attempts", "summaries", "activity", "failed")
REPORTS: Final = {"score": check_score_exhaust, "response": check_response_exhaust}
BAD_INPUT: Final = 2
_REFUSED: Final = 4  # exit code if a slice is not closed, or if another step must come first
_UNKNOWN: Final = 3
_BUSY: Final = 5  # exit code if other processes keep changing the lake
WHO: Final = ("--by", "x", "--reason", "y")
_JSON: Final = ("--format", "jsonl")


class Task(NamedTuple):
    """A task for a worker."""

    name: str
    commands: Sequence[tuple[str, ...]]
    writes: int
    """The approximate number of modifying calls. The worker can be killed before each."""
    folds: Collection[Line] = ()
    """The lines that are folded after a successful end."""
    fine: Collection[int] = (0,)
    """The exit codes of a success."""
    checks: Sequence[Callable[[str, Bounds], None]] = ()
    """Check the output of each command. Raise `Wrong`."""

    @property
    def writes_lake(self) -> bool:
        return self.name in (
            "put away",
            "archive and verify",
            "archive",
            "verify",
            "clear",
            "compact",
            "seal",
            "restore",
            "rebuild",
            "erase",
            "retain",
        )

    @property
    def writes_files(self) -> bool:
        """Whether it writes reports or records of the register, each by way of a temporary file."""
        return self.name in ("exhaust", "rebuild", "erase", "retain", "hold", "release") or self.name.startswith(
            "correct"
        )

    @property
    def folds_events(self) -> bool:
        """Whether it writes rows or map entries of learners to the hot store."""
        return self.name in ("ingest", "tail", "rebuild", "restore")


def together(name: str, tasks: Sequence[Task]) -> Task:
    """Several reads in sequence in one process."""
    commands = [words for task in tasks for words in task.commands]
    return Task(name, commands, 1, checks=[check for task in tasks for check in task.checks])


def ingest(topics: Sequence[str], lines: Collection[Line]) -> Task:
    """Fold files from their start: an import, or a replay."""
    return Task("ingest", [("stream", "ingest", *topics)], 9, [line for line in lines if line.topic in topics])


def tail() -> Task:
    """Follow the log until a signal, which can arrive before the handler is installed."""
    return Task("tail", [("stream", "tail")], 12, fine=(0, -signal.SIGTERM))


def housekeeping(name: str, steps: Sequence[str], slices: Sequence[str] = LATER, must: bool = True) -> Task:
    """One or several steps. If `must` is true, the slices are known to exist."""
    fine = (0, _REFUSED) if must else (0, _REFUSED, _UNKNOWN)
    return Task(name, [("assess", step, *slices) for step in steps], 4 * len(steps), fine=fine)


def compact(*options: str) -> Task:
    """Compact files. A week whose files differ from the manifest is refused."""
    return Task("compact", [("assess", "compact", *options)], 3, fine=(0, _REFUSED))


def seal() -> Task:
    """Seal the manifest, which can be empty."""
    return Task("seal", [("assess", "seal")], 3, fine=(0, _UNKNOWN))


def rebuild(*paths: str) -> Task:
    """Rebuild the hot store. A killed archive can have left rows that the manifest does not count."""
    return Task("rebuild", [("assess", "rebuild", *paths)], 12, fine=(0, _REFUSED))


def erase(user: str, receipt: Path) -> Task:
    """Erase a learner. A hold, or a week that a killed archive left, refuses it."""
    words = ("assess", "erase", "--learner", user, *WHO, "--output", str(receipt))
    return Task("erase", [words], 14, fine=(0, _REFUSED, _BUSY))


def retain() -> Task:
    """Clear and drop what the rules say. A week whose files differ from the manifest is refused."""
    return Task("retain", [("assess", "retain")], 8, fine=(0, _REFUSED, _BUSY))


def hold(target: str, of: str) -> Task:
    """Enter a hold. It is refused if the learner is erased."""
    return Task("hold", [("assess", "hold", "add", target, of, *WHO)], 2, fine=(0, BAD_INPUT))


def release(holds: Sequence[str]) -> Task:
    """End holds."""
    return Task("release", [("assess", "hold", "release", id_, *WHO) for id_ in holds], 2 * len(holds))


def table(name: str) -> Task:
    """Print a table."""

    def check(text: str, bounds: Bounds) -> None:
        check_table(name, _rows(text), bounds)

    return Task("table", [("assess", "table", name, *_JSON)], 1, checks=[check])


def attempts(user: str) -> Task:
    """Read a learner's attempts, as the API does."""

    def check(text: str, bounds: Bounds) -> None:
        check_learner(user, [json.loads(row) for row in text.splitlines()], bounds)

    return Task("attempts", [("attempts", user)], 1, checks=[check])


def balance() -> Task:
    """Compute the balance sheet. A killed writer can have left rows that no map names yet."""

    def check(text: str, bounds: Bounds) -> None:
        check_balance(json.loads(text)["batches"], bounds)

    return Task("balance", [("assess", "balance", "--json")], 2, fine=(0, 1), checks=[check])


def doctor() -> Task:
    """Run doctor. A verification that failed because an archive was killed stays bad until the next one."""
    return Task("doctor", [("assess", "doctor", "--json")], 1, fine=(0, 1))


def exhaust(batch: str, report: str, must: bool = True) -> Task:
    """Write a report. If `must` is true, the batch is known to have attempts."""

    def check(path: str, bounds: Bounds) -> None:
        if path:  # otherwise the batch is unknown
            with Path(path.strip()).open(encoding="utf-8", newline="") as file:
                REPORTS[report](file.read(), batch, bounds)

    commands = [("assess", "exhaust", batch, "--report", report)]
    return Task("exhaust", commands, 2, fine=(0,) if must else (0, _UNKNOWN), checks=[check])


def hot() -> Task:
    """Check that the hot store has no row."""

    def check(text: str, _: Bounds) -> None:
        if text:
            raise Wrong(f"rows are left in the hot store after everything was cleared: {text}")

    return Task("hot", [("assess", "table", "attempts", "--tier", "hot", *_JSON)], 1, checks=[check])


def slices() -> Task:
    """Check that every slice is cleared."""
    return Task("slices", [("assess", "table", "slices", *_JSON)], 1, checks=[_check_slices])


def _check_slices(text: str, bounds: Bounds) -> None:
    rows = _rows(text)
    # a writer that was killed between a slice and its first row leaves an empty slice
    if bad := [
        row
        for row in rows
        if row["hot_rows"] or (row["status"] != _final(row, bounds) and _place(row) in bounds.most["slices"])
    ]:
        raise Wrong(f"not cleared at the end: {bad[0]}")
    if missing := bounds.most["slices"].keys() - set(map(_place, rows)):
        raise Wrong(f"`slices` does not name {min(missing)}")


def _final(row: Mapping[str, Any], bounds: Bounds) -> str:
    return "dropped" if bounds.removed.may_lack(("", "", row["batch_id"])) else "cleared"


def _place(row: Mapping[str, Any]) -> tuple[str, int, int]:
    return row["batch_id"], row["year"], row["week"]


def _rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in text.splitlines()]
