"""Reports under corrections: those of attempts that were submitted with the corrected answers, in both tiers."""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import Answer, AttemptVersion, make_version
from assess_core.domain.corrections import Correction, Drop, FullMarks, Key, Maximum, Scale, corrected_version
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report, ReportSpec, Versions
from assess_core.errors import BadReport, ReportFailed
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.queries import Queries
from assess_core.usecases.sealing import NewTicket
from assess_core.usecases.tables import Name, Tier
from assess_core.usecases.tickets import LATEST, compared, reprint
from assess_core.usecases.weekly import weekly_activity
from tests.decisions import decide, revert_all
from tests.factories import ATTEMPTED, RECEIVED, answer, version
from tests.lakes import asked, keep, move, stores_over
from tests.loop import NOW

LEARNERS = 24
"""Enough for the analyses: figures of fewer than 10 learners are suppressed."""
CORRECTIONS = (
    Correction("a1", "q1", FullMarks(), attempted_from=ATTEMPTED, attempted_to=ATTEMPTED + 12),
    Correction("a1", "q2", Scale(0.7)),
    Correction("a1", "q3", Drop(), batches=("b1", "b9")),
    Correction("a2", "q1", Key([[{"1": "Dispur"}]]), course="c1"),
    Correction("a2", "q2", Maximum(0.5)),
    Correction("a1", "q1", Drop(), batches=("b2",)),
)


def sheet(number: int) -> list[Answer]:
    chosen = [{"1": "Dispur" if number % 3 else "Guwahati"}]
    scores = ((number * 7 + place * 3) % 5 / 4 for place in range(4))
    return [
        structs.replace(answer(f"q{place}", score, 1.0), resvalues=chosen)
        for place, score in enumerate(scores, start=1)
    ]


def attempts() -> list[AttemptVersion]:
    """Two attempts at two assessments of each learner."""
    return [
        version(
            user_id=f"u{number:02}",
            content_id=content,
            attempt_id=f"t{attempt}",
            attempted=ATTEMPTED + 2 * number + attempt,
            answers=sheet(number * attempt),
        )
        for number in range(LEARNERS)
        for content in ("a1", "a2")
        for attempt in (1, 2)
    ]


def submitted_corrected(row: AttemptVersion) -> AttemptVersion:
    """The attempt as if its learner had submitted the corrected answers."""
    answers = msgspec.json.decode(corrected_version(row, CORRECTIONS).question, type=list[Answer])
    return make_version(row.key, row.version.last_attempted_on, answers, row.received_at)


def holding(rows: Iterable[AttemptVersion], folder: Path, archived: int = 0) -> Stores:
    stores = stores_over(MemoryHot(), folder)
    rows = list(rows)
    keep(stores.hot, rows)
    if archived:
        move(stores.hot, stores.lake, rows[:archived])
    return stores


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """Half of the attempts are in the lake."""
    return holding(attempts(), tmp_path / "stores", archived=2 * LEARNERS)


def text_of(stores: Stores, spec: ReportSpec) -> bytes:
    return Path(write_exhaust(stores, spec).path).read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("report", Report)
def test_a_report_is_that_of_attempts_with_the_corrected_answers_until_the_corrections_are_reverted(
    stores: Stores, tmp_path: Path, report: Report
) -> None:
    other = holding(map(submitted_corrected, attempts()), tmp_path / "other")
    spec = asked("b1", report)
    before, expected = text_of(stores, spec), text_of(other, spec)
    decide(stores.hot.register, *CORRECTIONS)

    assert text_of(stores, spec) == expected != before

    revert_all(stores.hot.register)
    assert text_of(stores, spec) == before


@pytest.mark.parametrize(
    "spec",
    [
        asked("b1", Report.RESPONSE, Format.PARQUET),
        asked("b1", Report.RESPONSE, columns=("User UUID", "Question Id", "Question Score", "Question Max Score")),
        asked("b1", Report.RESPONSE, spreadsheet=True, learner="u03"),
        asked("b1", Report.SCORE, versions=Versions.ALL),
        asked("b1", Report.SCORE, Format.PARQUET, since=RECEIVED + 5),
    ],
    ids=["parquet", "columns", "one learner", "all versions", "since"],
)
def test_every_way_to_ask_for_a_report_has_the_corrected_answers(
    stores: Stores, tmp_path: Path, spec: ReportSpec
) -> None:
    other = holding(map(submitted_corrected, attempts()), tmp_path / "other")
    expected = text_of(other, spec)
    decide(stores.hot.register, *CORRECTIONS)

    assert text_of(stores, spec) == expected


def test_a_report_is_the_same_in_whichever_tier_its_attempts_are(stores: Stores, tmp_path: Path) -> None:
    archived = holding(attempts(), tmp_path / "archived", archived=4 * LEARNERS)
    spec = asked("b1", Report.RESPONSE, originals=True)
    for each in (stores, archived):
        decide(each.hot.register, *CORRECTIONS)

    assert text_of(stores, spec) == text_of(archived, spec)


