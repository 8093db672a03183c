"""The orders of a crash run: an erased learner, or a batch that retention drops, and a hold that can stop both."""

import random
from collections.abc import Callable, Sequence
from enum import StrEnum
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


class Plan(StrEnum):
    """What a seed removes, and the name of the task that does it."""

    NOTHING = "nothing"
    ERASE = "erase"
    RETAIN = "retain"


class Seen(NamedTuple):
    """What was known at a moment, to be compared later."""

    done: frozenset[bool]
    begun: int
    """The number of erasures and runs of retention that were started."""
    acting: int
    """The number of those that ran."""


class Orders:
    """What is known about the hold, and about what is removed; and the next commands.

    The hold protects the learner or the batch, and everything that is removed belongs to it.
    """

    def __init__(self, chance: random.Random, folder: Path) -> None:
        self.plan = chance.choices(list(Plan), (2, 1, 1))[0]
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
        self._done = _NOT
        self._begun = self._acting = 0
        self._is_clean = False
        """Whether nothing was folded during the erasure that runs, and everything before it."""

    def tasks(self, running: Sequence[str]) -> list[tuple[float, Callable[[], Task]]]:
        """The possible commands with their weights. The release needs the id of the hold, so it is not among them."""
        if self.plan is Plan.NOTHING or self.plan in running:
            return []
        enter = partial(tasks.hold, *self.target)
        return [(2, self.removal), *([(1.0, enter)] if self.held == _NOT and "hold" not in running else [])]

    @property
    def target(self) -> tuple[str, str]:
        """What the hold protects, as an option and an id."""
        return ("--learner", self.learner) if self.plan is Plan.ERASE else ("--batch", self.batch)

    def removal(self) -> Task:
        """The erasure, or a run of retention."""
        return tasks.erase(self.learner, self.receipt) if self.plan is Plan.ERASE else tasks.retain()

    def began(self, task: Task, *, is_clean: bool) -> None:
        """From now on, the command can act at any moment. `is_clean`: all lines are folded, and nothing folds now."""
        if task.name in ("hold", "release"):
            self.held = _EITHER
        elif task.name == self.plan:
            self._begun += 1
            self._acting += 1
            self._is_clean = is_clean
        elif task.folds_events:
            self._is_clean = False
        if self._acting and self.held != _DONE and self._done != _DONE:
            self._done = _EITHER

    def ended(self, task: Task, code: int | None) -> None:
        """The command ended with this exit code, or was killed (None)."""
        if task.name == self.plan:
            self._acting -= 1
        if code == 0 and task.name in ("hold", "release"):
            self.held = _DONE if task.name == "hold" else _NOT
        if code == tasks.BAD_INPUT and task.name == "hold":
            if not (self.plan is Plan.ERASE and self.is_possible):
                raise Wrong("a hold was refused although no learner was erased")
            self.held = _NOT
        if code == 0 and task.name == self.plan == Plan.ERASE:
            if self.held == _DONE and self._done == _NOT:
                raise Wrong("a learner was erased although a hold was in force")
            if self._is_clean:
                self._done = _DONE

    def finished(self) -> None:
        """Everything was folded, and then the command ended without a kill."""
        self._done = _DONE

    @property
    def is_possible(self) -> bool:
        """Whether something may have been removed."""
        return True in self._done

    def seen(self) -> Seen:
        """What is known at this moment."""
        return Seen(self._done, self._begun, self._acting)

    def since(self, seen: Seen) -> Removed:
        """What a read can lack that began at an earlier moment."""
        done = seen.done if seen.done == self._done else _EITHER
        if self.plan is Plan.ERASE:
            return Removed(learner=self.learner, erased=done)
        if self.plan is Plan.RETAIN:
            return Removed(batch=self.batch, dropped=done, keeps_scores=self.keeps_scores)
        return Removed()

    def disturbed(self, seen: Seen) -> bool:
        """Whether an erasure ran since then. It deletes old files at once, so others can fail, and say so."""
        return self.plan is Plan.ERASE and (seen.acting > 0 or seen.begun != self._begun)
