"""One crash run: from a seed a log, and what happens to it, until everything is put away and compared with the oracle."""

import json
import random
import signal
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from assess_core.cli import COMMANDS
from tests.crash import evidence
from tests.crash.expectations import Bounds, Line, Wrong, check_response_exhaust, check_score_exhaust, check_table
from tests.crash.logs import make_lines
from tests.crash.workers import Worker

LATER: Final = ("--closed", "--as-of", "2099-01-01")
TABLES: Final = ("attempts", "summaries", "activity", "failed")
_MOVES: Final = 24
_TOGETHER: Final = 3
"""Workers that are alive at a time."""
_REFUSED: Final = 4  # an exit code: verify or clear found something to do first, a slice is not closed
_UNKNOWN: Final = 3
_LOSS: Final = ("Traceback", "restore", "panicked", "neither in the hot store nor in the lake", "instead of")


class Task(NamedTuple):
    """What a worker is to do."""

    name: str
    commands: list[tuple[str, ...]]
    takes: Collection[Line] = ()
    """Lines that are folded when it ends well."""
    fine: frozenset[int] = frozenset({0})
    """The exit codes that say nothing bad."""
    check: Callable[[str, Bounds], None] | None = None
    """Looks at what it printed."""
    effects: int = 40
    """About as many boundaries as it has: it may die at each."""


class Started(NamedTuple):
    """A worker, what it does, and what had been acknowledged when it began."""

    worker: Worker
    task: Task
    least: frozenset[Line]
    dies_at: int | None


class Tally(NamedTuple):
    """What happened in a run."""

    workers: int
    killed: int
    cleared: int
    """Workers that cleared something, killed ones too."""
    reads: int
    seconds: float


