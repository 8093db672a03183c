"""An erased learner does not come back: by an event, a replay, a failed event, an import or a restore."""

import json

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.events import FailedEvent, decode
from assess_core.errors import BadSettings
from assess_core.ports.facts import NoFacts
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.erased import erase_from_hot
from assess_core.usecases.folding import Checks, Folded, fold, name_archived
from assess_core.usecases.restoring import begin_rebuild, rebuild, restore
from tests.conftest import Hot
from tests.erasures import KEY, OLD_KEY, RING, Ring, at_write, order_to_erase, users
from tests.factories import MONDAY, WEEK, decoded, event, failed_event, record, version

pytestmark = pytest.mark.usefixtures("erases")
CHECKS = Checks(NoFacts(), keys=RING)
NOW = MONDAY + 2 * WEEK


def empty(hot: Hot) -> bool:
    return not any((list(hot.all_learners()), list(hot.all_activities()), hot.held(), list(hot.every_failed())))


def test_an_event_of_an_erased_learner_is_erased_and_one_of_another_is_stored(hot: Hot) -> None:
    order_to_erase(hot, "u1")

    folded = fold([decoded(event(user="u1")), decoded(event(user="u2"), 2)], hot, CHECKS)

    assert (folded.stored, folded.erased) == (1, 1)
    assert users(hot.all_learners()) == ["u2"]


@pytest.mark.parametrize(
    "message",
    [event(user="u1", answers=[]), event(user="u1", attempted="not a time"), {"userId": "u1"}],
    ids=["recompute", "bad clock", "bad shape"],
)
def test_no_kind_of_event_of_an_erased_learner_is_stored(hot: Hot, message: object) -> None:
    order_to_erase(hot, "u1")

    folded = fold([decoded(message)], hot, CHECKS)

    assert (folded.erased, folded.failed, folded.recomputed) == (1, 0, 0)
    assert empty(hot)


@pytest.mark.parametrize(
    ("user", "raw"),
    [
        ("u1", b'{"userId": "u1", "score": NaN}'),
        ("u1", b'{"receivedAt": 1, "value": {"batchId": "b1", "userId" : "u1", "ev'),
        ("é", b'{"userId": "\\u00e9", '),
        ("7", b'{"userId": 7}'),
        ("u1", b"[" * 500 + b'{"userId": "u1"}' + b"]" * 500),
        ("u1", b'{"userId": "u1", "title": "\xff"}'),
    ],
    ids=["NaN", "cut", "escaped", "number", "too deep", "not UTF-8"],
)
def test_a_record_that_cannot_be_decoded_but_names_an_erased_learner_is_erased(user: str, raw: bytes) -> None:
    hot = MemoryHot()
    order_to_erase(hot, user)

    folded = fold([decode(record(raw)), decode(record(b'{"userId": "u2", ', 2))], hot, CHECKS)

    assert (folded.erased, folded.failed) == (1, 1)
    assert [one.offset for one in hot.every_failed()] == [2]


def test_a_line_of_a_file_names_the_learner_inside_its_value() -> None:
    hot = MemoryHot()
    order_to_erase(hot, "u1")
    line = json.dumps({"receivedAt": MONDAY, "value": {"userId": "u1"}}).encode()

    assert fold([decode(record(line, received=None, topic="/events.jsonl"))], hot, CHECKS).erased == 1


def test_an_order_counts_whatever_the_receipt_and_under_every_key_of_the_ring(hot: Hot) -> None:
    order_to_erase(hot, "old", key=OLD_KEY)
    order_to_erase(hot, "new")
    ring = Checks(NoFacts(), keys=Ring(KEY, OLD_KEY))

    batch = [decoded(event(user=user), number, received=NOW) for number, user in enumerate(["old", "new"])]
    assert fold(batch, hot, ring).erased == 2


def test_a_stream_without_the_key_of_an_order_stops_before_it_stores_something(hot: Hot) -> None:
    order_to_erase(hot, "u1")

    for ring in (Ring(), Ring(OLD_KEY)):
        with pytest.raises(BadSettings, match="copy the file from the machine that erased them"):
            fold([decoded(event(user="u2"))], hot, Checks(NoFacts(), keys=ring))
    assert empty(hot)


def test_a_failed_event_of_an_erased_learner_leaves_when_it_is_replayed(hot: Hot) -> None:
    stored = decoded(event(user="u1", attempted="not a time"))
    assert isinstance(stored, FailedEvent)
    hot.add_failed([stored, failed_event(offset=7)])
    order_to_erase(hot, "u1")

    assert fold([decode(stored.record)], hot, CHECKS).erased == 1
    assert [event.offset for event in hot.every_failed()] == [7]


def test_a_row_that_a_killed_writer_left_without_an_entry_goes_when_its_event_comes_again(hot: Hot) -> None:
    row = version(user_id="u1")
    hot.add_slices([row.slice])
    hot.add_rows([row])
    order_to_erase(hot, "u1")

    fold([decoded(event(user="u1"))], hot, CHECKS)

    assert empty(hot)


def test_an_order_at_any_moment_of_a_fold_leaves_nothing_of_the_learner() -> None:
    moments = 0
    while (hot := _folded_with_an_order_at(moments + 1)) is not None:
        moments += 1
        assert users(hot.all_learners()) == ["u2"]
        assert {activity.key.user_id for activity in hot.all_activities()} == {"u2"}
        assert sum(hot.counts(hot.held()).values()) == 1
        assert list(hot.every_failed()) == []
    assert moments > 8


def _folded_with_an_order_at(number: int) -> MemoryHot | None:
    """The store after a fold during which a learner was erased before a write; None if it has fewer writes."""

    was_called = False

    def erase() -> None:
        nonlocal was_called
        was_called = True
        order_to_erase(hot, "u1")
        erase_from_hot(["u1"], hot)

    hot = MemoryHot(on_write=at_write(number, erase))
    batch = [decoded(event(user="u1")), decoded(event(user="u2"), 2), decoded(event(user="u1", attempted="x"), 3)]
    folded = fold(batch, hot, CHECKS)
    assert (folded.stored, folded.failed, folded.erased) == ((1, 0, 2) if was_called else (2, 1, 0))
    return hot if was_called else None


def test_versions_of_an_erased_learner_in_the_lake_are_not_named() -> None:
    hot = MemoryHot()
    order_to_erase(hot, "u1")

    assert name_archived([version(user_id="u1"), version(user_id="u2")], hot, RING) == 1
    assert users(hot.all_learners()) == ["u2"]


def test_a_restored_and_a_rebuilt_hot_store_do_not_have_erased_learners(stores: Stores) -> None:
    def folded(*user_ids: str) -> Folded:
        events = [decoded(event(user=user), number) for number, user in enumerate(user_ids)]
        return fold(events, stores.hot, CHECKS)

    folded("u1", "u2")
    [slice_] = stores.hot.held()
    archive([slice_], stores, NOW)
    verify([slice_], stores, NOW)
    clear([slice_], stores, NOW)
    lost = stores._replace(hot=MemoryHot(), keys=RING)
    order_to_erase(lost.hot, "u1")

    for week in begin_rebuild(lost):
        rebuild(week, lost)
    assert users(lost.hot.all_learners()) == ["u2"]
    assert restore([slice_], lost, NOW)[slice_].rows == 1
    assert lost.hot.counts([slice_]) == {slice_: 1}
