"""Erasing a learner: the order, its keyed hash, and the texts in which an id can be written. Pure values and rules.

An order never names the learner. It has a keyed hash of the id (HMAC with SHA-256). Whoever has the secret key can say
whether a given learner is erased, and nobody can list the erased learners. A key can never be exchanged for another,
because the ids of old orders are gone. So a ring of keys only grows.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, cached_property
from typing import Final

import msgspec

from assess_core.domain.counts import counted
from assess_core.domain.json_text import is_unicode
from assess_core.domain.register import Kind, Record, why_no_decision
from assess_core.domain.wire import WireAnswer, WireData, WireEvent, WireItem
from assess_core.errors import BadErasure

KEYS: Final = "keys"
"""The topic of the records that name the keys in use. It is no keyed hash, so it cannot be taken for an order."""
_ORDER: Final = "order"
_SHOWN: Final = 100
_BEGINNING: Final = 60_000  # ms
_LONG: Final = 8  # bytes
_NUMBER: Final = re.compile(r"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?", re.ASCII)
_WORDS: Final = frozenset(
    name for each in (WireAnswer, WireData, WireEvent, WireItem) for name in each.__struct_fields__
)
_OF_ID: Final = rb"""[iI][dD]\\*"[ \t\r\n]*:[ \t\r\n]*(?:\\*")?"""
"""A member of JSON whose name ends with `id`, up to its value; also within a text of JSON, which escapes its quotes."""
_OF_USER: Final = rb"[uU][sS][eE][rR]_?" + _OF_ID
"""The same if its name ends with `userId` or `user_id`."""
_WORD: Final = rb"0-9A-Za-z_\-\x80-\xff"
_WHOLE_WORD: Final = re.compile(rb"[%b]+" % _WORD)


class Order(msgspec.Struct, frozen=True):
    """The content of an order."""

    by: str
    reason: str
    at: int
    """Epoch ms."""


def keyed_hash(key: str, user_id: str) -> str:
    """The hash of a learner's id under a key: 64 hex digits."""
    return hmac.new(key.encode(), user_id.encode(), hashlib.sha256).hexdigest()


def fingerprint(key: str) -> str:
    """Identifies a key without telling it: 16 hex digits."""
    return hashlib.sha256(b"fingerprint of an erasure key\0" + key.encode()).hexdigest()[:16]


def orders(key: str, user_ids: Iterable[str], order: Order) -> list[Record]:
    """The records of orders, and the record that says that the key is in use, which must be entered with them."""
    content = msgspec.json.encode(order).decode()
    return [
        Record(Kind.ERASURE, KEYS, fingerprint(key), "{}"),
        *(Record(Kind.ERASURE, keyed_hash(key, user_id), _ORDER, content) for user_id in sorted(set(user_ids))),
    ]


def beginnings(key: str, user_ids: Iterable[str], at: int) -> list[Record]:
    """The records that orders are about to be entered, at a time (epoch ms)."""
    return [Record(Kind.ERASURE_BEGUN, keyed_hash(key, user_id), _ORDER, str(at)) for user_id in user_ids]


def is_beginning(record: Record, now: int) -> bool:
    """Whether an order is about to be entered. After a minute, the process that began was killed."""
    return int(record.content) > now - _BEGINNING


def is_order(record: Record) -> bool:
    """Whether a record of this kind is an order, and not the name of a key."""
    return record.topic != KEYS


def order_of(record: Record) -> Order:
    """What an order says. Raises `BadErasure` if it cannot be read."""
    try:
        return msgspec.json.decode(record.content, type=Order)
    except msgspec.DecodeError as error:
        raise BadErasure(
            f"the order {record.topic[:_SHOWN]} in the register cannot be read ({str(error)[:_SHOWN]}); a newer "
            "version may have written it: update this installation"
        ) from None


_NO_NAME: Final = "(it named a learner who was erased)"
_RAW_NO_NAME: Final = msgspec.Raw(msgspec.json.encode(_NO_NAME))
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def without_names(record: Record, mentions: "Mentions") -> Record:
    """A record whose texts of people (who decided it, and why) do not mention learners; everything else stays."""
    try:
        content = _members(record.content)
        texts = {name: msgspec.json.decode(content[name], type=str) for name in ("by", "reason") if name in content}
    except msgspec.DecodeError:  # whoever needs the record says that it cannot be read
        return record
    changed = {name: _RAW_NO_NAME for name, text in texts.items() if mentions.are_in(text.encode())}
    return record._replace(content=msgspec.json.encode(content | changed).decode()) if changed else record


