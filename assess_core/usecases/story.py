"""An explanation as a story for people, and as a value for programs."""

from collections.abc import Iterator

import msgspec

from assess_core.domain.correction_records import Decided
from assess_core.domain.corrections import correction_text, rule_text
from assess_core.domain.counts import counted
from assess_core.domain.explanation import Judgement, Rule
from assess_core.domain.moments import iso, iso_or_empty
from assess_core.usecases.explaining import Copy, Explanation, Told, Voucher

Value = dict[str, object]
_WINS = {
    Rule.ONLY: "it is the only version",
    Rule.LATER: "it was attempted last",
    Rule.ANSWERS: "it has answers, and the next version with the same time has none",
    Rule.HASH: "versions with the same time are ordered by content hash, and its hash is the highest",
}
_LOSES = {
    Rule.LATER: "which was attempted later",
    Rule.ANSWERS: "which has the same time, and answers",
    Rule.HASH: "which has the same time, and a higher content hash",
    Rule.ONLY: "",
}


def story(found: Explanation) -> list[str]:
    """The explanation as lines, to be read from top to bottom."""
    return [*_head(found.judgement), *(line for told in found.versions for line in _version(found.judgement, told))]


def _head(found: Judgement) -> Iterator[str]:
    key, summary = found.key, found.summary
    yield f"Learner {key.user_id}, assessment {key.assessment_id}, course {key.course_id}, batch {key.batch_id}"
    best = f"{_number(summary.best_score)} of {_number(summary.total_max_score)}"
    yield f"  The best score is {best}, from attempt {found.best}."
    if found.as_good:
        others = ", ".join(found.as_good)
        yield f"  {others} scored the same; of equal scores, the attempt with the smallest id is named."
    yield f"  The last score is {_number(summary.last_attempted_score)}, from attempt {found.last}."
    yield (f"  {counted(summary.attempts_count, 'attempt')}, {counted(summary.versions, 'accepted version')}.")


def _version(judgement: Judgement, told: Told) -> Iterator[str]:
    entry, rule = told.judged.entry, told.judged.rule
    score = f"{_number(entry.score)} of {_number(entry.max_score)}"
    yield ""
    if told.judged.superseded_by is None:
        yield f"Attempt {entry.attempt_id}: {score}"
        yield f"  Version {entry.version.content_hash.hex()} counts: {_WINS[rule]}."
    else:
        yield f"  Superseded: version {entry.version.content_hash.hex()} with {score}."
        yield f"  It does not count because of {told.judged.superseded_by.hex()}, {_LOSES[rule]}."
    yield from _corrections(told)
    clock = iso_or_empty(entry.version.last_attempted_on) or "a time that it does not say"
    without = "" if entry.version.has_answers else ", without answers"
    yield f"  Attempted at {clock}{without}; first received at {iso(entry.received_at)}."
    yield f"  Slice {told.slice.slice}: {told.slice.why or told.slice.status}."
    if told.dropped_at is not None:
        kept = "" if told.scores_kept_at is None else " The lake keeps it without answers."
        yield f"  Retention dropped it from the lake at {iso(told.dropped_at)}. Only its score is left.{kept}"
    elif not told.copies:
        yield "  It is LOST: neither the hot store nor the lake holds it. Type: assess balance"
    for copy in told.copies:
        yield from _copy(copy, entry.received_at)
    if told.event:
        topic, partition, offset = told.event
        yield f"  Its event is in the log: {topic}, partition {partition}, offset {offset}."
    else:
        yield f"  Its event was not found in the log: {told.event_note}."


def _corrections(told: Told) -> Iterator[str]:
    if not told.corrections:
        return
    submitted = told.submitted
    yield f"  It was submitted with {_number(submitted.score)} of {_number(submitted.max_score)}. Corrections in force:"
    for id_, correction, decided in told.corrections:
        rule = f"{rule_text(correction.rule)}, question {correction.question}"
        yield f"    {id_}: {rule}; by {decided.by} at {iso(decided.at)}: {decided.reason}"


