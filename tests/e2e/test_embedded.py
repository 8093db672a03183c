"""The whole loop through the real command line, in processes of its own, compared with the oracle."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.ports.log import BATCH_RECORDS
from tests import oracle
from tests.e2e.commands import Commands, known_columns, printed

Log = list[tuple[str, int, bytes]]


def sampled(assess: Commands, events: int) -> Log:
    """Writes sample events to `events.jsonl`. Returns its lines for the oracle."""
    assess.run("sample-events", "--events", str(events), "--seed", "3", "--output", "events.jsonl")
    path = assess.folder / "events.jsonl"
    lines = path.read_bytes().splitlines()
    return [(str(path), number, line) for number, line in enumerate(lines, 1)]


@pytest.mark.long
def test_archive_clear_and_a_replay_change_no_table_score_or_report(assess: Commands) -> None:
    log = sampled(assess, 300)
    wanted = oracle.tables(log)
    versions = sum(map(len, wanted["attempts"].values()))
    user, assessment, course, batch = first = min(wanted["summaries"])
    score = ("score", "--learner", user, "--assessment", assessment, "--course", course, "--batch", batch)

    counts = assess.json("ingest", "events.jsonl")
    tables, reports, scored = assess.tables(), assess.reports([batch]), assess.json(*score)

    assert (counts["events"], counts["stored"], counts["failed"]) == (300, versions, len(wanted["failed"]))
    assert counts["superseded"] == versions - len(wanted["attempts"])
    assert known_columns(tables) == printed(wanted)
    assert scored["bestScore"] == wanted["summaries"][first]["best_score"]

    archived, verified, cleared = assess.put_away()

    assert sum(slice_["appended"] for slice_ in archived) == versions
    assert {slice_["slice"]: slice_["versions"] for slice_ in verified} == {
        f"{batch}|{year:04}-W{week:02}": count for (batch, year, week), count in wanted["slices"].items()
    }
    assert sum(slice_["cleared"] for slice_ in cleared) == versions

    replayed = assess.json("ingest", "events.jsonl")

    assert (replayed["stored"], replayed["failed"]) == (0, counts["failed"])
    assert assess.table("attempts", "--tier", "hot") == []
    assert assess.tables() == tables
    assert assess.reports([batch]) == reports
    assert assess.json(*score) == scored


@pytest.mark.long
def test_an_ingest_that_is_killed_and_repeated_loses_and_doubles_nothing(assess: Commands) -> None:
    events = 3 * BATCH_RECORDS  # a batch is one transaction, so a kill can only be between two batches
    log = sampled(assess, events)
    wanted = oracle.tables(log)
    versions = sum(map(len, wanted["attempts"].values()))
    SqliteHot(f"sqlite:///{assess.home / 'hot.sqlite'}")  # the file must exist before the first process starts

    stored = [0]
    for _ in range(2):
        stored.append(killed_while_writing(assess, stored[-1]))
    counts = assess.json("ingest", "events.jsonl")

    assert 0 < stored[1] < stored[2] < versions, "an ingest was not killed in the middle"
    assert counts["events"] == events
    assert known_columns(assess.tables()) == printed(wanted)


def killed_while_writing(assess: Commands, stored: int) -> int:
    """Kill an ingest between two writes when more than this many rows are stored. Returns their number."""
    deadline = time.monotonic() + 60
    with (
        closing(sqlite3.connect(assess.home / "hot.sqlite", timeout=60, isolation_level=None)) as lock,
        assess.start("ingest", "events.jsonl") as process,
    ):
        while True:
            lock.execute("BEGIN IMMEDIATE")  # now the process cannot write
            [(rows,)] = lock.execute("SELECT count(*) FROM assessment_aggregator")
            if rows > stored or time.monotonic() > deadline:
                process.kill()
                process.communicate(timeout=60)
                return int(rows)
            lock.execute("ROLLBACK")
            time.sleep(0.002)


@pytest.mark.long
def test_events_of_sunbird_pass_through_the_whole_loop(assess: Commands, sunbird: Path) -> None:
    events = sunbird / "stream" / "events"
    redis = json.loads((sunbird / "stream" / "redis.json").read_bytes())
    facts = {"leafNodes": {key.split(":")[0]: ids for key, ids in redis["leafnodes_redis_db10"].items()}}
    (assess.folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    log = [(str(path.resolve()), 1, path.read_bytes()) for path in sorted(events.iterdir())]
    wanted = oracle.tables(log, facts)
    batch = min(key[2] for key in wanted["attempts"])

    counts = assess.json("ingest", str(events), "--facts", "facts.json")
    tables, reports = assess.tables(), assess.reports([batch])
    assess.put_away()

    assert (counts["events"], counts["recomputed"], counts["failed"]) == (len(log), 1, len(wanted["failed"]))
    assert known_columns(tables) == printed(wanted)
    assert assess.table("attempts", "--tier", "hot") == []
    assert assess.table("attempts") == tables["attempts"]
    assert assess.reports([batch]) == reports
