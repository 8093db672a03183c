"""Item, option and assessment analysis: equal to their definitions in plain Python, and no small count can be found."""

import random
from collections.abc import Iterable, Iterator
from math import isclose
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import Answer, AttemptVersion
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Counted, Report
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import write_exhaust
from tests.analysis_oracle import Analysis, Figure, Rows, analyse
from tests.factories import ATTEMPTED, WEEK, answer, version
from tests.lakes import asked, keep, put, stores_over

KEYS = {
    Report.ITEM_ANALYSIS: ("batch_id", "course_id", "content_id", "week", "question_id"),
    Report.OPTION_ANALYSIS: ("batch_id", "course_id", "content_id", "week", "question_id", "option"),
    Report.ASSESSMENT_ANALYSIS: ("batch_id", "course_id", "content_id", "week"),
}
MARKS = st.sampled_from([0.0, 1.0, 1.0, 0.1, 0.2, 0.3333333, 2.0])


def marked(id_: str, score: float, maximum: float, chosen: list[str], duration: float = 1.0) -> Answer:
    options: list[dict[str, str]] = [{str(number): f'{{"text":"option {number}"}}'} for number in range(1, 4)]
    return structs.replace(
        answer(id_, score, maximum),
        params=[*options, {"answer": '{"correct":["1"]}'}],
        resvalues=[{one: "{}"} for one in chosen],
        duration=duration,
    )


BATCHES = ("b1", "b2", "b3")


def attempts(seed: int, batch_id: str) -> list[AttemptVersion]:
    """Attempts of 8 to 200 learners: several tries and weeks, questions that some did not see, marks of many kinds."""
    chance, result = random.Random(seed), []
    marks: list[float] = chance.choice([[0, 1], [0, 0.1, 0.2, 0.3333333, 1, 2], [1, 1, 1, 1, 0], [1]])
    seen, maxima = chance.choice([1.0, 0.9, 0.5]), chance.choice([[1.0], [0.0], [1.0, 2.0]])
    for learner in range(chance.choice([8, 12, 40, 200, 200])):
        skill = chance.random()
        for attempt in range(chance.choice([1, 1, 1, 2])):
            answers = [
                marked(
                    f"q{number}",
                    float(max(chance.choices(marks, k=2)) if chance.random() < skill else chance.choice(marks)),
                    chance.choice(maxima),
                    chance.sample("123", chance.choice([0, 1, 1, 1, 2])),
                    float(chance.randrange(9)),
                )
                for number in range(chance.choice([3, 3, 1]))
                if chance.random() < seen
            ]
            at = ATTEMPTED + chance.randrange(4) * WEEK // 2
            learner_id, attempt_id = f"u{learner:03}", f"t{attempt}"
            result.append(version(None, at, answers, user_id=learner_id, attempt_id=attempt_id, batch_id=batch_id))
    return result


def rows(stores: Stores, report: Report, **options: object) -> Rows:
    """The rows of a report by their keys; a missing week is an empty text."""
    table = pq.read_table(write_exhaust(stores, asked("b1", report, Format.PARQUET, **options)).path)
    return {tuple(row[name] or "" for name in KEYS[report]): row for row in table.to_pylist()}


def analysis(stores: Stores, **options: object) -> Analysis:
    return Analysis(*(rows(stores, report, batches=BATCHES, **options) for report in KEYS))


def differences(found: Rows, expected: Rows) -> Iterator[str]:
    """Figures that differ by more than 1e-9. A figure that the definition does not give must be missing."""
    if found.keys() != expected.keys():
        yield f"keys: {found.keys() ^ expected.keys()}"
    for key, row in found.items():
        for name, value in row.items():
            if name not in (*KEYS[Report.OPTION_ANALYSIS], "title", "type", "text"):
                other = expected[key].get(name)
                if not is_same(value, other):
                    yield f"{key} {name}: {value}, not {other}"


def is_same(one: Figure, other: Figure) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other


def all_differences(stores: Stores, versions: Iterable[AttemptVersion], **options: object) -> list[str]:
    found = analysis(stores, **options)
    expected = analyse(versions, str(options.get("counted", "first")), bool(options.get("by_week", False)))
    return [problem for pair in zip(found, expected, strict=True) for problem in differences(*pair)]


@pytest.mark.parametrize("counted", Counted)
@pytest.mark.parametrize("by_week", [False, True])
@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_every_figure_equals_its_definition(seed: int, counted: Counted, by_week: bool) -> None:
    # three random batches in each report: a report takes 0.2 s, however few rows it has
    versions = [row for number, batch_id in enumerate(BATCHES) for row in attempts(seed + number, batch_id)]
    with TemporaryDirectory() as folder:
        stores = stores_over(MemoryHot(), Path(folder))
        keep(stores.hot, versions[::2])
        put(stores.lake, versions[1::2])

        assert not all_differences(stores, versions, counted=counted, by_week=by_week)[:5]