def require_order(user_ids: Collection[str], by: str, reason: str) -> None:
    """Raise `BadErasure` if an order lacks a name or a reason, or if these name a learner."""
    if not user_ids or not all(user_ids):
        raise BadErasure("an order needs a learner: add --learner ID, or --file LIST with an id in each line")
    if wrong := [user_id for user_id in user_ids if not is_unicode(user_id)]:
        raise BadErasure(
            f"{wrong[0][:_SHOWN]!r} is not UTF-8, so it is no id of a learner; write the id as it is stored"
        )
    if why := why_no_decision(by, reason):
        raise BadErasure(why)
    mentions = Mentions(user_ids)
    for name, text in (("--by", by), ("--reason", reason)):
        if mentions.are_in(text.encode()):
            raise BadErasure(f"{name}: it names the learner, and it is kept; write it without the id")


class Mentions:
    """Finds ids of learners in bytes: as UTF-8, and as JSON writes them, with any escapes.

    An id is found as a whole word: `u1` is not in `u10`, and not in `u1-x`.
    """

    def __init__(self, user_ids: Collection[str]) -> None:
        self._ids = frozenset(user_ids)
        raw = [user_id.encode() for user_id in user_ids]
        self._long = [each for each in raw if len(each) >= _LONG]
        self._words = frozenset(each for each in raw if _WHOLE_WORD.fullmatch(each))
        self._others = [re.escape(each) for each in raw if each not in self._words]

    @cached_property
    def _find_others(self) -> Callable[[bytes], object]:
        return re.compile(_within_words(self._others)).search

    @cached_property
    def _find_escaped(self) -> Callable[[bytes], object]:
        return re.compile(_as_word(self._ids)).search

    @cached_property
    def _find_in_event(self) -> Callable[[bytes], object]:
        return self._find_in_members(_OF_ID)

    @cached_property
    def _find_in_event_of_another(self) -> Callable[[bytes], object]:
        return self._find_in_members(_OF_USER)

    def _find_in_members(self, named: bytes) -> Callable[[bytes], object]:
        rare = [user_id for user_id in self._ids if not _is_common(user_id)]
        members = rb"%b%b" % (named, _as_word(self._ids))
        return re.compile(rb"%b|%b" % (members, _as_word(rare)) if rare else members).search

    def are_in(self, raw: bytes) -> bool:
        """Whether one of the ids is in these bytes. Without an escape, the time does not depend on their number."""
        if not self._words.isdisjoint(_WHOLE_WORD.findall(raw)):
            return True
        if b"\\" in raw:
            return self._find_escaped(raw) is not None
        return bool(self._others) and self._find_others(raw) is not None

    def are_in_event(self, raw: bytes, learner: str | None) -> bool:
        """Whether an event, or a part of one, names a learner. `learner` is whose event it is; None if unknown.

        Other events have ids that are short, numbers or members of an event as words of their own. So these are found
        only as values of members with ids, such as `userId`; all others are found anywhere. In an event of another
        learner, a member such as `batchId` with such a value is another id.
        """
        if learner is None or learner in self._ids:
            return self._find_in_event(raw) is not None
        return self._find_in_event_of_another(raw) is not None

    def are_one_of(self, *texts: str | None) -> bool:
        """Whether one of the texts is an id."""
        return not self._ids.isdisjoint(texts)

    def are_within(self, raw: bytes) -> bool:
        """Whether one of the ids is anywhere in bytes that are no text. Short ids are left out: chance has them."""
        return any(each in raw for each in self._long)


def _is_common(user_id: str) -> bool:
    return len(user_id.encode()) < _LONG or user_id in _WORDS or _NUMBER.fullmatch(user_id) is not None


def _as_word(user_ids: Iterable[str]) -> bytes:
    return _within_words([_pattern(user_id) for user_id in sorted(user_ids, key=len, reverse=True)])


def _within_words(patterns: Iterable[bytes]) -> bytes:
    return rb"(?<![%b])(?:%b)(?![%b])" % (_WORD, b"|".join(patterns), _WORD)


