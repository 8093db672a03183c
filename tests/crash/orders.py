"""The orders of a crash run: an erased learner, a batch that retention drops, and a hold that can stop one of them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from tests.crash import tasks
from tests.crash.expectations import Removed, Wrong
from tests.crash.logs import BATCHES, LEARNERS
from tests.crash.tasks import Task

_NOT: Final = frozenset({False})
_DONE: Final = frozenset({True})
_EITHER: Final = _NOT | _DONE
ERASE: Final = "erase"
RETAIN: Final = "retain"


class Plan(Enum):
    """What a seed removes: the names of the tasks that do it."""

    NOTHING = ()
    ERASE = ("erase",)
    RETAIN = ("retain",)
    BOTH = ("erase", "retain")


class Seen(NamedTuple):
    """What was known at a moment, to be compared later."""

    done: dict[str, frozenset[bool]]
    """For each of the plan's tasks."""
    begun: int
    """The number of erasures that were started."""
    acting: int
    """The number of those that ran."""


@dataclass
class _Removal:
    """What is known about an erasure, or about what retention drops."""

    done: frozenset[bool] = _NOT
    begun: int = 0
    acting: int = 0
    is_clean: bool = False
    """Whether nothing was folded during the erasure that runs, and everything before it."""


class Orders:
    """What is known about the hold, and about what is removed; and the next commands.

    The hold protects the learner or the batch, and everything that is removed belongs to it. A plan with both has none.
    """

    def __init__(self, chance: random.Random, folder: Path) -> None:
        self.plan = chance.choices(list(Plan), (4, 2, 2, 1))[0]
        self.learner = chance.choice(LEARNERS)
        self.batch = BATCHES[1]
        """Retention drops this batch, with fewer attempts than the other one."""
        self.receipt = folder / "receipt.json"
        self.rules = folder / "retention.toml"
        self.keeps_scores = chance.random() < 0.5
        """Whether the lake keeps the scores of what it drops."""
        what = "answers" if self.keeps_scores else "drop"
        self.rules.write_text(f"[[rule]]\nbatches = '{self.batch}'\n{what} = '1 week'\n")
        self.held = _NOT
        self._removals = {name: _Removal() for name in self.plan.value}

    def tasks(self, running: Sequence[str]) -> list[tuple[float, Callable[[], Task]]]:
        """The possible commands with their weights. The release needs the id of the hold, so it is not among them."""
        names = [name for name in self._removals if name not in running]
        enter = [(1.0, partial(tasks.hold, *self.target))] if len(names) == 1 == len(self._removals) else []
        return [
            *((2.0, partial(self.removal, name)) for name in names),
            *(enter if self.held == _NOT and "hold" not in running else []),
        ]

    @property
    def retains(self) -> bool:
        """Whether there are rules of retention."""
        return RETAIN in self._removals

    @property
    def target(self) -> tuple[str, str]:
        """What the hold protects, as an option and an id."""
        return ("--learner", self.learner) if self.plan is Plan.ERASE else ("--batch", self.batch)

    def removal(self, name: str) -> Task:
        """The erasure, or a run of retention."""
        return tasks.erase(self.learner, self.receipt) if name == ERASE else tasks.retain()

    def began(self, task: Task, *, is_clean: bool) -> None:
        """From now on, the command can act at any moment. `is_clean`: all lines are folded, and nothing folds now."""
        if task.name in ("hold", "release"):
            self.held = _EITHER
        if removal := self._removals.get(task.name):
            removal.begun += 1
            removal.acting += 1
            removal.is_clean = is_clean
        elif task.folds_events:
            for removal in self._removals.values():
                removal.is_clean = False
        for removal in self._removals.values():
            if removal.acting and self.held != _DONE and removal.done != _DONE:
                removal.done = _EITHER

    def ended(self, task: Task, code: int | None) -> None:
        """The command ended with this exit code, or was killed (None)."""
        removal = self._removals.get(task.name)
        if removal:
            removal.acting -= 1
        if code == 0 and task.name in ("hold", "release"):
            self.held = _DONE if task.name == "hold" else _NOT
        if code == tasks.BAD_INPUT and task.name == "hold":
            if not (self.plan is Plan.ERASE and self.is_possible):
                raise Wrong("a hold was refused although no learner was erased")
            self.held = _NOT
        if code == 0 and removal and task.name == ERASE:
            if self.held == _DONE and removal.done == _NOT:
                raise Wrong("a learner was erased although a hold was in force")
            if removal.is_clean:
                removal.done = _DONE

    def finished(self, name: str) -> None:
        """Everything was folded, and then the command ended without a kill."""
        self._removals[name].done = _DONE

    @property
    def is_possible(self) -> bool:
        """Whether something may have been removed."""
        return any(True in removal.done for removal in self._removals.values())

    @property
    def is_erasure_possible(self) -> bool:
        """Whether something may have been erased."""
        return True in self._done(ERASE)

    def _done(self, name: str) -> frozenset[bool]:
        return self._removals[name].done if name in self._removals else _NOT

    def seen(self) -> Seen:
        """What is known at this moment."""
        erasure = self._removals.get(ERASE, _Removal())
        return Seen({name: removal.done for name, removal in self._removals.items()}, erasure.begun, erasure.acting)

    def since(self, seen: Seen) -> Removed:
        """What a read can lack that began at an earlier moment."""
        done = {name: was if was == self._done(name) else _EITHER for name, was in seen.done.items()}
        erased = Removed(learner=self.learner, erased=done[ERASE]) if ERASE in done else Removed()
        if RETAIN not in done:
            return erased
        return erased._replace(batch=self.batch, dropped=done[RETAIN], keeps_scores=self.keeps_scores)

    def disturbed(self, seen: Seen) -> bool:
        """Whether an erasure ran since then. It deletes old files at once, so others can fail, and say so."""
        return ERASE in self._removals and (seen.acting > 0 or seen.begun != self._removals[ERASE].begun)
