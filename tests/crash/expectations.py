"""The results that a read may return: at least the acknowledged lines, at most the submitted lines.

Both bounds come from the oracle, which knows neither processes nor tiers. If all lines are acknowledged, the bounds are
equal, and only one result is right.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, Final, NamedTuple

from tests import oracle
from tests.e2e.commands import iso, known_columns, printed

Row = dict[str, Any]
_KEY: Final = ("user_id", "course_id", "batch_id", "content_id", "attempt_id")
_OF_RESPONSE: Final = ("User UUID", "Collection Id", "Batch Id", "QuestionSet Id", "Attempt Id")


class Line(NamedTuple):
    """One line of a log with its position."""

    topic: str
    offset: int
    raw: bytes


Options = Sequence[Sequence[Row]]
"""Sets of corrections, each as its file."""


class Removed(NamedTuple):
    """What orders may have removed: {False} not, {True} completely, both: partly, or it is unknown."""

    learner: str = ""
    erased: frozenset[bool] = frozenset({False})
    batch: str = ""
    """Retention drops its rows from the lake; its scores stay."""
    dropped: frozenset[bool] = frozenset({False})
    keeps_scores: bool = False
    """Whether the lake keeps the scores of what was dropped, so the score exhaust still has its attempts."""

    def may_lack(self, key: tuple[str, ...]) -> bool:
        """Whether rows of an attempt may be dropped."""
        return key[2] == self.batch and True in self.dropped


NOTHING: Final = Removed()


class Wrong(Exception):
    """A result that is wrong at every moment. The message has the result and the right one."""


class Bounds:
    """The oracle's tables for the lines that must be visible, and for the lines that can be visible.

    `options`: the sets of corrections that can be in force. `removed`: what orders may have removed.
    """

    def __init__(
        self, least: Collection[Line], most: Collection[Line], options: Options = ((),), removed: Removed = NOTHING
    ) -> None:
        self.lines = sorted({*least, *most})
        self.options = options
        self.removed = removed
        one_result = len(options) == len(removed.erased) == len(removed.dropped) == 1
        self.is_exact = set(least) == set(most) and one_result
        self.least = oracle.tables(sorted(least), erased=[removed.learner] if True in removed.erased else ())
        gone = () if False in removed.erased else [removed.learner]
        self.most = oracle.tables(self.lines, corrections=options[0], erased=gone)
        of_least, of_most = self.least["attempts"], self.most["attempts"]
        self.least_rows = {key: found for key, found in of_least.items() if not removed.may_lack(key)}
        """The attempts whose rows must be there."""
        lacking = removed.dropped == {True}
        self.most_rows = {key: found for key, found in of_most.items() if not (lacking and removed.may_lack(key))}
        """The attempts whose rows may be there."""
        kept = removed.keeps_scores
        self.least_scores: dict[Any, Any] = of_least if kept else self.least_rows
        self.most_scores: dict[Any, Any] = of_most if kept else self.most_rows
        """The attempts that the score exhaust must and may have."""

    @cached_property
    def printed(self) -> dict[str, list[Row]]:
        """The expected tables when no line is in flight."""
        rows = printed({**self.most, "attempts": self.most_rows, "summaries": {}}, self.options[0])["attempts"]
        return {**printed(self.most, self.options[0]), "attempts": rows}

    def versions(self, key: tuple[str, ...]) -> list[Row]:
        """The versions of an attempt that can be the newest now, oldest first."""
        known = self.most["attempts"].get(key, [])
        must = self.least_rows.get(key)
        if must is None:
            return list(known)
        hashes = [version["content_hash"] for version in known]
        return list(known[hashes.index(must[-1]["content_hash"]) :])

    def counting(self, key: tuple[str, ...]) -> list[Row]:
        """The versions of an attempt that can be the newest now, under the corrections that can be in force."""
        return [oracle.correct(key, version, option) for version in self.versions(key) for option in self.options]

    def receipts(self, key: tuple[str, ...], hash_: str) -> tuple[str, str]:
        """The earliest and the latest receipt that a read may show for a version."""
        earliest = _version(self.most, key, hash_)["received_at"]
        known = _version(self.least, key, hash_)
        return iso(earliest), iso(known["received_at"]) if known else "9999"

    def receipts_between(self, key: tuple[str, ...], hash_: str, shown: int) -> list[int]:
        """The shown receipt, if it is allowed."""
        earliest, latest = self.receipts(key, hash_)
        return [shown] if earliest <= iso(shown) <= latest else []

    def missing(self, table: str, found: Collection[tuple[str, ...]]) -> None:
        """Raise `Wrong` if a required attempt, summary or activity is missing."""
        least = self.least_rows if table == "attempts" else self.least[table]
        if absent := sorted(least.keys() - set(found)):
            raise Wrong(f"{table} of {absent[0]} were acknowledged and are missing")


def check_table(name: str, rows: list[Row], bounds: Bounds) -> None:
    """Raises `Wrong` for an output of `assess table NAME` that is wrong at every moment."""
    if bounds.is_exact:
        found = known_columns({"failed": rows})["failed"] if name == "failed" else rows
        _same(f"table {name}", found, bounds.printed[name])
    elif name == "attempts":
        for row in rows:
            _check_attempt(row, bounds)
        bounds.missing("attempts", [_key(row) for row in rows])
    elif name == "summaries":
        for row in rows:
            _check_map(row, bounds)
        names = ("user_id", "assessment_id", "course_id", "batch_id")
        bounds.missing("summaries", [tuple(row[name] for name in names) for row in rows])
    elif name == "activity":
        keys = [(row["user_id"], row["activity_id"], row["context_id"].removeprefix("cb:")) for row in rows]
        bounds.missing("activity", keys)
    elif name == "failed":
        _check_failed(rows, bounds)


def _check_attempt(row: Row, bounds: Bounds) -> None:
    key = _key(row)
    allowed = [version for version in bounds.counting(key) if version["content_hash"] == row["content_hash"]]
    if not allowed or key not in bounds.most_rows:
        raise Wrong(f"table attempts shows {row['content_hash']} as the newest of {key}, which it never was")
    earliest, latest = bounds.receipts(key, row["content_hash"])
    if not earliest <= row["updated_on"] <= latest:
        raise Wrong(f"{key} is shown as received at {row['updated_on']}, not between {earliest} and {latest}")
    shown = {name: row[name] for name in row if name not in ("created_on", "updated_on", "year", "week")}
    rest: dict[str, Any] = {"summaries": {}, "activity": {}, "failed": set()}
    wanted = [printed({"attempts": {key: [version]}, **rest})["attempts"][0] for version in allowed]
    if shown not in (right := [{name: one[name] for name in shown} for one in wanted]):
        raise Wrong(f"attempt {key} is {shown}; right would be one of {right}")


def _check_map(row: Row, bounds: Bounds) -> None:
    """Compare only the map of a summary, because its derived columns can be out of date for a moment."""
    user, assessment, course, batch = (row[name] for name in ("user_id", "assessment_id", "course_id", "batch_id"))
    named = {(entry["attempt_id"], entry["content_hash"]) for entry in row["attempts"]}
    may, must = (
        {
            (key[4], version["content_hash"])
            for key, versions in tables["attempts"].items()
            if key[:4] == (user, course, batch, assessment)
            for version in versions
        }
        for tables in (bounds.most, bounds.least)
    )
    if not must <= named <= may:
        raise Wrong(f"the map of {user!r} at {assessment!r} names {named}; it must name {must} and may name {may}")
    for entry in row["attempts"]:
        key = (user, course, batch, assessment, entry["attempt_id"])
        earliest, latest = bounds.receipts(key, entry["content_hash"])
        if not earliest <= entry["received_at"] <= latest:
            raise Wrong(f"the map has {key} as received at {entry['received_at']}, not {earliest} to {latest}")


def _check_failed(rows: list[Row], bounds: Bounds) -> None:
    found = {(row["topic"], row["offset"], row["raw"]) for row in rows}
    may, must = ({(t, o, raw.decode("utf-8", "backslashreplace")) for t, o, raw in tables["failed"]}
                 for tables in (bounds.most, bounds.least))  # fmt: skip
    if not must <= found <= may:
        raise Wrong(f"table failed has {found}; it must have {must} and may have {may}")


def check_learner(user: str, rows: list[list[Any]], bounds: Bounds) -> None:
    """Raises `Wrong` for attempts (`[key, clock, total, question ids, receipt]`) that are wrong at every moment."""
    keys = [tuple(row[0]) for row in rows]
    for key, at, total, questions, received in rows:
        of_attempt = tuple(key)
        if [at, total, questions, received] not in [
            [version["last_attempted_on"], version["grand_total"], ids, receipt]
            for version in bounds.counting(of_attempt)
            for ids in _ids(version, may_lack=bounds.removed.may_lack(of_attempt))
            for receipt in bounds.receipts_between(of_attempt, version["content_hash"], received)
        ]:
            raise Wrong(f"the attempts of {user!r} have {at}, {total}, {questions}, {received} for {of_attempt}")
    must, may = ({key for key in tables["attempts"] if key[0] == user} for tables in (bounds.least, bounds.most))
    if not must <= set(keys) <= may or keys != sorted(keys):
        raise Wrong(f"the attempts of {user!r} are {keys}; they must have {must} and may have {may}")


def _ids(version: Row, *, may_lack: bool) -> list[list[str]]:
    """The questions that a version can be shown with: none if its answers were dropped."""
    ids = [answer["id"] for answer in json.loads(version["question"])]
    return [ids, []] if may_lack else [ids]


def check_balance(sheets: list[Row], bounds: Bounds) -> None:
    """Raises `Wrong` for a balance sheet with missing versions or impossible counts."""
    named = {sheet["batch"]: sheet["named"] for sheet in sheets}
    least, most = (
        Counter(key[2] for key, versions in tables["attempts"].items() for _ in versions)
        for tables in (bounds.least, bounds.most)
    )
    for sheet in sheets:
        if sheet["missing"] or (bounds.is_exact and not sheet["balanced"]):
            raise Wrong(f"the balance sheet is {sheet}")
    for batch in {*named, *most}:
        if not least[batch] <= named.get(batch, 0) <= most[batch]:
            raise Wrong(f"the balance sheet names {named} versions, not {dict(least)} to {dict(most)}")
    failed = sum(sheet["failed"] for sheet in sheets)
    if not len(bounds.least["failed"]) <= failed <= len(bounds.most["failed"]):
        raise Wrong(f"the balance sheet has {failed} failed events")


def check_score_exhaust(text: str, batch: str, bounds: Bounds) -> None:
    """Raises `Wrong` for a score exhaust that is wrong at every moment."""
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    for row in rows:
        key = _key(row)
        numbers = [len(attempts.get(key, ())) for attempts in (bounds.least_scores, bounds.most_scores)]
        if not max(numbers[0], 1) <= int(row["versions"]) <= numbers[1]:
            raise Wrong(
                f"the score exhaust counts {row['versions']} versions of {key}, not {numbers[0]} to {numbers[1]}"
            )
        wanted = [_scores(version) for version in bounds.counting(key)]
        if tuple(row[name] for name in ("last_attempted_on", "grand_total", "answers")) not in wanted:
            raise Wrong(f"the score exhaust has {dict(row)} for {key}; right would be one of {wanted}")
    _check_keys("score exhaust", batch, [_key(row) for row in rows], bounds.least_scores, bounds.most_scores)


def _scores(version: Row) -> tuple[str, str, str]:
    return iso(version["last_attempted_on"]), version["grand_total"], str(len(json.loads(version["question"])))


def check_response_exhaust(text: str, batch: str, bounds: Bounds) -> None:
    """Raises `Wrong` for a response exhaust that is wrong at every moment, or mixes two versions."""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    keys = []
    for key, answers in groupby(rows, _response_key):
        keys.append(key)
        found = [tuple(row[name] for name in ("Attempted On", "Question Id", "Question Score")) for row in answers]
        wanted = [_answers(version) for version in bounds.counting(key)]
        if found not in wanted:
            raise Wrong(f"the response exhaust has {found} for {key}; right would be one of {wanted}")
    _check_keys("response exhaust", batch, keys, bounds.least_rows, bounds.most_rows)


def _response_key(row: Row) -> tuple[str, ...]:
    user, course, batch, content, attempt = (row[name] for name in _OF_RESPONSE)
    return user, course, batch.removeprefix("BatchId_"), content, attempt


def _answers(version: Row) -> list[tuple[str, str, str]]:
    at = iso(version["last_attempted_on"])
    return [(at, answer["id"], repr(answer["score"])) for answer in json.loads(version["question"])]


def _check_keys(
    what: str, batch: str, found: Sequence[tuple[str, ...]], least: Iterable[Any], most: Iterable[Any]
) -> None:
    must, may = ({key for key in keys if key[2] == batch} for keys in (least, most))
    if not must <= set(found) <= may:
        raise Wrong(f"the {what} of {batch!r} has the attempts {found}; it must have {must} and may have {may}")
    in_order = sorted(found, key=lambda key: [key[0].encode(), key[1].encode(), key[3].encode(), key[4].encode()])
    if list(found) != in_order:
        raise Wrong(f"the {what} of {batch!r} is not sorted: {found}")


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in _KEY)


def _version(tables: dict[str, Any], key: tuple[str, ...], hash_: str) -> Any:
    return next((one for one in tables["attempts"].get(key, ()) if one["content_hash"] == hash_), None)


def _same(what: str, found: Sequence[Row], wanted: Sequence[Row]) -> None:
    """Raise `Wrong` with the first difference."""
    if found == wanted:
        return
    raise Wrong(f"{what}: {next(_differences(found, wanted))}")


def _differences(found: Sequence[Row], wanted: Sequence[Row]) -> Iterator[str]:
    for number, (one, other) in enumerate(zip(found, wanted, strict=False), 1):
        for name in {**other, **one}:
            if one.get(name) != other.get(name):
                yield f"row {number} of {len(found)} has {name} {one.get(name)!r} instead of {other.get(name)!r}: {one}"
    if len(found) > len(wanted):
        yield f"{len(found)} rows instead of {len(wanted)}: {found[len(wanted)]} is too many"
    yield f"{len(found)} rows instead of {len(wanted)}: {wanted[len(found)]} is missing" if wanted else "it has rows"
