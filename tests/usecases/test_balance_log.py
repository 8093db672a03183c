"""The balance against the log: distinct accepted events = versions + failed events, and differences are listed."""

import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from assess_core.adapters.files.facts import JsonFacts
from assess_core.domain.erasing import Order
from assess_core.domain.events import decode
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.ledger import Fault, LogOffset, LogSheet
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.erasing import erase
from assess_core.usecases.folding import Checks, fold
from assess_core.wiring import open_besides
from tests.balances import NO_FACTS, Drawn, draw, follow, forget, lose
from tests.factories import ATTEMPTED, RECEIVED, WEEK, accepted, event, line, without
from tests.loop import put_away

GOOD = [line(event(user=user)) for user in ("u1", "u2", "u3")]
BAD = [b"nonsense", line(event(batch="b1", attempted=-5))]
STRICT = Checks(JsonFacts({"c1": frozenset({"other"})}))


class Folder:
    """The log folder of a test."""

    def __init__(self, settings: Settings) -> None:
        self.path = Path(settings.log)
        self.path.mkdir(parents=True)

    def append(self, lines: Iterable[bytes], name: str = "events.jsonl") -> Path:
        with (self.path / name).open("ab") as file:
            file.writelines(each + b"\n" for each in lines)
        return self.path / name


@pytest.fixture
def folder(settings: Settings) -> Folder:
    return Folder(settings)


@pytest.fixture
def folded(stores: Stores, folder: Folder) -> Stores:
    """The stores after folding three versions, a recompute, a repeat of the first event and two failed events."""
    folder.append([*GOOD, line(without(event(), "events", "attemptId")), GOOD[0], *BAD])
    follow(stores)
    return stores


def log_of(drawn: Drawn) -> LogSheet:
    assert drawn.sheet.log is not None
    return drawn.sheet.log


def against_log(stores: Stores, *batches: str) -> Drawn:
    return draw(stores, *batches, against_log=True)


def test_the_distinct_accepted_events_are_the_versions_and_the_failed_events(folded: Stores) -> None:
    drawn = against_log(folded)

    assert drawn.found.balanced
    assert log_of(drawn) == LogSheet(accepted=5, older=0, too_many=0, not_stored=0)
    assert [(sheet.batch_id, sheet.named, sheet.failed, sheet.log) for sheet in drawn.found.sheets] == [
        ("b1", 3, 1, LogSheet(4, 0, 0, 0)),
        (None, 0, 1, LogSheet(1, 0, 0, 0)),
    ]


def test_archive_clear_and_replays_do_not_change_the_balance_against_the_log(folded: Stores, folder: Folder) -> None:
    put_away(folded)
    folder.append([*GOOD, *GOOD])
    follow(folded)

    assert log_of(against_log(folded)) == LogSheet(5, 0, 0, 0)


def test_one_batch_is_compared_with_its_own_events(folded: Stores, folder: Folder) -> None:
    folder.append([line(event(batch="b2"))])
    follow(folded)

    assert log_of(against_log(folded, "b2")) == LogSheet(1, 0, 0, 0)
    assert [sheet.batch_id for sheet in against_log(folded, "b2").found.sheets] == ["b2"]


def test_an_event_that_was_read_but_not_stored_is_reported_with_its_line(
    folded: Stores, folder: Folder, settings: Settings
) -> None:
    [row] = folded.hot.get([entry.row_key for entry in folded.hot.learners(["u2"])["u2"].entries])
    lose(folded.hot, [row])
    forget(settings.hot_store, "u2")
    assert draw(folded).found.balanced  # without the log, the loss cannot be detected

    drawn = against_log(folded)

    [difference] = drawn.differences
    assert (difference.what, difference.key) == (Fault.NOT_STORED, row.key)
    assert difference.place == LogOffset(str(folder.path / "events.jsonl"), 0, 2)
    assert log_of(drawn) == LogSheet(accepted=5, older=0, too_many=0, not_stored=1)
    assert not drawn.found.balanced


def test_a_bad_event_that_is_not_among_the_failed_events_is_reported_with_its_line(
    stores: Stores, folder: Folder, settings: Settings
) -> None:
    folder.append([b"nonsense"], "a.jsonl")
    folder.append(BAD, "b.jsonl")
    follow(stores)
    with sqlite3.connect(settings.hot_store.removeprefix("sqlite://").partition("?")[0]) as connection:
        connection.execute("DELETE FROM failed_events WHERE topic LIKE '%b.jsonl'")
    connection.close()

    drawn = against_log(stores)

    assert [(each.what, each.place, each.batch_id) for each in drawn.differences] == [
        (Fault.NOT_STORED, LogOffset(str(folder.path / "b.jsonl"), 0, 2), "b1"),
        (Fault.NOT_STORED, LogOffset(str(folder.path / "b.jsonl"), 0, 1), None),
    ]


def test_unread_events_are_no_difference(folded: Stores, folder: Folder) -> None:
    folder.append([line(event(user="u7")), b"more nonsense"])
    folder.append([line(event(user="u8"))], "later.jsonl")

    drawn = against_log(folded)

    assert drawn.found.balanced
    assert log_of(drawn) == LogSheet(5, 0, 0, 0)


