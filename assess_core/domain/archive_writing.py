"""Versions as rows of Sunbird's archive files, in the times of its newer layout. `archive_rows` reads them back."""

from collections.abc import Iterable, Iterator

import msgspec

from assess_core.domain import moments
from assess_core.domain.archive_rows import COLUMNS
from assess_core.domain.attempts import Answer, AttemptVersion
from assess_core.domain.spark_csv import written
from assess_core.domain.wire import Maps


class _Written(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An answer as Spark writes it: members that are null are left out."""

    id: str
    assess_ts: str | None = None
    max_score: float
    score: float
    type: str | None = None
    title: str | None = None
    resvalues: Maps
    params: Maps
    description: str | None = None
    duration: float


_encode = msgspec.json.Encoder().encode
_decode_answers = msgspec.json.Decoder(list[Answer]).decode


def archive_texts(versions: Iterable[AttemptVersion]) -> Iterator[bytes]:
    """A file of these versions, with its header, which `read_rows` reads back. Times are those of the newer layout."""
    yield written(COLUMNS).encode()
    for version in versions:
        yield written(_cells(version)).encode()


def _cells(version: AttemptVersion) -> tuple[str, ...]:
    key, attempted_on = version.key, version.version.last_attempted_on
    return (
        key.course_id,
        key.batch_id,
        key.user_id,
        key.content_id,
        key.attempt_id,
        moments.iso(version.received_at),
        version.grand_total,
        str(attempted_on or ""),
        repr(version.total_max_score),
        repr(version.total_score),
        str(version.received_at),
        _encode([_written(answer) for answer in _decode_answers(version.question)]).decode(),
    )


def _written(answer: Answer) -> _Written:
    return _Written(
        id=answer.id,
        assess_ts=None if answer.assess_ts is None else moments.iso(answer.assess_ts),
        max_score=answer.max_score,
        score=answer.score,
        type=answer.type,
        title=answer.title,
        resvalues=answer.resvalues,
        params=answer.params,
        description=answer.description,
        duration=answer.duration,
    )