def _copy(copy: Copy, first: int) -> Iterator[str]:
    tier = "hot store" if copy.file is None else "lake"
    again = "" if copy.received_at == first else f", received again at {iso(copy.received_at)} (slice {copy.slice})"
    sound = "." if copy.sound else ". ITS COLUMNS DO NOT GIVE ITS CONTENT HASH: restore it from a backup."
    yield f"  Stored in the {tier}{again}{sound}"
    if copy.file is not None:
        yield f"    in {copy.file}, row group {copy.row_group}, row {copy.row}"
        yield from (f"    {line}" for line in _vouches(copy.voucher))


def _vouches(voucher: Voucher | None) -> Iterator[str]:
    if voucher is None or voucher.file_sha256 is None:
        yield "No manifest entry names this file: an archive or a compaction was killed."
        yield "Archive and verify the slice again."
    else:
        entry = voucher.entry
        yield f"Manifest entry {entry.number} vouches for it ({entry.action} at {iso(entry.at)}, hash {entry.hash})."
        yield f"The manifest names this file with SHA-256 {voucher.file_sha256}."
    if voucher and voucher.chain_problem:
        yield f"BUT {voucher.chain_problem}."


def value(found: Explanation) -> Value:
    """The explanation as JSON. Of a copy in the hot store, which is in no file, the scores of its answers are added."""
    key, summary = found.judgement.key, found.judgement.summary
    return {
        **key._asdict(),
        "score": {
            "best_score": summary.best_score,
            "total_max_score": summary.total_max_score,
            "last_attempted_score": summary.last_attempted_score,
            "min_score": summary.min_score,
            "average_score": summary.average_score,
            "attempts_count": summary.attempts_count,
            "best_attempt": found.judgement.best,
            "last_attempt": found.judgement.last,
        },
        "versions": [_version_value(told) for told in found.versions],
        "story": story(found),
    }


def _version_value(told: Told) -> Value:
    entry, superseded_by = told.judged.entry, told.judged.superseded_by
    return {
        "attempt_id": entry.attempt_id,
        "content_hash": entry.version.content_hash.hex(),
        "last_attempted_on": entry.version.last_attempted_on,
        "has_answers": entry.version.has_answers,
        "score": entry.score,
        "max_score": entry.max_score,
        "submitted_score": told.submitted.score,
        "submitted_max_score": told.submitted.max_score,
        "corrections": [_correction_value(one) for one in told.corrections],
        "received_at": iso(entry.received_at),
        "counts": told.judged.counts,
        "superseded_by": superseded_by.hex() if superseded_by else None,
        "rule": told.judged.rule,
        "slice": str(told.slice.slice),
        "slice_status": told.slice.status,
        "dropped_at": None if told.dropped_at is None else iso(told.dropped_at),
        "scores_kept_at": None if told.scores_kept_at is None else iso(told.scores_kept_at),
        "copies": [_copy_value(copy) for copy in told.copies],
        "event": told.event._asdict() if told.event else None,
        "event_note": told.event_note,
    }


def _correction_value(one: Decided) -> Value:
    decided = one.decision
    return {
        "id": one.id,
        "by": decided.by,
        "reason": decided.reason,
        "at": iso(decided.at),
        "correction": msgspec.json.decode(correction_text(one.correction)),
    }


def _copy_value(copy: Copy) -> Value:
    where: Value = {
        "tier": copy.tier,
        "slice": str(copy.slice),
        "received_at": iso(copy.received_at),
        "sound": copy.sound,
    }
    if copy.file is None:
        names = ("id", "score", "max_score", "resvalues")
        answers = [{name: getattr(each, name) for name in names} for each in copy.answers]
        return {**where, "answers": answers}
    return {
        **where,
        "file": copy.file,
        "row_group": copy.row_group,
        "row": copy.row,
        "manifest": _voucher_value(copy.voucher) if copy.voucher else None,
    }


def _voucher_value(voucher: Voucher) -> Value:
    entry = voucher.entry
    return {
        "number": entry.number,
        "action": entry.action,
        "at": iso(entry.at),
        "delta_version": entry.delta_version,
        "digest": entry.contents.digest,
        "previous": entry.previous,
        "hash": entry.hash,
        "chain_problem": voucher.chain_problem,
        "file_sha256": voucher.file_sha256,
    }


def _number(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e15 and number == round(number, 4) else repr(number)