def test_events_folded_while_the_stores_are_read_are_no_difference(folded: Stores, folder: Folder) -> None:
    class Meanwhile:
        """Adds and folds lines three times: after the positions were read, after the maps and after the rows."""

        def failed(self, after: Any = None) -> Any:
            folder.append([line(event(user="u7")), b"more nonsense"])
            follow(folded)
            return folded.hot.failed(after)

        def all_learners(self) -> Any:
            yield from folded.hot.all_learners()
            folder.append([line(event(user="u8"))])
            follow(folded)

        def scan(self, slice_: ArchiveSlice, *, answers: bool = True) -> Any:
            found = [list(shard) for shard in folded.hot.scan(slice_, answers=answers)]
            folder.append([line(event(user="u9")), b"more nonsense at the end"])
            follow(folded)
            return found

        def __getattr__(self, name: str) -> Any:
            return getattr(folded.hot, name)

    drawn = draw(folded._replace(hot=Meanwhile()), against_log=True)

    assert drawn.found.balanced
    assert log_of(drawn) == LogSheet(8, 0, 0, 0)


def test_versions_that_are_not_in_the_log_are_too_many(folded: Stores) -> None:
    fold([accepted(event(user="u9"), received=RECEIVED + WEEK)], folded.hot, NO_FACTS)

    drawn = against_log(folded)

    assert drawn.named == {(Fault.TOO_MANY, "b1|2024-W06", "u9")}
    assert log_of(drawn) == LogSheet(accepted=5, older=0, too_many=1, not_stored=0)
    assert not drawn.found.balanced


def test_versions_received_before_the_log_begins_are_older_than_the_log(folded: Stores, folder: Folder) -> None:
    folder.append([line(event(user="u4"), RECEIVED + WEEK)], "new.jsonl")
    follow(folded)
    (folder.path / "events.jsonl").unlink()

    drawn = against_log(folded)

    assert drawn.found.balanced
    assert log_of(drawn) == LogSheet(accepted=1, older=5, too_many=0, not_stored=0)


def test_all_versions_are_older_than_an_empty_log(folded: Stores, folder: Folder) -> None:
    shutil.rmtree(folder.path)

    assert log_of(against_log(folded)) == LogSheet(0, 5, 0, 0)


def test_an_event_rejected_by_the_facts_counts_as_failed_until_it_is_resolved(stores: Stores, folder: Folder) -> None:
    folder.append([GOOD[0]])
    feed = stores.log.feed(print)
    for batch in feed.batches():
        feed.done(batch, fold(map(decode, batch.records), stores.hot, STRICT).rejected)
    before = against_log(stores)
    fold([decode(event.record) for event in stores.hot.failed()], stores.hot, NO_FACTS)
    after = against_log(stores)

    assert (before.sheet.failed, before.sheet.named, log_of(before)) == (1, 0, LogSheet(1, 0, 0, 0))
    assert (after.sheet.failed, after.sheet.named, log_of(after)) == (0, 1, LogSheet(1, 0, 0, 0))


def test_a_failed_event_resolved_while_the_stores_are_read_is_no_difference(stores: Stores, folder: Folder) -> None:
    folder.append([GOOD[0]])
    feed = stores.log.feed(print)
    for batch in feed.batches():
        feed.done(batch, fold(map(decode, batch.records), stores.hot, STRICT).rejected)

    class Meanwhile:
        """The event is replayed after the rows were read."""

        def slices(self, **only: Any) -> list[ArchiveSlice]:
            before = stores.hot.slices(**only)
            fold([decode(event.record) for event in stores.hot.failed()], stores.hot, NO_FACTS)
            return before

        def __getattr__(self, name: str) -> Any:
            return getattr(stores.hot, name)

    assert draw(stores._replace(hot=Meanwhile()), against_log=True).found.balanced


def test_a_file_with_changed_lines_counts_as_unread_and_is_no_difference(folded: Stores, folder: Folder) -> None:
    file = folder.path / "events.jsonl"
    file.write_bytes(file.read_bytes().replace(b"nonsense", b"NONSENSE"))

    assert folded.log.unread()
    assert not against_log(folded).differences


def test_the_lines_of_a_replaced_file_are_not_compared_with_earlier_versions(stores: Stores, folder: Folder) -> None:
    file = folder.append([line(event(user="u1")), line(event(user="u2"))])
    follow(stores)
    file.write_bytes(line(event(user="u3", attempted=ATTEMPTED - 1)) + b"\n")

    drawn = against_log(stores)

    assert {each.what for each in drawn.differences} == {Fault.TOO_MANY}
    assert log_of(drawn) == LogSheet(accepted=0, older=0, too_many=2, not_stored=0)


@pytest.mark.parametrize("is_replayed", [False, True])
def test_events_of_an_erased_learner_are_counted_as_erased(
    folded: Stores, folder: Folder, settings: Settings, is_replayed: bool
) -> None:
    folder.append([line(event(user="u1", batch="b2")), line(event(user="u1", batch="b2", attempted="never"))])
    follow(folded)
    erase(folded, open_besides(settings, {}), ["u1"], Order("a director", "a letter", RECEIVED))
    if is_replayed:
        folder.append([GOOD[0]])
        follow(folded)

    drawn = against_log(folded)

    assert drawn.found.balanced
    assert log_of(drawn) == LogSheet(7, 0, 0, 0, erased=4)
    assert log_of(against_log(folded, "b2")) == LogSheet(2, 0, 0, 0, erased=2)