def _pattern(user_id: str) -> bytes:
    return b"".join(_character(each) for each in user_id)


@cache
def _character(character: str) -> bytes:
    """A pattern for each way in which JSON can write a character."""
    units = character.encode("utf-16-be")
    escaped = b"".join(
        rb"\\u" + b"".join(_digit(digit) for digit in units[at : at + 2].hex()) for at in range(0, len(units), 2)
    )
    short = json.dumps(character)[1:-1].encode()
    forms = {re.escape(character.encode()), re.escape(short), escaped}
    if character == "/":
        forms.add(rb"\\/")
    return b"(?:" + b"|".join(sorted(forms)) + b")"


def _digit(digit: str) -> bytes:
    return digit.encode() if digit.isdecimal() else f"[{digit}{digit.upper()}]".encode()


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a receipt: what was there of the learners, and what is there now."""

    name: str
    before: int
    after: int
    what: str
    """What is counted: rows, files, events."""


class ChangedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was rewritten or deleted. Names are within the lake or the folder of reports."""

    name: str
    sha256: str
    rows: int | None = None
    """The rows of the learners that left it; None if they were not counted."""


class Remaining(msgspec.Struct, frozen=True, kw_only=True):
    """What this program cannot erase, and how long it lasts."""

    what: str
    until: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure did. It names no learner: `learners` are the keyed hashes, which can be checked with the ids."""

    receipt_version: int = 1
    key: str
    """The fingerprint of the key of hashes and signature."""
    learners: list[str]
    by: str
    reason: str
    ordered_at: str
    """When the order came into force (UTC)."""
    finished_at: str
    product: str
    places: list[Place]
    files_before: list[ChangedFile]
    """Files that held rows of the learners, and are gone."""
    files_after: list[ChangedFile]
    """Files that took their place."""
    slices: dict[str, int]
    """The rows that left each slice of the lake."""
    remaining: list[Remaining]
    signature: str = ""
    """HMAC with SHA-256 over the receipt without its signature, as JSON with sorted members and without spaces."""


def signed(receipt: Receipt, key: str) -> Receipt:
    """The receipt with its signature."""
    return msgspec.structs.replace(receipt, signature=_signature(receipt, key))


def receipt_text(receipt: Receipt) -> bytes:
    """The bytes of a receipt's file."""
    return msgspec.json.format(msgspec.json.encode(receipt, order="sorted"), indent=2) + b"\n"


def parse_receipt(text: bytes, keys: Sequence[str]) -> Receipt:
    """The inverse of `receipt_text`. Raises `BadErasure` if it cannot be read, was changed, or is not of this ring."""
    try:
        receipt = msgspec.json.decode(text, type=Receipt, strict=True)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadErasure(
            f"this is no receipt of an erasure: {error}; name the file that `assess erase` wrote"
        ) from None
    key = next((key for key in keys if fingerprint(key) == receipt.key), None)
    if key is None:
        raise BadErasure(
            f"the receipt was signed with the key {receipt.key[:16]!r}, which is not in the ring; "
            "use the installation that wrote it, or put its key back (ASSESS_ERASURE_KEYS)"
        )
    if receipt_text(receipt) != text or not hmac.compare_digest(receipt.signature, _signature(receipt, key)):
        raise BadErasure("the receipt was changed after it was signed; use the original file")
    return receipt


def require_named(receipt: Receipt, key: str, user_ids: Collection[str]) -> None:
    """Raise `BadErasure` unless these are exactly the learners of a receipt."""
    given = {keyed_hash(key, user_id) for user_id in user_ids}
    if given - set(receipt.learners):
        raise BadErasure("the receipt is not about one of these learners; name those that were erased then")
    if len(given) < len(receipt.learners):
        raise BadErasure(
            f"the receipt is about {counted(len(receipt.learners), 'learner')}, and "
            f"{counted(len(given), 'was', 'were')} named; "
            "name all of them: their ids are searched for, and nobody else knows them"
        )


def _signature(receipt: Receipt, key: str) -> str:
    unsigned = msgspec.structs.replace(receipt, signature="")
    text = msgspec.json.encode(unsigned, order="sorted")
    return hmac.new(key.encode(), b"receipt\0" + text, hashlib.sha256).hexdigest()
