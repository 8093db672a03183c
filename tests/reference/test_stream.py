"""Sunbird's own events, folded: rows, aggregates and failures must equal the results of the original job."""

import json
from collections.abc import Iterable, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import pytest

from assess_core.adapters.files.facts import JsonFacts
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.events import FailedEvent, Record, decode
from assess_core.domain.reasons import Reason
from assess_core.domain.scores import newest_versions
from assess_core.ports.facts import NoFacts
from assess_core.usecases.folding import Checks, Folded, fold
from tests.conftest import Hot

RECEIVED: Final = 1_700_000_000_000  # later than any clock of these events
NINE: Final = (
    "BATCH_ASSESS_EVENT",
    "BATCH_ASSESS__OLDER_EVENT",
    "BATCH_ASSESS_FAIL_EVENT",
    "QUESTION_EVENT_RES_VALUES",
    "LATEST_BATCH_ASSESS_EVENT",
    "BATCH_DUPLICATE_QUESTION_EVENT",
    "INVALID_CONTENT_ID_EVENT",
    "BATCH_ASSESS_EVENT_WITHOUT_CACHE",
    "SECOND_ATTEMPT_BATCH_ASSESS_EVENT",
)


@pytest.fixture(scope="module")
def stream(sunbird: Path) -> Path:
    return sunbird / "stream"


def golden(stream: Path, scenario: str) -> dict[str, Any]:
    run: dict[str, Any] = json.loads((stream / "golden" / f"{scenario}.json").read_bytes())
    return run


def redis_facts(stream: Path, answered: Mapping[str, int] | None = None) -> JsonFacts:
    """Leaf nodes and question counts from Redis and from a content service."""
    redis = json.loads((stream / "redis.json").read_bytes())
    leaf_nodes = {key.split(":")[0]: frozenset(ids) for key, ids in redis["leafnodes_redis_db10"].items()}
    counts = {id_: json.loads(content)["totalQuestions"] for id_, content in redis["content_cache_redis_db5"].items()}
    return JsonFacts(leaf_nodes, counts | dict(answered or {}))


def _raw(stream: Path, name: str) -> bytes:
    return (stream / "events" / f"{name}.json").read_bytes()


def folded(hot: Hot, raw: bytes, checks: Checks, offset: int = 1) -> Folded:
    """Fold one event, because the original job processed single events."""
    return fold([decode(Record("sunbird", 0, offset, raw, RECEIVED))], hot, checks)


def run(hot: Hot, stream: Path, names: Iterable[str], checks: Checks) -> list[int]:
    """Fold the named events one by one. Returns the number of failures of each."""
    return [folded(hot, _raw(stream, name), checks, offset).failed for offset, name in enumerate(names, 1)]


def assert_as_golden(hot: Hot, expected: Mapping[str, Any]) -> None:
    """Compare rows and aggregates: numbers within 1e-9, texts exactly, JSON texts by value."""
    entries = [entry for _, learner in hot.all_learners() for entry in newest_versions(learner.entries)]
    rows = sorted((_row(row) for row in hot.get([entry.row_key for entry in entries])), key=_row_order)
    for row in expected["assessment_aggregator"]:
        for answer in row["question"]:
            answer["duration"] = float(answer["duration"])  # a text in the tables of the original
    assert _parsed(rows) == _close(_parsed(sorted(expected["assessment_aggregator"], key=_row_order)))
    activities = [
        {
            "activity_id": found.key.course_id,
            "activity_type": found.key.activity_type,
            "agg_details": found.agg_details,
            "agg_last_updated": dict.fromkeys(
                found.agg_last_updated, "<now>"
            ),  # ours hold `assessmentTs`, the original's the current time
            "aggregates": found.aggregates,
            "context_id": found.key.context_id,
            "user_id": found.key.user_id,
        }
        for found in hot.all_activities()
    ]
    assert _parsed(sorted(activities, key=_activity_order)) == _close(
        _parsed(sorted(expected["user_activity_agg"], key=_activity_order))
    )


def _row(row: AttemptVersion) -> dict[str, Any]:
    return {
        **row.key._asdict(),
        "last_attempted_on": row.version.last_attempted_on,
        "total_score": row.total_score,
        "total_max_score": row.total_max_score,
        "grand_total": row.grand_total,
        "created_on": "<now>",  # ours is the receipt, the original's the current time
        "updated_on": "<now>",
        "question": json.loads(row.question),
    }


def _row_order(row: Mapping[str, Any]) -> list[str]:
    return [row[name] for name in ("user_id", "course_id", "content_id", "attempt_id")]


def _activity_order(row: Mapping[str, Any]) -> list[str]:
    return [row[name] for name in ("user_id", "activity_id", "context_id")]


