"""Finished requests for reports and failed events of a long history, written in bulk."""

import sqlite3
from pathlib import Path
from typing import Final

CHANNEL: Final = "the measured channel"
_REQUESTS: Final = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT OR IGNORE INTO report_requests
    (tag, request_id, channel, created_at, revision, ready_at, is_processing, files_until, job)
SELECT 'tag' || i % 100 || ':channel', printf('%032X', i), 'channel', 1600000000000 + i, 3, NULL, 0, NULL, '{}' FROM n
"""
_FAILED: Final = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT OR IGNORE INTO failed_events (topic, partition, "offset", raw_hash, received_at, reason, message)
SELECT :topic, 0, i, x'00', 1600000000000 + i, 'not_json', 'the line is not JSON' FROM n
"""
_RAW: Final = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT OR IGNORE INTO failed_events_raw SELECT :topic, 0, i, x'00', 0, zeroblob(3000) FROM n
"""
TOPIC: Final = "/log/events.jsonl"


def fill_requests(path: Path, count: int) -> None:
    """Write this many finished requests, and as many failed events, into the SQLite file."""
    values = {"count": count, "topic": TOPIC}
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for statement in (_REQUESTS, _FAILED, _RAW):
            connection.execute(statement, values)
            connection.commit()
