"""The log and the workers of a crash run: what is handed in, what runs, and checks of what was printed."""

import random
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.crash.corrections import Corrections
from tests.crash.expectations import Bounds, Line, Wrong
from tests.crash.logs import BATCHES, make_lines
from tests.crash.orders import Orders, Seen
from tests.crash.tasks import Task
from tests.crash.workers import Worker

# messages that no command may print here, because only the product changes its files
_LOSS: Final = ("Traceback", "panicked", "restore the", "neither in the hot store nor in the lake", "report this")
_CRASHES: Final = ("Traceback", "panicked")
_SAID: Final = range(1, 6)
"""The exit codes of a command that failed and said why."""


class Started(NamedTuple):
    """A worker, its task, and what was acknowledged before it began."""

    worker: Worker
    task: Task
    least: frozenset[Line]
    dies_at: int | None
    """The number of the write before which the worker is killed, from 1."""
    corrections: list[tuple[int, frozenset[bool]]]
    """What was known about the corrections before it began."""
    orders: Seen


class Run:
    """What is known about a run. Raises `Wrong`, `workers.Hangs`."""

    def __init__(self, seed: int, folder: Path, env: Mapping[str, str]) -> None:
        self.story: list[str] = []
        """One line for each event of the run, printed after a failure."""
        self._chance = random.Random(seed)
        self._folder = folder.resolve()
        self._home = self._folder / "home"
        self._log = self._home / "log" / "events.jsonl"
        self._inbox = self._home / "inbox"
        for path in (self._log.parent, self._inbox):
            path.mkdir(parents=True)
        embedded = {"ASSESS_HOT_STORE": f"sqlite:///{self._home}/hot.sqlite?shards=2"}
        defaults = {f"ASSESS_{name}": "" for name in ("LAKE", "EXHAUSTS", "LOG", "GRACE", "FACTS", "ERASURE_KEYS")}
        self._env = {"ASSESS_HOME": str(self._home), **embedded, **defaults, **env}
        self._is_embedded = "ASSESS_HOT_STORE" not in env
        self._to_come = make_lines(self._chance)
        self._orders = Orders(self._chance, self._folder)
        if self._orders.retains:
            self._env["ASSESS_RETENTION"] = str(self._orders.rules)
        self._handed_in: list[Line] = []
        self._in_log = 0
        self._read_until = 0
        """The last line of the log whose position is committed."""
        self._folded: set[Line] = set()
        self._alive: list[Started] = []
        self._ended: list[Started] = []
        self._reads = 0
        # kept scores stay as they were at the drop: so corrections come before it, or concern the other batches
        self._corrects_first = self._orders.retains and self._orders.keeps_scores and self._chance.random() < 0.5
        others = self._orders.retains and not self._corrects_first
        self._corrections = Corrections(self._folder, BATCHES[:1] if others else ())
        self._wrote_together = False

    def _batches(self) -> list[str]:
        """The batches that can have rows."""
        removed = self._orders.since(self._orders.seen())
        return sorted({key[2] for key in Bounds((), self._handed_in, removed=removed).most_rows})

    def _hand_in(self) -> None:
        """Append the next lines to the log."""
        if self._to_come:
            self._write(self._log, self._next_lines(), self._in_log + 1)
            self._in_log = sum(line.topic == str(self._log) for line in self._handed_in)

    def _next_lines(self) -> list[bytes]:
        number = self._chance.randint(1, 3)
        lines, self._to_come = self._to_come[:number], self._to_come[number:]
        return lines

    def _write(self, path: Path, raws: Iterable[bytes], first: int = 1) -> list[Line]:
        new = [Line(str(path), number, raw) for number, raw in enumerate(raws, first)]
        self._handed_in += new
        self.story.append(f"{len(new)} lines into {path.name}")
        with path.open("ab") as file:
            file.write(b"".join(line.raw + b"\n" for line in new))
        return new

    @property
    def _all_folded(self) -> bool:
        return self._folded.issuperset(self._handed_in)

    def _number(self, most: int) -> int:
        """A number from 1 to `most`. Small numbers are more frequent, because short commands have only those."""
        return self._chance.choice((int(most ** self._chance.random()), self._chance.randint(1, most)))

    def _start(
        self, task: Task, turns: bool = False, effects: int | None = None, env: Mapping[str, str] | None = None
    ) -> Started:
        number = len(self._ended) + len(self._alive) + 1
        dies_at = self._number(task.writes) if turns and self._chance.random() < 0.6 else None
        self._hear()
        self._wrote_together |= task.writes_lake and any(each.task.writes_lake for each in self._alive)
        worker = Worker(
            number, task.name, task.commands, self._folder / "workers", env or self._env, turns=turns, effects=effects
        )
        deaths = (f", dies at {what} {at}" for what, at in (("write", dies_at), ("effect", effects)) if at)
        self.story.append(f"start {worker}{''.join(deaths)}")
        about = self._corrections.seen(), self._orders.seen()
        started = Started(worker, task, frozenset(self._folded), dies_at, *about)
        self._corrections.began(task)
        folding = any(each.task.folds_events for each in self._alive)
        self._orders.began(task, is_clean=self._all_folded and not folding)
        self._alive.append(started)
        if turns:
            worker.hear()
            self._look(started)
        return started

    def _go(self, started: Started, boundaries: int) -> None:
        worker = started.worker
        before = worker.boundaries
        worker.go(boundaries, started.dies_at)
        if worker.writes == started.dies_at:
            worker.kill()
        self.story.append(f"go {worker.number}: {worker.boundaries - before} boundaries")
        self._look(started)

    def _stop(self, started: Started) -> None:
        """Interrupt the worker, as Ctrl-C does, or kill it."""
        how = signal.SIGTERM if self._chance.random() < 0.5 else signal.SIGKILL
        self.story.append(f"stop {started.worker.number} by {how.name}")
        started.worker.kill(how)
        self._wait(started)

    def _wait(self, started: Started) -> None:
        started.worker.finish()
        self._look(started)

    def _do(self, task: Task, env: Mapping[str, str] | None = None) -> Worker:
        """Run a task without kills."""
        started = self._start(task, env=env)
        self._wait(started)
        if started.worker.code != 0:
            raise Wrong(f"{started.worker}, printed: {started.worker.errors()}")
        return started.worker

    def _hear(self) -> None:
        """Update what is acknowledged so far."""
        for worker in (started.worker for started in self._alive):
            worker.hear(0)
            for topic, line in worker.acknowledged.items():
                self._read_until = max(self._read_until, line - 1)
                self._folded |= {known for known in self._handed_in if known.topic == topic and known.offset < line}

    def _look(self, started: Started) -> None:
        """Check the exit code and the output of a worker that has ended."""
        worker, task = started.worker, started.task
        self._hear()
        if not worker.ended:
            return
        self._alive.remove(started)
        self._ended.append(started)
        errors = worker.errors()
        self.story.append(f"{worker} after {worker.boundaries} boundaries: {errors.strip().splitlines()[-1:]}")
        failed = self._orders.disturbed(started.orders) and worker.code in _SAID and worker.code not in task.fine
        self._orders.ended(task, None if worker.killed or failed else worker.code)
        words = _CRASHES if failed else _LOSS
        if any(word in errors for word in words) or not (worker.killed or failed or worker.code in task.fine):
            raise Wrong(f"{worker}, printed: {errors}")
        if worker.killed or failed:
            return
        if left := sorted(worker.temporary.iterdir()):
            raise Wrong(f"{worker}, and left {left[0]}")
        if worker.code == 0:
            self._folded |= set(task.folds)
        self._corrections.ended(task, worker.code or 0)
        for text, check in zip(worker.printed()[: len(task.checks)], task.checks, strict=True):
            self._reads += 1
            options, removed = self._corrections.since(started.corrections), self._orders.since(started.orders)
            check(text, Bounds(started.least, self._handed_in, options, removed))
