"""The contract of every hot store, continued: what scores need, also for a thread that must not wait."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from assess_core.adapters.sqlite.connections import Connections
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.adapters.sqlite.maps import SqliteMaps
from assess_core.domain.register import Kind, Record
from assess_core.ports.hot_store import MOST_AT_ONCE
from tests.adapters.test_hot_store import put, summary
from tests.conftest import Hot
from tests.factories import version


def answers_at_once(hot: Hot) -> bool:
    """Whether the store promises that; a server never does."""
    return hot.entries_at_once(["u1"]) is not None


def test_entries_are_those_of_the_learners_partitions(hot: Hot) -> None:
    put(hot, version(attempt_id="t1"), version(attempt_id="t2"), version(content_id="a2"), version(user_id="u2"))
    hot.put_summaries([summary(versions=9)])

    found = hot.entries(["u1", "u2", "nobody"])

    assert found.keys() == {"u1", "u2"}
    assert found == {user_id: learner.entries for user_id, learner in hot.learners(["u1", "u2"]).items()}
    assert len(found["u1"]) == 3
    assert hot.entries([]) == {}


def test_a_learner_with_a_summary_and_no_entries_is_left_out(hot: Hot) -> None:
    hot.put_summaries([summary(versions=1)])

    assert hot.entries(["u1"]) == {}
    assert hot.entries_at_once(["u1"]) in (None, {})


def test_entries_at_once_are_the_same_or_none(hot: Hot) -> None:
    put(hot, version(attempt_id="t1"), version(attempt_id="t2"), version(user_id="u2"), version(user_id="u3"))

    assert hot.entries_at_once(["u1", "u2", "nobody"]) in (None, hot.entries(["u1", "u2"]))
    assert hot.entries_at_once(["nobody"]) in (None, {})


@pytest.mark.parametrize("more", [0, 1])
def test_at_once_the_number_of_entries_is_bounded(hot: Hot, more: int) -> None:
    put(hot, *(version(attempt_id=f"t{n}") for n in range(MOST_AT_ONCE + more)))

    assert hot.entries_at_once(["u1"]) == (None if more or not answers_at_once(hot) else hot.entries(["u1"]))


def test_at_once_nothing_is_said_about_assessments_with_a_correction(hot: Hot) -> None:
    put(hot, version(content_id="a1"), version(user_id="u2", content_id="a2"))
    promised = answers_at_once(hot)
    hot.register.add([Record(Kind.CORRECTION, "a1", "c1", "{}"), Record(Kind.HOLD, "a2", "h1", "{}")])

    assert hot.entries_at_once(["u1"]) is None
    assert hot.entries_at_once(["u2", "u1"]) is None
    assert hot.entries_at_once(["u2"]) == (hot.entries(["u2"]) if promised else None)


def test_a_locked_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite"  # which no other connection uses
    put(SqliteHot(f"sqlite:///{tmp_path / 'hot.sqlite'}"), version())
    with closing(sqlite3.connect(tmp_path / "hot.sqlite", isolation_level=None)) as filled:
        filled.execute("VACUUM INTO ?", (str(path),))
    connections, at_once = Connections(path), Connections(path, busy_seconds=0)
    maps = SqliteMaps(connections, at_once)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        assert maps.entries_at_once(["u1"]) is None
        assert time.monotonic() - started < 1
        other.execute("COMMIT")
    assert maps.entries_at_once(["u1"]) == maps.entries(["u1"])
    assert len(maps.entries(["u1"])["u1"]) == 1
    connections.close()
    at_once.close()
