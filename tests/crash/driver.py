"""One crash run. A seed gives the log and its events. At the end everything is archived and equals the oracle."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tests.crash import evidence, tasks
from tests.crash.corrections import UNMATCHED
from tests.crash.expectations import Bounds, Wrong
from tests.crash.logs import LEARNERS
from tests.crash.orders import ERASE, RETAIN, Plan
from tests.crash.running import Run, Started
from tests.crash.tasks import WHO, Task

_MOVES: Final = 32
_TOGETHER: Final = 3
"""Workers alive at the same time."""
_EFFECTS: Final = 8
"""Statements and file changes per modifying call of a store."""
_WORK: Final = 0.025
"""Processor seconds for each modifying call."""
_PATIENCE: Final = 120.0
_STEPS: Final = ("archive", "verify", "clear")


class Counts(NamedTuple):
    """Counts of a run."""

    workers: int
    killed: int
    clears: int
    """Workers with a clear task, including killed ones."""
    reads: int
    """The number of compared tables and reports."""


class CrashRun(Run):
    """The run of one seed, in its own folder. `env` has the variables for servers, if any.

    If the workers take turns, a seed always repeats exactly. Otherwise the order of effects and the time of kills
    depend on the machine. Raises `Wrong`, `workers.Hangs`.
    """

    def run(self) -> Counts:
        """Do the whole run."""
        try:
            if self._chance.random() < 0.5:  # later lines then arrive in a week that is verified but not cleared
                self._do(self._import())
                self._do(tasks.housekeeping("archive and verify", _STEPS[:2]))
            if self._corrects_first:
                self._correct_first()
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

    def _correct_first(self) -> None:
        """Enter all corrections that match something; they stay in force."""
        self._do(self._import())
        for task in self._corrections.tasks(()):
            self._wait(self._start(task()))
        self._corrections.settle()

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
        self._put_away()
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
        if self._orders.retains and self._orders.keeps_scores:
            self._wait(self._start(tasks.exhaust(self._orders.batch, "score", must=False)))
        killed = [started.task for started in self._ended if started.worker.killed]
        explained = evidence.Explained(
            lake=self._wrote_together or any(task.writes_lake for task in killed),
            temporary=sum(task.writes_files for task in killed),
        )
        removed = self._orders.since(self._orders.seen())
        evidence.check(self._home, Bounds(self._handed_in, self._handed_in, removed=removed), explained)
        if True in removed.erased:
            words = ("assess", "erase", "--check", str(self._orders.receipt), "--learner", removed.learner)
            self._do(Task("check an erasure", [words], 0))

    def _carry_out_orders(self) -> None:
        """If nothing can be removed yet, try it under a hold. Then end the hold, and carry the orders out or not."""
        orders = self._orders
        held = self._holds() if orders.plan is not Plan.NOTHING else []
        if len(orders.plan.value) == 1 and not orders.is_possible:
            if not held and self._chance.random() < 0.5:
                self._do(tasks.hold(*orders.target))
                held = self._holds()
            if held:
                self._wait(self._start(orders.removal(*orders.plan.value)))
                self._do(tasks.table("attempts"))
        if held:
            self._do(tasks.release(held))
        for name in self._chance.sample(orders.plan.value, len(orders.plan.value)):
            if orders.is_possible or self._chance.random() < 0.5:
                self._carry_out(name)
        if orders.plan is not Plan.NOTHING:
            self._do(tasks.housekeeping("put away", _STEPS))

    def _carry_out(self, name: str) -> None:
        """Carry an order out. Retention drops nothing of a week that an erasure has not finished."""
        self._put_away()
        self._wait(self._start(self._orders.removal(name)))
        if held := self._holds():  # a hold whose command was killed: retention has brought it into force
            self._do(tasks.release(held))
        if name == RETAIN and self._orders.is_erasure_possible:
            self._do(self._orders.removal(ERASE))
            self._orders.finished(ERASE)
            self._put_away()
        self._do(self._orders.removal(name))
        self._orders.finished(name)

    def _put_away(self) -> None:
        """Archive, verify, clear. Verify refuses slices while an erasure that was killed is not finished."""
        put_away = tasks.housekeeping("put away", _STEPS)
        if self._orders.is_erasure_possible:
            self._wait(self._start(put_away))
        else:
            self._do(put_away)

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
        sealed = self._start(tasks.seal())
        self._wait(sealed)
        if sealed.worker.code == 0:  # otherwise everything was erased before it was archived
            line = sealed.worker.printed()[0].strip()
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
        env = {**self._env, "ASSESS_HOME": str(self._folder / "twin"), "ASSESS_HOT_STORE": ""}
        orders = self._orders.since(self._orders.seen())
        erased = [("assess", "erase", "--learner", orders.learner, *WHO)] if True in orders.erased else []
        self._do(Task("twin", [("stream", "ingest", *files)], 0), env)
        for file in self._corrections.in_force():
            # one that concerned a version which is superseded now changes nothing, so it is refused here
            apply = Task("twin", [("assess", "correct", "apply", file, *WHO)], 0, fine=(0, *UNMATCHED))
            self._wait(self._start(apply, env=env))
        twin = Task("twin", [*erased, *ours.commands], 0)
        paths = self._do(ours).printed()
        twin_paths = self._do(twin, env).printed()[len(erased) :]
        for words, mine, other in zip(ours.commands, paths, twin_paths, strict=True):
            if (bytes_ := Path(mine.strip()).read_bytes()) != (right := Path(other.strip()).read_bytes()):
                raise Wrong(f"the bytes of `{' '.join(words)}` are {bytes_!r}; folded once and not archived: {right!r}")