def _parsed(value: Any) -> Any:
    """A value with parsed JSON texts. The original writes a nested 1 as 1.0, and escapes `=` within JSON texts."""
    if isinstance(value, dict):
        return {name: _parsed(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_parsed(member) for member in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        return _parsed(json.loads(value))
    return value


def _close(value: Any) -> Any:
    """`pytest.approx` at any depth, because the original adds doubles in hash order."""
    if isinstance(value, dict):
        return {name: _close(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_close(member) for member in value]
    return pytest.approx(value, rel=0, abs=1e-9) if isinstance(value, float) else value


def test_the_nine_events_give_the_rows_aggregates_and_failures_of_the_original(hot: Hot, stream: Path) -> None:
    expected = golden(stream, "update-event-to-db")
    assert [step["name"] for step in expected["steps"]] == list(NINE)

    rejected = run(hot, stream, NINE, Checks(redis_facts(stream)))

    assert rejected == [len(step["failed"]) for step in expected["steps"]] == [0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert_as_golden(hot, expected)
    assert [row["grand_total"] for row in expected["assessment_aggregator"]] == [
        *("1.0/1.0", "5.0/10.0", "2.0/2.0", "2.0/3.0", "1.33/3.0", "1.33/2.0"),
    ]


def test_the_failed_event_is_stored_unchanged_with_its_reason(hot: Hot, stream: Path) -> None:
    run(hot, stream, NINE, Checks(redis_facts(stream)))

    [failed] = hot.failed()

    assert failed.raw == (stream / "events" / "BATCH_ASSESS_EVENT_WITHOUT_CACHE.json").read_bytes()
    assert (failed.offset, failed.reason) == (8, Reason.NOT_A_LEAF_NODE)


def test_the_nine_events_in_other_orders_and_batches_and_repeated_give_the_same_tables(stream: Path) -> None:
    checks = Checks(redis_facts(stream))
    decoded = {name: decode(Record(name, 0, 1, _raw(stream, name), RECEIVED)) for name in NINE}
    first = decoded["BATCH_ASSESS_EVENT"]

    for order in list(permutations(NINE))[:: 362_880 // 50]:
        hot = MemoryHot()
        fold([decoded[name] for name in order[:4]] + [first], hot, checks)
        fold([decoded[name] for name in order[3:]] + [first], hot, checks)
        assert_as_golden(hot, golden(stream, "update-event-to-db"))
        assert len(list(hot.failed())) == 1


@pytest.mark.parametrize("answered", [1, 4, 10, None])
def test_with_the_question_count_check_the_same_events_fail_as_in_the_original(
    hot: Hot, stream: Path, answered: int | None
) -> None:
    expected = golden(stream, f"force-validate-api-totalquestions-{answered or 'none'}")
    names = [step["name"] for step in expected["steps"]]
    uncached = (
        "do_11307972307046400011917",
        "do_1131998128479272961991",
    )  # not in the cache, so the original called the service
    facts = redis_facts(stream, dict.fromkeys(uncached, answered) if answered else {})

    rejected = run(hot, stream, names, Checks(facts, question_count=True))

    assert rejected == [len(step["failed"]) for step in expected["steps"]]
    assert rejected == ([0, 1, 1, 1] if answered == 1 else [0, 0, 1, 0])
    assert {failed.reason for failed in hot.failed()} == {Reason.TOO_MANY_QUESTIONS}
    assert_as_golden(hot, expected)


@pytest.mark.parametrize("scenario", ["recompute-after", "recompute-on-empty"])
def test_a_recompute_changes_no_correct_aggregate(hot: Hot, stream: Path, scenario: str) -> None:
    expected = golden(stream, scenario)

    rejected = run(hot, stream, [step["name"] for step in expected["steps"]], Checks(redis_facts(stream)))

    assert rejected == [len(step["failed"]) for step in expected["steps"]]
    assert_as_golden(hot, expected)


SAMZA: Final = [
    # the test data of the older job differ from these events only in course, clock and app
    ("samza-batch-assess-event", "BATCH_ASSESS_EVENT", "do_2128415652377067521125", "do_2128415652377067521127"),
    ("samza-batch-assess-older-event", "BATCH_ASSESS_FAIL_EVENT", '"ets":1567687351000', '"ets":1567073236195'),
    ("samza-batch-duplicate-question-event", "BATCH_DUPLICATE_QUESTION_EVENT", "", ""),
    ("samza-question-event-res-values", "QUESTION_EVENT_RES_VALUES", "prod.sunbird.app", "prod.diksha.app"),
]


@pytest.mark.parametrize(("scenario", "name", "old", "new"), SAMZA, ids=[case[0] for case in SAMZA])
def test_the_events_of_the_older_job_give_its_rows(
    hot: Hot, stream: Path, scenario: str, name: str, old: str, new: str
) -> None:
    raw = _raw(stream, name)
    assert old.encode() in raw

    folded(hot, raw.replace(old.encode(), new.encode()), Checks(NoFacts()))

    assert_as_golden(hot, golden(stream, scenario))


def test_an_event_that_failed_in_the_older_job_fails(hot: Hot, stream: Path) -> None:
    expected = golden(stream, "samza-batch-assess-fail-event")
    [value] = [failed["value"] for step in expected["steps"] for failed in step["failed"]]

    assert folded(hot, value.encode(), Checks(NoFacts())).failed == 1
    assert_as_golden(hot, expected)


def test_an_ets_as_text_is_accepted_unlike_in_the_original(hot: Hot, stream: Path) -> None:
    """The original rejected this event because one `ets` is a text. Here a text can be a clock."""
    [step] = golden(stream, "old-fail-fixture-string-ets")["steps"]
    assert len(step["failed"]) == 1

    assert run(hot, stream, [step["name"]], Checks(redis_facts(stream))) == [0]

    alone = MemoryHot()
    run(alone, stream, ["BATCH_ASSESS_FAIL_EVENT"], Checks(redis_facts(stream)))
    scores = [next(iter(store.all_activities())).aggregates for store in (hot, alone)]
    assert scores[0] == scores[1]


def test_every_reference_event_can_be_decoded(stream: Path) -> None:
    for path in sorted((stream / "events").iterdir()):
        assert not isinstance(decode(Record(path.name, 0, 1, path.read_bytes(), RECEIVED)), FailedEvent)
