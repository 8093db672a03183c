"""A test of the oracle: its tables for the reference events equal the tables of the original job."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import oracle

EVENTS = (
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


def test_the_oracle_computes_the_tables_of_the_reference_job(sunbird: Path) -> None:
    stream = sunbird / "stream"
    golden = json.loads((stream / "golden" / "update-event-to-db.json").read_bytes())
    redis = json.loads((stream / "redis.json").read_bytes())
    facts = {"leafNodes": {key.split(":")[0]: ids for key, ids in redis["leafnodes_redis_db10"].items()}}
    log = [(name, 1, (stream / "events" / f"{name}.json").read_bytes()) for name in EVENTS]

    computed = oracle.tables(log, facts)

    assert [topic for topic, _, _ in computed["failed"]] == ["BATCH_ASSESS_EVENT_WITHOUT_CACHE"]
    assert len(computed["attempts"]) == len(golden["assessment_aggregator"])
    for row in golden["assessment_aggregator"]:
        key = tuple(row[name] for name in ("user_id", "course_id", "batch_id", "content_id", "attempt_id"))
        newest = computed["attempts"][key][-1]
        assert newest["grand_total"] == row["grand_total"]
        assert newest["last_attempted_on"] == row["last_attempted_on"]
        assert newest["total_score"] == pytest.approx(row["total_score"], abs=1e-9)
        assert newest["total_max_score"] == pytest.approx(row["total_max_score"], abs=1e-9)
        assert list(map(_plain, json.loads(newest["question"]))) == list(map(_plain, row["question"]))
    for row in golden["user_activity_agg"]:
        activity = computed["activity"][row["user_id"], row["activity_id"], row["context_id"].removeprefix("cb:")]
        assert activity["aggregates"] == pytest.approx(row["aggregates"], abs=1e-9)
        assert [json.loads(detail) for detail in activity["agg_details"]] == [
            pytest.approx(json.loads(detail)) for detail in row["agg_details"]
        ]
    assert len(computed["activity"]) == len(golden["user_activity_agg"])


def _plain(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with a number as duration, and with nested JSON texts parsed, because their spaces do not matter."""
    lists = {name: [_read(entry) for entry in answer[name]] for name in ("params", "resvalues")}
    return {**answer, **lists, "duration": float(answer["duration"])}


def _read(entry: dict[str, str]) -> dict[str, Any]:
    return {key: json.loads(text) if text[:1] in "{[" else text for key, text in entry.items()}
