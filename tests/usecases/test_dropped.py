"""What readers find after a drop: the scores as before, no answers, and a sentence that says why."""

from pathlib import Path

import pytest

from assess_core.domain.completeness import dropped_sentence
from assess_core.domain.report_spec import Report
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import VersionMissing
from assess_core.ports.ledger import Sheet
from assess_core.ports.stores import Stores
from assess_core.usecases.dropping import drop
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.restoring import begin_rebuild, rebuild
from assess_core.usecases.seals import check, seal
from assess_core.usecases.story import story
from assess_core.usecases.tables import Name
from tests.balances import draw
from tests.factories import ATTEMPTED, RECEIVED, WEEK, event
from tests.lakes import Prepared, asked
from tests.loop import NOW, put_away, queries, take

pytestmark = pytest.mark.xdist_group("dropped")  # one worker makes the stores, once

W5 = ArchiveSlice.parse("b1|2024-W05")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    def prepare(stores: Stores) -> None:
        take(stores, event(), event(user="u2", attempt="t2"))
        take(stores, event(attempt="t9", attempted=ATTEMPTED + WEEK), received=RECEIVED + WEEK)
        put_away(stores)

    return Prepared(tmp_path_factory.mktemp("prepared"), prepare)


@pytest.fixture
def stores(prepared: Prepared, tmp_path: Path) -> Stores:
    """Two attempts in week 5 and one in week 6, all in the lake only; then week 5 is dropped."""
    return prepared.copy(tmp_path)


def test_scores_stay_as_they_were(stores: Stores) -> None:
    ask = queries(stores)

    def scores() -> list[object]:
        tables = (Name.SUMMARIES, Name.ACTIVITY)
        return [*(ask.score(user, "a1") for user in ("u1", "u2")), *(list(ask.table(name)) for name in tables)]

    before = scores()
    drop([W5], stores, NOW)

    assert scores() == before


def test_a_learner_still_sees_all_attempts_with_scores_and_when_the_answers_were_dropped(stores: Stores) -> None:
    ask = queries(stores)
    before = {attempt.key.attempt_id: attempt for attempt in ask.attempts(user_id="u1").attempts}

    drop([W5], stores, NOW)

    after = {attempt.key.attempt_id: attempt for attempt in ask.attempts(user_id="u1").attempts}
    assert after == {"t1": before["t1"]._replace(answers=(), dropped_at=NOW), "t9": before["t9"]}
    assert ask.attempt(before["t1"].key) == after["t1"]


def test_a_version_that_is_lost_and_was_not_dropped_is_still_an_error(stores: Stores) -> None:
    drop([W5], stores, NOW)
    take(stores, event(user="u7", attempt="t7"), received=RECEIVED + 2 * WEEK)
    [lost] = stores.hot.learners(["u7"])["u7"].entries
    stores.hot.delete([lost.row_key])

    with pytest.raises(VersionMissing, match="u7"):
        queries(stores).attempts(user_id="u7")
    assert draw(stores).sheet.missing == 1


def test_the_balance_counts_dropped_versions_and_stays_green(stores: Stores) -> None:
    drop([W5], stores, NOW)

    assert draw(stores).sheet == Sheet(None, named=3, lake_only=1, dropped=2)


def test_a_report_says_what_was_dropped_and_has_the_rest(stores: Stores) -> None:
    whole = write_exhaust(stores, asked("b1", Report.SCORE))
    assert dropped_sentence(whole.sidecar.slices) is None

    drop([W5], stores, NOW)

    written = write_exhaust(stores, asked("b1", Report.SCORE))
    assert (written.attempts, written.sidecar.complete) == (1, True)
    slices = written.sidecar.slices
    assert (slices.expected, slices.read, slices.dropped) == (1, 1, 1)
    assert [(one.slice, one.dropped_versions) for one in slices.each] == [(str(W5), 2), ("b1|2024-W06", 0)]
    assert "retention dropped 2 versions of these batches (1 slice, e.g. b1|2024-W05)" in (
        dropped_sentence(slices) or ""
    )


def test_a_score_is_explained_after_a_drop(stores: Stores) -> None:
    drop([W5], stores, NOW)

    [found] = queries(stores).explain("u2", "a1")
    lines = story(found)
    assert any("Retention dropped it from the lake at" in line for line in lines)
    assert not any("LOST" in line for line in lines)


def test_a_seal_shows_a_drop_as_an_entry_and_not_as_a_change(stores: Stores) -> None:
    sealed = seal(stores.lake, NOW)

    drop([W5], stores, NOW)

    assert check(stores.lake, sealed).problems == ()
    assert seal(stores.lake, NOW).size == sealed.size + 1


def test_a_rebuild_names_no_problem_in_a_week_that_was_dropped(stores: Stores) -> None:
    drop([W5], stores, NOW)

    assert [rebuild(week, stores).problems for week in begin_rebuild(stores)] == [()]


def test_an_event_that_arrives_again_after_a_drop_brings_nothing_back(stores: Stores) -> None:
    drop([W5], stores, NOW)

    take(stores, event(), event(user="u2", attempt="t2"))

    assert stores.hot.held() == []
