"""The analyses of a quiz that Moodle publishes give Moodle's figures.

The marks of 25 learners at 7 questions and the figures are facts from Moodle's tests of its quiz statistics
(mod/quiz/report/statistics/tests: results00.csv, qstats00.csv, stats_from_steps_walkthrough_test.php). Moodle computed
them in a spreadsheet, and its own test compares them with 1e-6 or 1e-5, because the marks are rounded to 7 decimals.
"""

from typing import Final

import pytest

from assess_core.domain.report_spec import Report
from assess_core.ports.stores import Stores
from tests.factories import answer, version
from tests.lakes import keep
from tests.usecases.test_analysis import rows

MARKS: Final = """
1 1 1 1 1 0 1 / 1 1 1 1 .5 1 0 / 1 1 1 1 .5 0 1 / 0 0 1 1 1 0 0 / 1 0 1 0 0 1 .5 / 1 1 1 1 .5 0 .5 / 0 1 1 1 .5 1 .5 /
1 1 1 0 .5 1 .5 / 1 0 1 1 1 1 1 / 0 1 1 0 .5 1 .5 / .8 0 1 1 .5 1 .5 / 1 1 1 0 .5 1 1 / 1 0 1 1 .5 1 .5 /
1 0 1 1 1 0 .5 / 0 0 1 1 0 1 1 / 1 0 1 0 .5 1 1 / .8 0 1 1 .5 0 1 / 1 0 1 1 0 1 .5 / 1 0 1 1 .5 0 .5 /
0 1 1 0 .5 1 0 / 1 1 .3333333 1 .5 0 .5 / 1 1 1 0 .5 0 .5 / 1 1 1 1 0 1 .5 / 0 0 1 0 .5 1 1 / 0 0 1 1 1 1 1
"""
ITEMS: Final = {  # question: facility, standard deviation, discrimination index in per cent
    "q1": (0.704, 0.4513682901, -7.0650767526),
    "q2": (0.48, 0.5099019514, -28.8982125772),
    "q3": (0.973333332, 0.13333334, -9.1230674268),
    "q4": (0.68, 0.4760952286, -22.6306444113),
    "q5": (0.52, 0.3055050463, -17.6997047674),
    "q6": (0.64, 0.4898979486, -45.3785178421),
    "q7": (0.62, 0.331662479, -5.6543166602),
}
MEAN, DEVIATION, CONSISTENCY, ERROR = 4.617333332, 0.8117265554, -87.2230935542, 1.1106813066


@pytest.fixture
def quiz(stores: Stores) -> Stores:
    """The quiz, taken by twelve copies of each learner: with 25 learners, small counts would be suppressed."""
    for copy in range(12):
        for learner, marks in enumerate(MARKS.replace("\n", " ").split("/")):
            answers = [answer(f"q{n}", float(mark), 1.0) for n, mark in enumerate(marks.split(), start=1)]
            keep(stores.hot, [version(user_id=f"u{learner}-{copy}", answers=answers)])
    return stores


def test_the_questions_have_moodles_facility_and_discrimination(quiz: Stores) -> None:
    found = {question: row for (*_, question), row in rows(quiz, Report.ITEM_ANALYSIS).items()}

    assert found.keys() == ITEMS.keys()
    for question, row in found.items():
        facility, deviation, index = ITEMS[question]
        assert row["difficulty"] == pytest.approx(facility, rel=1e-6)
        assert row["discrimination"] == pytest.approx(index / 100, rel=1e-5)
        assert row["sd"] == pytest.approx(deviation * sample(25, 300), rel=1e-6)


def test_the_quiz_has_moodles_mean_consistency_and_error(quiz: Stores) -> None:
    [row] = rows(quiz, Report.ASSESSMENT_ANALYSIS).values()

    assert row["mean_score"] == pytest.approx(MEAN, rel=1e-6)
    assert row["sd"] == pytest.approx(DEVIATION * sample(25, 300), rel=1e-6)
    assert row["alpha"] == pytest.approx(CONSISTENCY / 100, rel=1e-5)
    assert row["sem"] == pytest.approx(ERROR * sample(25, 300), rel=1e-5)


def sample(few: int, many: int) -> float:
    """A sample deviation of `many` values, as a share of that of `few`: copies have the same spread around the mean."""
    return float(((few - 1) / few * many / (many - 1)) ** 0.5)
