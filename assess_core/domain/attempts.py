"""Attempts: answers, totals, and the version of an attempt that a submission creates."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.slices import ArchiveSlice

HASH_BYTES: Final = 16
Totals = tuple[float, float, str]
"""Score, maximum score and `grand_total`."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The response to one question. Fields are the stored columns, in stored order (`question` of the stores).

    `assess_ts` is in epoch ms, `duration` in seconds as the player counted them. Options (`params`) and responses
    (`resvalues`) are lists of small maps of text; values that are not text are stored as JSON text.
    """

    id: str
    assess_ts: int | None
    max_score: float
    score: float
    type: str | None
    title: str | None
    resvalues: list[dict[str, str]]
    params: list[dict[str, str]]
    description: str | None
    duration: float


class AttemptKey(NamedTuple):
    """Identifies an attempt: one try of one learner at one assessment in one batch of a course."""

    user_id: str
    course_id: str
    batch_id: str
    content_id: str
    attempt_id: str


class Version(NamedTuple):
    """Identifies a submission of an attempt. Versions compare as tuples, and the highest is the newest."""

    last_attempted_on: int
    """`assessmentTs`, epoch ms; 0 (1970-01-01) means "no clock", which only old rows have."""
    has_answers: bool
    content_hash: bytes
    """The first 16 bytes of SHA-256 over `canonical`."""


class AttemptVersion(msgspec.Struct, frozen=True):
    """One immutable submission of an attempt, as it is stored in either tier."""

    key: AttemptKey
    version: Version
    total_score: float
    total_max_score: float
    grand_total: str
    question: str
    """The answers as compact JSON text, sorted by question id (see `question_text`)."""
    received_at: int
    """When the event entered the log, epoch ms: the source of `updated_on` and of the slice."""

    @property
    def slice(self) -> ArchiveSlice:
        """The slice of this copy: its batch, in the week of its receipt."""
        return ArchiveSlice.of(self.key.batch_id, self.received_at)

    @property
    def row_key(self) -> "RowKey":
        """The full key of this copy, including its receipt."""
        return RowKey(self.slice, self.key, self.version, self.received_at)


class RowKey(NamedTuple):
    """Identifies one copy of a version, for example to delete it. Two receipts make two copies."""

    slice: ArchiveSlice
    key: AttemptKey
    version: Version
    received_at: int


def page_order(row: AttemptVersion) -> tuple[AttemptKey, Version, int]:
    """The order of rows on a page of a batch: by attempt, version and receipt."""
    return row.key, row.version, row.received_at


def latest_answers(answers: Iterable[Answer]) -> list[Answer]:
    """One answer per question id, sorted by it: the answer with the highest `ets`, or the first of equals."""
    answers = list(answers)
    latest = {answer.id: answer for answer in answers}
    if len(latest) < len(answers):  # rare: a question was answered again
        for answer in reversed(answers):
            if (answer.assess_ts or 0) >= (latest[answer.id].assess_ts or 0):
                latest[answer.id] = answer
    return [latest[id_] for id_ in sorted(latest)]


def total(values: Iterable[float]) -> float:
    """The plain left-to-right sum. `sum()` rounds differently since Python 3.12, and hashes must not change."""
    result = 0.0
    for value in values:
        result += value
    return result


def grand_total(score: float, max_score: float) -> str:
    """`total/max`: two decimals, half to even on the exact binary value, one trailing zero dropped (`1.33/2.0`)."""
    return f"{_two_decimals(score)}/{_two_decimals(max_score)}"


def _two_decimals(value: float) -> str:
    text = f"{value:.2f}"
    return text[:-1] if text.endswith("0") else text


def question_text(answers: Sequence[Answer]) -> bytes:
    """The answers as compact JSON text in UTF-8. The hot store stores this text, and the content hash covers it.

    Keys have the order of `Answer`'s fields. Members of options and responses are sorted by name, because their order
    does not change a version. There are no spaces, and missing values are null. Only `"`, `\\` and characters below
    U+0020 are escaped, with JSON's short forms or as `\\u00XX` in capital digits. Numbers have as few digits as read
    back equal, whole ones end in `.0`, and only those below 1e-6 or from 1e21 have an exponent. DuckDB's `to_json`
    writes the lake's nested columns in this format, so SQL over the files can recompute the hash.
    """
    return _json(answers if all(map(_has_plain_numbers, answers)) else list(map(_with_numbers, answers)))


def response_text(response: Sequence[Mapping[str, str]]) -> str:
    """A response (`resvalues`) as it is within `question_text`: equal responses have equal texts."""
    return _json(response).decode()


def canonical(key: AttemptKey, last_attempted_on: int, totals: Totals, question: bytes) -> bytes:
    """The UTF-8 text that is hashed: a JSON array of the key, the clock (epoch ms), the totals and the answers.

    `[user_id,course_id,batch_id,content_id,attempt_id,last_attempted_on,total_score,total_max_score,grand_total,[...]]`,
    in the format of `question_text`. It excludes the receipt, `mid` and other fields that are not stored.
    docs/content-hash.md has test vectors.
    """
    score, max_score, text = totals
    head = _json([*key, last_attempted_on, _number(score), _number(max_score), text])
    return b"%b,%b]" % (head[:-1], question)


def make_version(
    key: AttemptKey, last_attempted_on: int, answers: Sequence[Answer], received_at: int
) -> AttemptVersion:
    """The version that a submission creates; `answers` as `latest_answers` returns them."""
    score = total([answer.score for answer in answers])
    max_score = total([answer.max_score for answer in answers])
    totals = (score, max_score, grand_total(score, max_score))
    return with_totals(key, last_attempted_on, totals, question_text(answers), received_at)


def with_totals(
    key: AttemptKey, last_attempted_on: int, totals: Totals, question: bytes, received_at: int
) -> AttemptVersion:
    """The version with these totals and answers (as `question_text`), such as a row of an older system."""
    digest = hashlib.sha256(canonical(key, last_attempted_on, totals, question)).digest()[:HASH_BYTES]
    version = Version(last_attempted_on, question != b"[]", digest)
    return AttemptVersion(key, version, *totals, question.decode(), received_at)


_encode = msgspec.json.Encoder(order="deterministic").encode
_may_have_control = re.compile(rb"\\u00").search  # takes two thirds of the time of `in`
_ESCAPE = re.compile(rb"\\(?:u00[01][0-9a-f]|.)")


def _json(value: object) -> bytes:
    text = _encode(value)
    # msgspec writes \u000b, DuckDB \u000B; they differ in nine characters
    return _ESCAPE.sub(_capital, text) if _may_have_control(text) else text


def _capital(found: re.Match[bytes]) -> bytes:
    text = found.group()
    return b"\\u00" + text[4:].upper() if len(text) == 6 else text


def _number(value: float) -> float | msgspec.Raw:
    """The number as DuckDB writes it. msgspec writes an exponent from 1e16 to 1e21 and from 1e-6 to 1e-4."""
    if value == 0.0 or 1e-4 <= abs(value) < 1e16 or not 1e-6 <= abs(value) < 1e21:
        return value
    text = format(Decimal(repr(value)), "f")
    return msgspec.Raw((text if "." in text else text + ".0").encode())


def _has_plain_numbers(answer: Answer) -> bool:
    """Whether msgspec certainly writes the numbers as DuckDB does."""
    return (
        (answer.score == 0.0 or 1e-4 <= answer.score < 1e16)
        and (answer.max_score == 0.0 or 1e-4 <= answer.max_score < 1e16)
        and (answer.duration == 0.0 or 1e-4 <= answer.duration < 1e16)
    )


def _with_numbers(answer: Answer) -> Answer:
    return msgspec.structs.replace(
        answer,
        max_score=_number(answer.max_score), score=_number(answer.score), duration=_number(answer.duration),
    )  # fmt: skip
