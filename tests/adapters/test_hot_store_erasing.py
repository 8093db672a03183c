"""The contract of hot stores: erasing a learner deletes everything of the learner, and nothing else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.corrected_scores import CorrectedTotals
from assess_core.domain.corrections import Totals
from assess_core.domain.scores import Entry, derive
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.erasures import HotErased
from assess_core.usecases.erased import erase_from_hot
from tests.adapters.test_hot_store import ODD
from tests.conftest import Hot
from tests.factories import RECEIVED, WEEK, answer, failed_event, version

pytestmark = pytest.mark.usefixtures("erases")


def store(hot: Hot, *rows: AttemptVersion) -> None:
    hot.add_slices({row.slice for row in rows})
    hot.add_rows(rows)
    entries = [Entry.of(row) for row in rows]
    derived = derive(entries)
    hot.add_entries(entries, list(derived.summaries.values()))
    hot.put_activities(list(derived.activities.values()))


def content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_everything_of_a_learner_is_deleted_and_nothing_of_others(hot: Hot) -> None:
    gone = [version(user_id=ODD), version(user_id=ODD, batch_id="b2"), version(user_id=ODD, received=RECEIVED + WEEK)]
    stays = version(user_id="u2")
    store(hot, *gone, stays)
    totals = [
        CorrectedTotals(row.key.user_id, row.version.content_hash, b"c", Totals(1.0, 2.0)) for row in (*gone, stays)
    ]
    hot.corrected_totals.put(totals)

    assert erase_from_hot([ODD], hot) == HotErased(rows=4 - 1, entries=2, summaries=2, activities=2)

    assert [user_id for user_id, _ in hot.all_learners()] == ["u2"]
    assert [activity.key.user_id for activity in hot.all_activities()] == ["u2"]
    assert hot.held() == [stays.slice]
    assert list(hot.corrected_totals.of([ODD, "u2"])) == [stays.version.content_hash]
    assert hot.get([row.row_key for row in [*gone, stays]]) == [stays]
    assert erase_from_hot([ODD], hot) == HotErased()


def test_rows_that_no_map_names_are_deleted_in_the_slices_that_the_caller_names(hot: Hot) -> None:
    row = version()
    hot.add_slices([row.slice])
    hot.add_rows([row])

    assert erase_from_hot(["u1"], hot) == HotErased()
    assert erase_from_hot(["u1"], hot, [row.slice, ArchiveSlice.of("unknown", RECEIVED)]) == HotErased(rows=1)
    assert hot.held() == []


def test_failed_events_are_removed_also_resolved_ones(hot: Hot) -> None:
    waiting, resolved, other = (failed_event(offset=number, raw=b"x" * number) for number in (1, 2, 3))
    hot.add_failed([waiting, resolved, other])
    hot.resolve([resolved.key, failed_event(offset=9).key])
    assert sorted(event.offset for event in hot.every_failed()) == [1, 2, 3]

    hot.remove_failed([waiting.key, resolved.key])
    hot.remove_failed([waiting.key])

    assert list(hot.every_failed()) == [other]
    assert list(hot.failed()) == [other]


def test_no_byte_of_an_erased_learner_stays_in_the_file_of_sqlite(tmp_path: Path) -> None:
    hot = SqliteHot(f"sqlite:///{tmp_path / 'hot.sqlite'}")
    secret = "4f1c-the-learner"
    store(hot, *(version(user_id=secret, attempt_id=f"t{number}") for number in range(50)), version(user_id="u2"))
    hot.add_failed([failed_event(raw=secret.encode() * 10)])
    assert secret.encode() in content(tmp_path)

    erase_from_hot([secret], hot)
    hot.remove_failed([event.key for event in hot.every_failed()])
    hot.scrub()

    assert secret.encode() not in content(tmp_path)
    assert b"u2" in content(tmp_path)


def test_answers_are_overwritten_also_if_the_file_is_not_rewritten_afterwards(tmp_path: Path) -> None:
    """As for rows that arrived while their learner was erased."""
    hot = SqliteHot(f"sqlite:///{tmp_path / 'hot.sqlite'}")
    secret = "an answer of the learner"
    store(hot, version(user_id="u1", answers=[structs.replace(answer(), title=secret * 1000)]), version(user_id="u2"))
    hot.add_failed([failed_event(raw=secret.encode() * 1000)])
    checkpoint(tmp_path)
    assert secret.encode() in content(tmp_path)

    erase_from_hot(["u1"], hot)
    hot.remove_failed([event.key for event in hot.every_failed()])
    checkpoint(tmp_path)

    assert secret.encode() not in content(tmp_path)


def checkpoint(folder: Path) -> None:
    """Write the log into the file and empty it."""
    with closing(sqlite3.connect(folder / "hot.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_a_write_that_was_sent_before_an_erasure_cannot_appear_after_it_in_cassandra(
    cassandra_hot: Hot,
) -> None:
    row = version()
    store(cassandra_hot, row)
    erase_from_hot(["u1"], cassandra_hot)
    store(cassandra_hot, row)

    assert cassandra_hot.get([row.row_key]) == []
    assert list(cassandra_hot.all_learners()) == []
    assert list(cassandra_hot.all_activities()) == []
