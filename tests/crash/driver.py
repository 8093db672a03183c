"""One crash run. A seed gives the log and its events. At the end everything is archived and equals the oracle."""

import json
import random
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.crash import evidence, tasks
from tests.crash.corrections import Corrections
from tests.crash.expectations import Bounds, Line, Wrong
from tests.crash.logs import BATCHES, LEARNERS, make_lines
from tests.crash.orders import Orders, Plan, Seen
from tests.crash.tasks import WHO, Task
from tests.crash.workers import Worker

_MOVES: Final = 32
_TOGETHER: Final = 3
"""Workers alive at the same time."""
_EFFECTS: Final = 8
"""Statements and file changes per modifying call of a store."""
_WORK: Final = 0.025
"""Processor seconds for each modifying call."""
_PATIENCE: Final = 120.0
_STEPS: Final = ("archive", "verify", "clear")
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


class Counts(NamedTuple):
    """Counts of a run."""

    workers: int
    killed: int
    clears: int
    """Workers with a clear task, including killed ones."""
    reads: int
    """The number of compared tables and reports."""


class CrashRun:
    """The run of one seed, in its own folder. `env` has the variables for servers, if any.

    If the workers take turns, a seed always repeats exactly. Otherwise the order of effects and the time of kills
    depend on the machine. Raises `Wrong`, `workers.Hangs`.
    """

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
        if self._orders.plan is Plan.RETAIN:
            self._env["ASSESS_RETENTION"] = str(self._orders.rules)
        self._handed_in: list[Line] = []
        self._in_log = 0
        self._read_until = 0
        """The last line of the log whose position is committed."""
        self._folded: set[Line] = set()
        self._alive: list[Started] = []
        self._ended: list[Started] = []
        self._reads = 0
        # answers that were dropped keep the score that they had, so corrections concern the other batches then
        self._corrections = Corrections(self._folder, BATCHES[:1] if self._orders.plan is Plan.RETAIN else ())
        self._wrote_together = False

    def run(self) -> Counts:
        """Do the whole run."""
        try:
            if self._chance.random() < 0.5:  # later lines then arrive in a week that is verified but not cleared
                self._do(self._import())
                self._do(tasks.housekeeping("archive and verify", _STEPS[:2]))
            if self._chance.random() < 0.6:
                self._by_turns()
            else:
                self._at_the_same_time()
            self._archive_everything()
        finally:
            for started in self._alive:
                started.worker.kill()
        killed = sum(started.worker.killed for started in self._ended)
        clears = sum(started.task.name in ("clear", "put away") for started in self._ended)
        return Counts(len(self._ended), killed, clears, self._reads)

    # --- the events of a run ---

    def _by_turns(self) -> None:
        """Workers take turns from boundary to boundary. Those that wait are delayed writers when they continue."""
        for _ in range(_MOVES):
            kind = self._chance.choices(("start", "go", "hand in"), (4, 5, 1))[0]
            if kind == "hand in":
                self._hand_in()
            elif (kind == "start" or not self._alive) and len(self._alive) < _TOGETHER:
                self._start(self._task(), turns=True)
            elif self._alive:
                # some steps, or most of a command, while the others wait
                self._go(self._chance.choice(self._alive), self._chance.randint(1, self._chance.choice((8, 120))))
        self._chance.shuffle(self._alive)
        for started in list(self._alive):
            if started.task.name == "tail":
                self._stop(started)
            else:
                self._go(started, 1000)

    def _at_the_same_time(self) -> None:
        """Workers run at the same time. Some kill themselves at an effect, some are killed after a time."""
        for _ in range(3):
            deaths: list[tuple[Started, float]] = []
            for _ in range(self._chance.randint(2, _TOGETHER)):
                task = self._task()
                how = self._chance.choices(("effects", "time", "not"), (3, 3, 4))[0]
                effects = self._number(_EFFECTS * task.writes) if how == "effects" else None
                started = self._start(task, effects=effects)
                if how == "time":
                    deaths.append((started, self._chance.uniform(0, task.writes * _WORK)))
                if self._chance.random() < 0.3:
                    self._hand_in()
            while deaths := [(started, at) for started, at in deaths if not self._died(started, at)]:
                time.sleep(0.001)
            for started in sorted(self._alive, key=lambda started: started.task.name == "tail"):
                if started.task.name == "tail":
                    self._stop(started)
                else:
                    self._wait(started)

    def _died(self, started: Started, at: float) -> bool:
        """Kill a worker after this many processor seconds, which a worker that follows an empty log may never use."""
        worker = started.worker
        worker.hear(0)
        if not worker.ended and worker.worked() < at:
            return started.task.name == "tail" and all(each.worker.ended for each in self._alive if each is not started)
        worker.kill()
        return True

    def _number(self, most: int) -> int:
        """A number from 1 to `most`. Small numbers are more frequent, because short commands have only those."""
        return self._chance.choice((int(most ** self._chance.random()), self._chance.randint(1, most)))

    def _task(self) -> Task:
        names = [started.task.name for started in self._alive]
        unread = self._read_until < self._in_log and "tail" not in names
        fed = 1 if self._folded else 0
        weighed: list[tuple[float, Callable[[], Task]]] = [
            (3 if self._to_come else 0.1, self._import),
            (1 if self._handed_in else 0, self._replay),
            (5 if unread else 0.3, tasks.tail),
            (4 * fed, lambda: tasks.housekeeping("put away", _STEPS)),
            (2 * fed, lambda: tasks.housekeeping("archive and verify", _STEPS[:2])),
            *((weight * fed, self._step(step)) for weight, step in zip((1, 0.5, 3), _STEPS, strict=True)),
            (fed, tasks.compact),
            (0.5 * fed, tasks.seal),
            (0.7 * fed, self._restore),
            (0.4 * fed, tasks.rebuild),
            *((2 * fed, task) for task in self._corrections.tasks(names)),
            *((weight * fed, task) for weight, task in self._orders.tasks(names)),
            (1.0 if True in self._orders.held and not {"hold", "release"}.intersection(names) else 0, self._release),
            (1.2 * fed, lambda: tasks.table(self._chance.choice(tasks.TABLES))),
            (0.7 * fed, tasks.balance),
            (0.7 * fed, lambda: tasks.attempts(self._chance.choice(LEARNERS))),
            (1.2 * fed, self._exhaust),
        ]
        weights, makers = zip(*weighed, strict=True)
        make: Callable[[], Task] = self._chance.choices(makers, weights)[0]
        return make()

    def _import(self) -> Task:
        path = self._inbox / f"{len(list(self._inbox.iterdir()))}.jsonl"
        return tasks.ingest([str(path)], self._write(path, self._next_lines()))

    def _replay(self) -> Task:
        return tasks.ingest([self._chance.choice(sorted({line.topic for line in self._handed_in}))], self._handed_in)

    def _step(self, step: str) -> Callable[[], Task]:
        """A step for all slices, or for some known slices."""

        def make() -> Task:
            if self._chance.random() < 0.5 or not (some := self._some_slices()):
                return tasks.housekeeping(step, [step])
            # an unacknowledged line can have moved a version with a later receipt into an earlier slice
            return tasks.housekeeping(step, [step], some, must=self._all_folded and not self._orders.is_possible)

        return make

    def _restore(self) -> Task:
        some = self._some_slices()
        return tasks.housekeeping("restore", ["restore"], some, must=False) if some else tasks.seal()

    def _release(self) -> Task:
        holds = self._holds()
        return tasks.release(holds) if holds else tasks.seal()

    def _holds(self) -> list[str]:
        """The ids of the holds in force."""
        listed = self._do(Task("holds", [("assess", "hold", "list", "--json")], 0)).printed()[0]
        return [each["hold"] for each in json.loads(listed)]

    @property
    def _all_folded(self) -> bool:
        return self._folded.issuperset(self._handed_in)

    def _some_slices(self) -> list[str]:
        known = Bounds(self._folded, self._folded).most["slices"]
        names = sorted(f"{batch}|{year:04}-W{week:02}" for batch, year, week in known)
        return self._chance.sample(names, self._chance.randint(1, len(names))) if names else []

    def _exhaust(self) -> Task:
        known = {key[2] for key in Bounds((), self._folded).most["attempts"]}
        batches = self._batches() or ["b1"]
        batch = self._chance.choice(batches)
        return tasks.exhaust(
            batch, self._chance.choice(list(tasks.REPORTS)), batch in known and not self._orders.is_possible
        )

    def _batches(self) -> list[str]:
        """The batches that can have rows."""
        removed = self._orders.since(self._orders.seen())
        return sorted({key[2] for key in Bounds((), self._handed_in, removed=removed).most_rows})

    # --- the log ---

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

    # --- workers ---

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

    # --- the end ---

    def _archive_everything(self) -> None:
        """Run everything once without kills: fold, archive, verify, clear and compare. The hot store must be empty."""
        self.story.append("the end: no more kills")
        while self._to_come:
            self._hand_in()
        for topic in sorted({line.topic for line in set(self._handed_in) - self._folded} - {str(self._log)}):
            self._do(tasks.ingest([topic], self._handed_in))
        self._read_to_the_end()
        for number in self._corrections.unknown:
            self._wait(self._start(self._corrections.task(number)))
        self._do(tasks.housekeeping("put away", _STEPS))
        for task in self._corrections.tasks(()):
            if self._chance.random() < 0.4:  # nothing is folded after it, so its sweep alone changes the scores
                self._wait(self._start(task()))
        if self._chance.random() < 0.5:
            self._do(tasks.compact("--vacuum", "--retain", "0d"))
        if self._is_embedded and self._chance.random() < 0.5:
            self._lose_the_hot_store()
        self._carry_out_orders()
        self._check_a_seal()
        reads = (*map(tasks.table, tasks.TABLES), *map(tasks.attempts, LEARNERS))
        self._do(tasks.together("look", [*reads, tasks.balance(), tasks.hot(), tasks.slices()]))
        self._compare_reports()
        killed = [started.task for started in self._ended if started.worker.killed]
        explained = evidence.Explained(
            lake=self._wrote_together or any(task.writes_lake for task in killed),
            temporary=sum(task.writes_files for task in killed),
        )
        removed = self._orders.since(self._orders.seen())
        evidence.check(self._home, Bounds(self._handed_in, self._handed_in, removed=removed), explained)
        if True in removed.erased:
            words = ("assess", "erase", "--check", str(self._orders.receipt), "--user", removed.learner)
            self._do(Task("check an erasure", [words], 0))

    def _carry_out_orders(self) -> None:
        """Try the order under a hold, then end the hold. Carry the order out if it may have been begun."""
        orders = self._orders
        if orders.plan is Plan.NOTHING:
            return
        if (held := self._holds()) and not orders.is_possible:
            self._wait(self._start(orders.removal()))
        if held:
            self._do(tasks.release(held))
        if orders.is_possible or self._chance.random() < 0.3:
            self._do(tasks.housekeeping("put away", _STEPS))
            self._wait(self._start(orders.removal()))
            if held := self._holds():  # a hold whose command was killed: retention has brought it into force
                self._do(tasks.release(held))
            self._do(orders.removal())
            orders.finished()
        self._do(tasks.housekeeping("put away", _STEPS))

    def _lose_the_hot_store(self) -> None:
        """Delete the hot store and rebuild it. The first rebuild can be killed."""
        self.story.append("the hot store is lost")
        for path in self._home.glob("hot.sqlite*"):
            path.unlink()
        rebuild = tasks.rebuild(*sorted({line.topic for line in self._handed_in}))
        self._wait(self._start(rebuild, effects=self._number(_EFFECTS * rebuild.writes)))
        self._do(rebuild)
        self._read_to_the_end()

    def _check_a_seal(self) -> None:
        """Seal everything, and check it."""
        line = self._do(tasks.seal()).printed()[0].strip()
        self._do(tasks.Task("check a seal", [("assess", "seal", "--check", line)], 0))

    def _read_to_the_end(self) -> None:
        tail = self._start(tasks.tail())
        until = time.monotonic() + _PATIENCE
        while not self._is_read():
            if tail.worker.ended or time.monotonic() > until:
                raise Wrong(f"{tail.worker}, did not read {self._log} to its end")
            time.sleep(0.1)
        tail.worker.kill(signal.SIGTERM)
        self._wait(tail)

    def _is_read(self) -> bool:
        """Whether `assess doctor` finds the log read. A delayed writer can have moved the position back."""
        doctor = self._start(tasks.doctor())
        self._wait(doctor)
        findings = json.loads(doctor.worker.printed()[0])
        return any(finding["what"] == "log" and finding["level"] == "ok" for finding in findings)

    def _compare_reports(self) -> None:
        """Compare the reports of each batch with those of an installation that folded once and did not archive."""
        reports = [tasks.exhaust(batch, self._chance.choice(list(tasks.REPORTS))) for batch in self._batches()]
        files = sorted({line.topic for line in self._handed_in})
        ours = tasks.together("reports", reports)
        embedded = {"ASSESS_HOME": str(self._folder / "twin"), "ASSESS_HOT_STORE": ""}
        correct = [("assess", "correct", "apply", file, *WHO) for file in self._corrections.in_force()]
        orders = self._orders.since(self._orders.seen())
        erased = [("assess", "erase", "--user", orders.learner, *WHO)] if True in orders.erased else []
        before = [("stream", "ingest", *files), *correct, *erased]
        twin = Task("twin", [*before, *ours.commands], 0)
        paths = self._do(ours).printed()
        twin_paths = self._do(twin, {**self._env, **embedded}).printed()[len(before) :]
        for words, mine, other in zip(ours.commands, paths, twin_paths, strict=True):
            if (bytes_ := Path(mine.strip()).read_bytes()) != (right := Path(other.strip()).read_bytes()):
                raise Wrong(f"the bytes of `{' '.join(words)}` are {bytes_!r}; folded once and not archived: {right!r}")
