"""No number of fewer than 10 learners can be computed from the analyses of one batch.

The audit writes down the equations that a reader of the three reports knows, with an unknown for each number that the
reports do not show, and looks for an unknown that has only one solution.
"""

import json
import random
from collections import Counter
from fractions import Fraction
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.report_spec import Report
from tests.analysis_oracle import Analysis, Rows, small
from tests.factories import ATTEMPTED, WEEK, version
from tests.lakes import keep, stores_over
from tests.usecases.test_analysis import BATCHES, analysis, marked, rows

Unknown = tuple[str, ...]
Equation = dict[Unknown, int]


def determined(equations: list[Equation]) -> set[Unknown]:
    """The unknowns that have one solution, by Gaussian elimination: what else the equations know does not matter."""
    names = sorted({name for equation in equations for name in equation})
    matrix = [[Fraction(equation.get(name, 0)) for name in names] for equation in equations]
    done = 0
    for column in range(len(names)):
        pivot = next((row for row in range(done, len(matrix)) if matrix[row][column]), None)
        if pivot is None:
            continue
        matrix[done], matrix[pivot] = matrix[pivot], matrix[done]
        first = matrix[done] = [value / matrix[done][column] for value in matrix[done]]
        for number, row in enumerate(matrix):
            if number != done and row[column]:
                matrix[number] = [a - row[column] * b for a, b in zip(row, first, strict=True)]
        done += 1
    rests = ([name for name, value in zip(names, row, strict=True) if value] for row in matrix[:done])
    return {rest[0] for rest in rests if len(rest) == 1}


def attempts(seed: int, batch_id: str) -> list[AttemptVersion]:
    """One attempt of each learner at questions with one key and a score of 0 or 1; some results are rare."""
    chance, result = random.Random(seed), []
    questions = chance.choice([1, 2, 3, 4])
    seen = [chance.choice([1.0, 1.0, 0.95, 0.6]) for _ in range(questions)]
    weights = [[chance.choice([0, 1, 5, 20]) + (option == 0) for option in range(4)] for _ in range(questions)]
    for learner in range(chance.choice([12, 40, 90])):
        answers = []
        for number in range(questions):
            if chance.random() < seen[number]:
                [option] = chance.choices(["1", "2", "3", ""], weights[number])
                answers.append(marked(f"q{number}", float(option == "1"), 1.0, [option] if option else []))
        week = chance.choice([0, 0, 0, 0, 0, 0, 1, 2])
        at = ATTEMPTED + week * WEEK
        result.append(version(user_id=f"u{learner}", batch_id=batch_id, attempted=at, answers=answers))
    return result


def cells(versions: list[AttemptVersion], question: str) -> dict[Unknown, int]:
    """The true numbers about a question."""
    found = [{one["id"]: one for one in json.loads(row.question)} for row in versions if row.version.has_answers]
    answers = [one[question] for one in found if question in one]
    correct = sum(one["score"] == 1 for one in answers)
    chosen = Counter(next((name for member in one["resvalues"] for name in member), "none") for one in answers)
    numbers = {"answered": len(answers), "absent": len(found) - len(answers)}
    numbers |= {"correct": correct, "wrong": len(answers) - correct}
    numbers |= {f"option {option}": chosen[option] for option in ("1", "2", "3", "none")}
    return {(question, name): value for name, value in numbers.items()}


def known_equations(items: Rows, options: Rows, assessments: Rows) -> list[Equation]:
    """An equation for each relation between numbers, and for each number that is shown."""
    equations: list[Equation] = []
    [(group, whole)] = assessments.items()
    if whole["learners"] is not None:
        equations.append({("all",): 1})
        equations.append({(key[-1], "correct"): 1 for key in items})  # the mean of the assessment
    for *_, question in items:
        row = items[*group, question]
        choices: list[Unknown] = [(question, f"option {option}") for option in ("1", "2", "3", "none")]
        equations += [
            {(question, "answered"): 1, (question, "absent"): 1, ("all",): -1},
            {(question, "correct"): 1, (question, "wrong"): 1, (question, "answered"): -1},
            {(question, "correct"): 1, (question, "option 1"): -1},
            dict.fromkeys(choices, 1) | {(question, "answered"): -1},
        ]
        if row["learners"] is not None:
            equations += [{(question, "answered"): 1}, {(question, "correct"): 1}]
    equations += [{(key[-2], f"option {key[-1]}"): 1} for key, row in options.items() if row["choices"] is not None]
    return equations


@pytest.mark.long
@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**9))
def test_no_small_number_can_be_computed_from_the_reports(seed: int) -> None:
    # three random batches in each report: a report takes 0.15 s, however few rows it has
    versions = {batch_id: attempts(seed + number, batch_id) for number, batch_id in enumerate(BATCHES)}
    with TemporaryDirectory() as folder:
        stores = stores_over(MemoryHot(), Path(folder))
        keep(stores.hot, chain.from_iterable(versions.values()))
        found = analysis(stores)
        by_week = rows(stores, Report.ASSESSMENT_ANALYSIS, batches=BATCHES, by_week=True)

    for batch_id, of_batch in versions.items():
        of_reports = Analysis(*(only(table, batch_id) for table in found))
        assert_nothing_small_is_told(of_batch, of_reports, only(by_week, batch_id))


def only(table: Rows, batch_id: str) -> Rows:
    return {key: row for key, row in table.items() if key[0] == batch_id}


def assert_nothing_small_is_told(versions: list[AttemptVersion], reports: Analysis, by_week: Rows) -> None:
    known = known_equations(*reports)
    for *_, question in reports.items:
        if not cells(versions, question)[question, "option none"]:
            known.append({(question, "option none"): 1})  # a player that accepts no empty answer tells this
    found = determined(known)
    for *_, question in reports.items:
        secret = {name for name, value in cells(versions, question).items() if small(value)}
        assert not secret & found
    weeks: list[Equation] = [{(week,): 1} for *_, week in (key for key, row in by_week.items() if row["learners"])]
    found = determined([*weeks, {(key[-1],): 1 for key in by_week}])
    sizes = Counter(str(row.slice.week) for row in versions if row.version.has_answers)
    assert not {(week,) for week, size in sizes.items() if small(size)} & found or len(sizes) == 1


def test_the_audit_finds_a_difference_that_tells() -> None:
    assert determined([{("all",): 1}, {("a",): 1}, {("a",): 1, ("b",): 1, ("all",): -1}]) == {("all",), ("a",), ("b",)}
    assert determined([{("all",): 1}, {("a",): 1, ("b",): 1, ("all",): -1}]) == {("all",)}