def test_original_scores_are_shown_beside_the_corrected_ones(tmp_path: Path) -> None:
    two = [answer("q1", 0.5, 2.0), answer("q2", 1.0, 1.0)]
    stores = holding([version(answers=two), version(user_id="u2", answers=[])], tmp_path)
    score = asked("b1", Report.SCORE, columns=("user_id", "total_score", "original_total_score"), originals=True)
    response = asked(
        "b1", Report.RESPONSE, originals=True,
        columns=("Question Id", "Question Score", "Original Question Score", "Original Question Max Score"),
    )  # fmt: skip

    assert text_of(stores, score).decode().splitlines()[1:] == ["u1,1.5,1.5", "u2,0.0,0.0"]

    decide(stores.hot.register, Correction("a1", "q1", Drop()))
    assert text_of(stores, score).decode().splitlines()[1:] == ["u1,1.0,1.5", "u2,0.0,0.0"]
    assert text_of(stores, response).decode().splitlines()[1:] == ["q1,0.0,0.5,2.0", "q2,1.0,1.0,1.0", ",,,"]


@pytest.mark.parametrize(
    ("report", "added"),
    [
        (Report.SCORE, ",original_total_score,original_total_max_score"),
        (Report.RESPONSE, ",Original Question Score,Original Question Max Score"),
    ],
)
def test_original_scores_are_columns_at_the_end_only_if_they_are_asked_for(
    stores: Stores, report: Report, added: str
) -> None:
    plain, beside = (text_of(stores, asked("b1", report, originals=asked_for)) for asked_for in (False, True))

    heads = [text.decode().splitlines()[0] for text in (plain, beside)]
    assert heads[1] == heads[0] + added
    with pytest.raises(BadReport, match="has no column 'original_total_score'"):
        text_of(stores, asked("b1", Report.SCORE, columns=("original_total_score",)))


def test_a_damaged_file_of_the_lake_is_named_and_nothing_is_reported(stores: Stores) -> None:
    decide(stores.hot.register, *CORRECTIONS)
    [file] = stores.lake.pin().files()
    size = Path(file.url).stat().st_size
    Path(file.url).write_bytes(Path(file.url).read_bytes()[: size // 2].ljust(size, b"\0"))

    with pytest.raises(ReportFailed, match=re.escape(file.url)):
        text_of(stores, asked("b1", Report.SCORE))


def test_the_sidecar_names_the_corrections_that_can_concern_the_report(stores: Stores) -> None:
    ids = decide(stores.hot.register, *CORRECTIONS)

    named = write_exhaust(stores, asked("b1", Report.SCORE)).sidecar.corrections
    of_a2 = write_exhaust(stores, asked("b1", Report.SCORE, assessments=("a2",), course="c2")).sidecar.corrections

    assert named == ids[:5]  # the last one is about batch b2
    assert of_a2 == [ids[4]]


@pytest.mark.long
def test_a_ticket_prints_with_the_corrections_of_its_time_and_its_difference_shows_later_ones(stores: Stores) -> None:
    decide(stores.hot.register, CORRECTIONS[0])
    wish = NewTicket(keep=10**9, now=lambda: NOW)
    spec = asked("b1", Report.RESPONSE)
    written = write_exhaust(stores, spec, ticket=wish)
    then, ticket = Path(written.path).read_bytes(), written.sidecar.ticket
    assert ticket is not None
    decide(stores.hot.register, *CORRECTIONS[1:])

    again = reprint(stores, ticket, NOW)

    assert again.difference is None
    assert Path(again.written.path).read_bytes() == then != text_of(stores, spec)
    with compared(stores, ticket, LATEST, NOW) as found:
        assert {each.before is not None and each.before.key.content_id for each in found} == {"a1", "a2"}
    revert_all(stores.hot.register)
    decide(stores.hot.register, CORRECTIONS[0])
    with compared(stores, ticket, LATEST, NOW) as found:
        assert list(found) == []


def test_the_numbers_of_a_batch_and_of_a_week_follow_corrections(stores: Stores, tmp_path: Path) -> None:
    other = holding(map(submitted_corrected, attempts()), tmp_path / "other")
    decide(stores.hot.register, *CORRECTIONS)

    here, there = (Queries(each, 0, lambda: NOW).batch("b1") for each in (stores, other))
    weeks = {row.week for row in here.weeks}
    [week], [expected] = (weekly_activity(each, weeks) for each in (stores, other))

    assert here == there
    assert week[:3] == expected[:3]
    assert week.mean_score == pytest.approx(expected.mean_score)  # the sum is in the order of content hashes
    assert week.mean_score != weekly_activity(holding(attempts(), tmp_path / "before"), weeks)[0].mean_score


def test_a_table_of_both_tiers_has_corrected_scores_and_that_of_one_tier_the_submitted_ones(stores: Stores) -> None:
    queries = Queries(stores, 0, lambda: NOW)
    before = {tier: list(queries.table(Name.ATTEMPTS, "b1", tier)) for tier in Tier}
    decide(stores.hot.register, *CORRECTIONS)

    scores = [row["total_score"] for row in queries.table(Name.ATTEMPTS, "b1")]

    expected = [corrected_version(row, CORRECTIONS).total_score for row in sorted(attempts(), key=lambda row: row.key)]
    assert scores == expected != [row["total_score"] for row in before[Tier.ALL]]
    for tier in (Tier.HOT, Tier.LAKE):
        assert list(queries.table(Name.ATTEMPTS, "b1", tier)) == before[tier]
