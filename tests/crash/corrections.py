"""The corrections of a crash run: each is applied once and reverted once, and both commands can be killed."""

import json
from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final

from assess_core.domain.correction_records import Decision, correction_record
from assess_core.domain.corrections import parse_correction
from tests.crash.expectations import Options
from tests.crash.tasks import WHO, Task

RULES: Final[tuple[dict[str, Any], ...]] = (
    {"assessment": "a1", "question": "q1", "rule": {"kind": "full-marks"}},
    {"assessment": "a1", "question": "q2", "rule": {"kind": "drop"}},
)
"""They concern different questions, so their order does not matter."""
UNMATCHED: Final = (2, 3)
"""The exit codes if no attempt is in the scope."""


class Corrections:
    """What is known about each correction: the states that it can have, and the next command."""

    def __init__(self, folder: Path, batches: Sequence[str] = ()) -> None:
        self._rules = [rule | {"batches": list(batches)} if batches else rule for rule in RULES]
        self._states: list[set[bool]] = [{False} for _ in RULES]
        self._commands = ["apply"] * len(RULES)
        self._changes = [0] * len(RULES)
        self._files = [folder / f"rule-{number}.json" for number in range(len(RULES))]
        for file, rule in zip(self._files, self._rules, strict=True):
            file.write_text(json.dumps(rule))

    def tasks(self, running: Collection[str]) -> list[Callable[[], Task]]:
        """The next command of each correction, unless one of its commands is among the running tasks."""
        waiting = (number for number, command in enumerate(self._commands) if command)
        return [partial(self.task, number) for number in waiting if f"correct {number}" not in running]

    def settle(self) -> None:
        """From now on, the corrections stay as they are."""
        self._commands = [""] * len(RULES)

    @property
    def unknown(self) -> list[int]:
        """The corrections whose command was killed."""
        return [number for number, states in enumerate(self._states) if len(states) > 1]

    def task(self, number: int) -> Task:
        """The next command of a correction. Its id follows from its rule."""
        file = self._files[number]
        id_ = correction_record(parse_correction(file.read_bytes(), ""), Decision("x", "y", 0), []).id
        words = ("apply", str(file)) if self._commands[number] == "apply" else ("revert", id_)
        return Task(f"correct {number}", [("assess", "correct", *words, *WHO)], 14, fine=(0, *UNMATCHED))

    def began(self, task: Task) -> None:
        """From now on, the command can change the state at any moment."""
        if (number := _number(task)) is not None:
            self._states[number] = {False, True}
            self._changes[number] += 1

    def ended(self, task: Task, code: int) -> None:
        """The command ended by itself."""
        number = _number(task)
        if number is None:
            return
        applies = self._commands[number] == "apply"
        self._states[number] = {applies and code == 0}
        if code == 0:
            self._commands[number] = "revert" if applies else ""

    def seen(self) -> list[tuple[int, frozenset[bool]]]:
        """The states at this moment, to be compared later."""
        return [(changes, frozenset(states)) for changes, states in zip(self._changes, self._states, strict=True)]

    def since(self, seen: Sequence[tuple[int, frozenset[bool]]]) -> Options:
        """The sets of corrections that a read can count with that began at an earlier moment."""
        possible = [
            states if changes == now else frozenset({False, True})
            for (changes, states), now in zip(seen, self._changes, strict=True)
        ]
        return tuple(
            tuple(rule for rule, is_on in zip(self._rules, choice, strict=True) if is_on)
            for choice in product(*possible)
        )

    def in_force(self) -> list[str]:
        """The files of the corrections in force, once every command has ended."""
        return [str(file) for file, states in zip(self._files, self._states, strict=True) if states == {True}]


def _number(task: Task) -> int | None:
    return int(task.name.removeprefix("correct ")) if task.name.startswith("correct ") else None
