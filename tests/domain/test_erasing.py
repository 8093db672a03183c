"""Ids in bytes, orders and receipts."""

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.domain.erasing import (
    KEYS,
    Mentions,
    Order,
    fingerprint,
    is_order,
    keyed_hash,
    order_of,
    orders,
)
from assess_core.domain.manifest import Contents, digest_of, without
from assess_core.domain.register import Kind, Record
from assess_core.errors import BadErasure

KEY = "ab" * 32
IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


def escaped(text: str) -> str:
    """A text as JSON, with every character escaped."""
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[at : at + 2].hex().upper()}" for at in range(0, len(units), 2)) + '"'


@given(IDS)
def test_an_id_is_found_however_json_writes_it(user_id: str) -> None:
    find = Mentions([user_id]).are_in
    for text in (json.dumps(user_id), json.dumps(user_id, ensure_ascii=False), escaped(user_id)):
        assert find(f'{{"userId": {text}, "x": 1}}'.encode())
    assert find(b"\0" + user_id.encode() + b"\0")


@given(st.text("abu1é", min_size=1, max_size=8), st.sampled_from("aZ0_-é"))
def test_an_id_is_not_found_within_a_longer_one(user_id: str, more: str) -> None:
    assert not Mentions([user_id]).are_in(f"\0{more}{user_id}{more}\0".encode())
    assert not Mentions([f"{more}{user_id}{more}"]).are_in(json.dumps(user_id).encode())


def test_one_of_many_ids_is_found_and_the_others_are_not() -> None:
    find = Mentions([f"u{number}" for number in range(1000)]).are_in
    assert find(b'"u999"')
    assert not find(b'"u1000", "u1-x", "xu1"')


def test_short_ids_are_not_searched_for_among_raw_bytes() -> None:
    assert Mentions(["a-long-id"]).are_within(b"\x05a-long-idx")
    assert not Mentions(["short"]).are_within(b"short")


@pytest.mark.parametrize("user_id", ["1", "-1", "true", "null", "userId", "mcq", "u1", "1234567890123"])
def test_an_id_that_others_can_have_as_a_word_is_found_only_in_members_with_ids(user_id: str) -> None:
    names = partial(Mentions([user_id]).are_in_event, learner=None)
    others = {"userId": "u2", "score": 1, "ets": 1234567890123, "is": [True, None, -1], "type": "mcq", "title": "u1"}
    assert not names(json.dumps(others).encode())
    for text in (json.dumps(user_id), escaped(user_id)):
        assert names(f'{{"x": 1, "userId" : {text}}}'.encode())
        assert names(f'{{"actor": {{"id":{text}, '.encode())  # also if it was cut
    assert names(json.dumps({"value": json.dumps({"userId": user_id})}).encode())
    assert not names(f'{{"userId": "{user_id}0"}}'.encode())


@pytest.mark.parametrize("user_id", ["1", "true", "u1"])
def test_in_an_event_of_another_learner_such_an_id_is_found_only_as_a_user(user_id: str) -> None:
    names = partial(Mentions([user_id, "a-long-id"]).are_in_event, learner="u2")
    assert not names(json.dumps({"userId": "u2", "batchId": user_id, "item": {"id": user_id}}).encode())
    for member in ("userId", "user_id", "createdByUserId"):
        assert names(json.dumps({"userId": "u2", member: user_id}).encode())
    assert names(b'{"userId": "u2", "title": "by a-long-id"}')


def test_a_long_id_is_found_anywhere_in_an_event() -> None:
    names = partial(Mentions(["1", "a-long-id"]).are_in_event, learner=None)
    assert names(b'{"title": "by a-long-id", ')
    assert names(b'{"userId": 1}')
    assert not names(b'{"title": "a-long-id-2"}')


def test_an_order_names_nobody_and_only_the_key_finds_it() -> None:
    order = Order("a director", "asked for it", 5)
    key, found = orders(KEY, ["u1", "u1"], order)

    assert (key.kind, key.topic, key.id) == (Kind.ERASURE, KEYS, fingerprint(KEY))
    assert found.topic == keyed_hash(KEY, "u1") != keyed_hash("cd" * 32, "u1")
    assert (is_order(found), is_order(key), order_of(found)) == (True, False, order)
    assert "u1" not in str(found)
    assert KEY not in str(key)


@pytest.mark.parametrize("text", ["00", "ff" * 32, f"{2**256 - 190:064x}"])
def test_contents_without_a_part_are_those_of_the_rest(text: str) -> None:
    one, other = int(text, 16) % (2**256 - 189), int("12" * 32, 16)
    whole = Contents(3, 2, 2, 3.0, digest_of([one + other]))
    part = Contents(1, 1, 1, 1.0, digest_of([one]))

    assert without(whole, part) == Contents(2, 1, 1, 2.0, digest_of([other]))


@pytest.mark.parametrize("content", ["", "{}", '{"by": 1, "reason": "r", "at": 1}'])
def test_an_order_that_cannot_be_read_is_named(content: str) -> None:
    with pytest.raises(BadErasure, match="update this installation"):
        order_of(Record(Kind.ERASURE, "ab" * 32, "order", content))


@given(
    st.lists(st.text('a1é-" /', min_size=1, max_size=3), min_size=1, max_size=4),
    st.lists(
        st.sampled_from(["a", "1", "é", "-", '"', " ", "/", "\\u0061", "\\u00e9", '\\"', "\\/", "\0"]), max_size=8
    ),
)
def test_an_id_is_found_alike_with_and_without_escapes_around_it(ids: list[str], parts: list[str]) -> None:
    raw = "".join(parts).encode()
    escape_elsewhere = raw + b"\0\\\0"

    assert Mentions(ids).are_in(raw) == Mentions(ids).are_in(escape_elsewhere)