class CrashRun:
    """A seed's run in a folder of its own; `env` names the servers, if any. Raises `Wrong`, `workers.Hangs`."""

    def __init__(self, seed: int, folder: Path, env: Mapping[str, str]) -> None:
        self.chance = random.Random(seed)
        self.folder = folder.resolve()
        self.home = self.folder / "home"
        self.log = self.home / "log" / "events.jsonl"
        self.inbox = self.home / "inbox"
        for path in (self.log.parent, self.inbox):
            path.mkdir(parents=True)
        prefix = f"{env.get('IDS', '')}"
        self.env = {
            "ASSESS_HOME": str(self.home),
            "ASSESS_HOT_STORE": f"sqlite:///{self.home}/hot.sqlite?shards=2",
            **{f"ASSESS_{name}": "" for name in ("LAKE", "EXHAUSTS", "LOG", "GRACE", "FACTS")},
            **env,
        }
        self.to_come = make_lines(self.chance, prefix)
        self.handed_in: list[Line] = []
        self.in_log = 0
        self.folded: set[Line] = set()
        self.alive: list[Started] = []
        self.story: list[str] = []
        """What happened, a line each, for whoever reads a failure."""
        self.ended: list[Started] = []
        self.reads = 0
        self.wrote_together = False

    def run(self) -> Tally:
        """The whole run."""
        begun = time.monotonic()
        try:
            if self.chance.random() < 0.65:
                self._by_turns()
            else:
                self._at_once()
            self._put_everything_away()
        finally:
            for started in self.alive:
                started.worker.kill()
        ended = [started.worker for started in self.ended]
        cleared = sum(started.task.name in ("clear", "put-away") for started in self.ended)
        killed = sum(worker.killed for worker in ended)
        return Tally(len(ended), killed, cleared, self.reads, time.monotonic() - begun)

    # --- what may happen ---

    def _by_turns(self) -> None:
        """One worker goes on at a time, from boundary to boundary: the same each time, deaths too."""
        for _ in range(_MOVES):
            kind = self.chance.choices(("start", "go", "hand in"), (4, 5, 1))[0]
            if kind == "hand in":
                self._hand_in()
            elif (kind == "start" or not self.alive) and len(self.alive) < _TOGETHER:
                self._start(self._task(), turns=True)
            else:
                self._go(self.chance.choice(self.alive), self.chance.randint(1, 20))
        self.chance.shuffle(self.alive)
        for started in list(self.alive):
            if started.task.name == "tail":
                self._stop(started)
            else:
                self._go(started, 1000)

    def _at_once(self) -> None:
        """Workers run together, as fast as they can, and are killed when it pleases them or the clock."""
        for _ in range(3):
            deaths: list[tuple[float, Started]] = []
            for _ in range(self.chance.randint(2, _TOGETHER)):
                effects = self._small(60) if self.chance.random() < 0.3 else None
                started = self._start(self._task(), turns=False, effects=effects)
                if self.chance.random() < 0.4:
                    deaths.append((time.monotonic() + self.chance.uniform(0, 0.3), started))
                if self.chance.random() < 0.3:
                    self._hand_in()
            for at, started in sorted(deaths, key=lambda death: death[0]):
                started.worker.hear(max(at - time.monotonic(), 0))
                started.worker.kill()
            for started in sorted(self.alive, key=lambda started: started.task.name == "tail"):
                self._stop(started) if started.task.name == "tail" else self._wait(started)

    def _start(
        self, task: Task, turns: bool, effects: int | None = None, env: Mapping[str, str] | None = None
    ) -> Started:
        number = len(self.ended) + len(self.alive) + 1
        dies_at = self._small(task.effects) if turns and self.chance.random() < 0.45 else None
        self._hear()
        names = [started.task.name for started in self.alive]
        self.wrote_together |= task.name in ("archive", "put-away", "compact") and len(names) > 0
        self.story.append(
            f"start {number} {' && '.join(' '.join(c) for c in task.commands)}"
            f"{'' if dies_at is None else f', dies at boundary {dies_at}'}"
            f"{'' if effects is None else f', dies at effect {effects}'}"
            f"{'' if turns else ', at once'}"
        )
        worker = Worker(number, task.name, task.commands, self.folder / "workers", env or self.env, turns, effects)
        started = Started(worker, task, frozenset(self.folded), dies_at)
        self.alive.append(started)
        if turns:
            worker.hear()
            self._look(started)
        return started

    def _small(self, most: int) -> int:
        """Each number up to `most`, small ones more often: at the start there is more of them to reach."""
        return int(most ** self.chance.random())

    def _go(self, started: Started, boundaries: int) -> None:
        worker = started.worker
        before = worker.boundaries
        if started.dies_at is None:
            worker.go(boundaries)
        else:
            worker.go(min(boundaries, max(started.dies_at - worker.boundaries, 0)))
            if not worker.ended and worker.boundaries >= started.dies_at:
                worker.kill()
        self.story.append(f"go {worker.number}: {worker.boundaries - before} boundaries")
        self._look(started)

    def _stop(self, started: Started) -> None:
        """Ask it to end, as Ctrl-C does, or kill it."""
        if not started.worker.ended:
            how = signal.SIGTERM if self.chance.random() < 0.5 else signal.SIGKILL
            started.worker.kill(how)
            self.story.append(f"stop {started.worker.number} by {how.name}")
        started.worker.finish()
        self._look(started)

    def _wait(self, started: Started) -> None:
        started.worker.finish()
        self._look(started)

    def _hear(self) -> None:
        """What was acknowledged until now."""
        for started in self.alive:
            if started.worker.hear(0):
                pass
            for topic, line in started.worker.acknowledged.items():
                self.folded |= {known for known in self.handed_in if known.topic == topic and known.offset < line}

    def _look(self, started: Started) -> None:
        """Judge a worker that has ended."""
        worker, task = started.worker, started.task
        self._hear()
        if not worker.ended:
            return
        self.alive.remove(started)
        self.ended.append(started)
        self.story.append(f"{worker}: {worker.said().strip().splitlines()[-1:]}")
        if loss := next((word for word in _LOSS if word in worker.said()), None):
            raise Wrong(f"{worker}, said {loss!r}: {worker.said()}")
        if worker.killed:
            return
        if worker.code not in task.fine:
            raise Wrong(f"{worker}, said: {worker.said()}")
        if list(worker.temporary.iterdir()):
            raise Wrong(f"{worker}, and left {sorted(worker.temporary.iterdir())[0]}")
        if worker.code == 0:
            self.folded |= set(task.takes)
            if task.check:
                self.reads += 1
                task.check(worker.out.read_text("utf-8"), Bounds(started.least, self.handed_in))

    # --- the log ---

    def _hand_in(self) -> None:
        """The next lines come into the log."""
        if self.to_come:
            self._write(self.log, self._next_lines())

    def _next_lines(self) -> list[bytes]:
        number = self.chance.randint(1, 4)
        lines, self.to_come = self.to_come[:number], self.to_come[number:]
        return lines

    def _write(self, path: Path, raws: Iterable[bytes]) -> list[Line]:
        first = self.in_log + 1 if path == self.log else 1
        new = [Line(str(path), number, raw) for number, raw in enumerate(raws, first)]
        if path == self.log:
            self.in_log += len(new)
        self.handed_in += new
        self.story.append(f"{len(new)} lines into {path.name}")
        with path.open("ab") as file:
            file.write(b"".join(line.raw + b"\n" for line in new))
        return new

    # --- tasks ---

    def _task(self) -> Task:
        unread = any(line.topic == str(self.log) for line in set(self.handed_in) - self.folded)
        house = 1 if self.folded else 0
        tasks: list[tuple[float, Callable[[], Task]]] = [
            (3 if self.to_come else 0.1, self._ingest),
            (1 if self.handed_in else 0, self._replay),
            (5 if unread else 0.3, _tail),
            (5 * house, lambda: self._housekeeping("put-away", "archive", "verify", "clear")),
            (1.5 * house, lambda: self._housekeeping("archive", "archive")),
            (1 * house, lambda: self._housekeeping("verify", "verify")),
            (2 * house, lambda: self._housekeeping("clear", "clear")),
            (house if "compact" in COMMANDS else 0, lambda: Task("compact", [("assess", "compact")])),
            (1 * house, self._table),
            (1.5 * house, self._exhaust),
        ]
        weights, make = zip(*tasks, strict=True)
        return self.chance.choices(make, weights)[0]()

    def _ingest(self) -> Task:
        path = self.inbox / f"{len(list(self.inbox.iterdir()))}.jsonl"
        lines = self._write(path, self._next_lines())
        return Task("ingest", [("stream", "ingest", str(path))], lines)

    def _replay(self) -> Task:
        topic = self.chance.choice(sorted({line.topic for line in self.handed_in}))
        lines = [line for line in self.handed_in if line.topic == topic]
        return Task("replay", [("stream", "ingest", topic)], lines)

    def _housekeeping(self, name: str, *steps: str) -> Task:
        named = self._slices() if steps[0] != "archive" and self.chance.random() < 0.5 else []
        which = self.chance.sample(named, self.chance.randint(1, len(named))) if named else LATER
        return Task(name, [("assess", step, *which) for step in steps], fine=frozenset({0, _REFUSED}), effects=60)

    def _slices(self) -> list[str]:
        """Slices that the stores know."""
        known = Bounds(self.folded, self.folded).most["slices"]
        return sorted(f"{batch}|{year:04}-W{week:02}" for batch, year, week in known)

    def _table(self) -> Task:
        name = self.chance.choice(TABLES)
        return self._table_of(name)

    def _table_of(self, name: str) -> Task:
        def check(text: str, bounds: Bounds) -> None:
            check_table(name, [json.loads(row) for row in text.splitlines()], bounds)

        return Task("table", [("assess", "table", name, "--format", "jsonl")], check=check, effects=15)

    def _exhaust(self) -> Task:
        messages = [line.raw for line in self.handed_in if b'"batchId"' in line.raw]
        batches = sorted({key[2] for key in Bounds((), self.handed_in).most["attempts"]})
        batch = self.chance.choice(batches) if batches and messages else "no batch"
        return self._exhaust_of(batch, self.chance.choice(("score", "response")))

    def _exhaust_of(self, batch: str, report: str) -> Task:
        looks: dict[str, Any] = {"score": check_score_exhaust, "response": check_response_exhaust}

        def check(path: str, bounds: Bounds) -> None:
            with Path(path.strip()).open(encoding="utf-8", newline="") as file:
                looks[report](file.read(), batch, bounds)

        must = any(key[2] == batch for key in Bounds((), self.folded).most["attempts"])
        fine = frozenset({0} if must else {0, _UNKNOWN})
        return Task("exhaust", [("assess", "exhaust", batch, "--report", report)], fine=fine, check=check, effects=25)

    # --- the end ---

    def _put_everything_away(self) -> None:
        """Once without deaths: everything is folded, put away, compared; and nothing is left."""
        while self.to_come:
            self._hand_in()
        self.story.append("the end: no more deaths")
        for topic in sorted({line.topic for line in set(self.handed_in) - self.folded} - {str(self.log)}):
            lines = [line for line in self.handed_in if line.topic == topic]
            self._do(Task("ingest", [("stream", "ingest", topic)], lines))
        self._read_to_the_end()
        steps = [("assess", step, *LATER) for step in ("archive", "verify", "clear")]
        self._do(Task("put-away", steps))
        for name in TABLES:
            self._do(self._table_of(name))
        self._do(Task("hot", [("assess", "table", "attempts", "--tier", "hot", "--format", "jsonl")], check=_is_empty))
        self._do(Task("slices", [("assess", "table", "slices", "--format", "jsonl")], check=_are_cleared))
        self._compare_reports()
        killed = [started.task.name for started in self.ended if started.worker.killed]
        writers = self.wrote_together or bool({"archive", "put-away", "verify", "clear", "compact"} & set(killed))
        evidence.check(self.home, Bounds(self.handed_in, self.handed_in), evidence.Leftovers(writers, killed.count("exhaust")))

    def _read_to_the_end(self) -> None:
        tail = self._start(_tail(), turns=False)
        until = time.monotonic() + 60
        while set(self.handed_in) - self.folded:
            tail.worker.hear(0.01)
            self._hear()
            if tail.worker.ended or time.monotonic() > until:
                raise Wrong(f"{tail.worker}, did not read {sorted(set(self.handed_in) - self.folded)}: {tail.worker.said()}")
        tail.worker.kill(signal.SIGTERM)
        self._wait(tail)

    def _do(self, task: Task, env: Mapping[str, str] | None = None) -> Worker:
        started = self._start(task, turns=False, env=env)
        self._wait(started)
        if started.worker.code != 0:
            raise Wrong(f"{started.worker}, said: {started.worker.said()}")
        return started.worker

    def _compare_reports(self) -> None:
        """The bytes of all reports, beside those of a twin that folded the lines once and never archived."""
        batches = sorted({key[2] for key in Bounds((), self.handed_in).most["attempts"]})
        tasks = [self._exhaust_of(batch, report) for batch in batches for report in ("score", "response")]
        files = sorted({line.topic for line in self.handed_in})
        exhausts = [words for task in tasks for words in task.commands]
        twin = self._do(
            Task("twin", [("stream", "ingest", *files), *exhausts]),
            {**self.env, "ASSESS_HOME": str(self.folder / "twin"), "ASSESS_HOT_STORE": ""},
        )
        for task, path in zip(tasks, twin.out.read_text("utf-8").splitlines(), strict=True):
            found, wanted = (Path(each).read_bytes() for each in (self._do(task).out.read_text("utf-8").strip(), path))
            if found != wanted:
                what = " ".join(task.commands[0])
                raise Wrong(f"the bytes of `{what}` are {found!r}; without archive, once: {wanted!r}")


def _tail() -> Task:
    return Task("tail", [("stream", "tail")], fine=frozenset({0, -signal.SIGTERM}))


def _is_empty(text: str, _: Bounds) -> None:
    if text:
        raise Wrong(f"rows are left in the hot store after everything was put away: {text}")


def _are_cleared(text: str, bounds: Bounds) -> None:
    rows = [json.loads(row) for row in text.splitlines()]
    # a writer that died between a slice and its first row leaves the name of a slice that is empty for ever
    if not_cleared := [
        row for row in rows if row["hot_rows"] or (row["status"] != "cleared" and _place(row) in bounds.most["slices"])
    ]:
        raise Wrong(f"not cleared after everything was put away: {not_cleared[0]}")
    if missing := bounds.most["slices"].keys() - set(map(_place, rows)):
        raise Wrong(f"`slices` does not name {sorted(missing)[0]}")


def _place(row: Mapping[str, Any]) -> tuple[str, int, int]:
    return row["batch_id"], row["year"], row["week"]
