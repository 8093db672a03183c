"""The expected tables, computed a second time with dictionaries and loops and without code of the product.

`tables(log)` reads a log whose lines are `(topic, offset, bytes of the line)` and returns four dictionaries and a set
(all times are epoch milliseconds). `corrections` are files of corrections, as dictionaries, in their order; they have
an assessment, a question, the rule full-marks or drop, and maybe batches. Nothing of the learners in `erased` counts:

    attempts   (learner, course, batch, assessment, attempt id) -> its versions; the last one is the newest
    summaries  (learner, assessment, course, batch)             -> best, last, lowest, average score ...
    activity   (learner, course, batch)                         -> the row of `user_activity_agg`
    slices     (batch, ISO year, ISO week)                      -> number of versions first received in it
    failed     {(topic, offset, line)}

The result is the same for every permutation and repetition of a log.
Limits: numbers from 0.0001 to 1e16, and text without control characters except `\\n`, `\\r` and `\\t`, because
`json.dumps` cannot write the others as the content hash does.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

Dict = dict[Any, Any]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
YEAR_2000, YEAR_2100, DAY = 946684800000, 4102444800000, 24 * 60 * 60 * 1000


class Bad(Exception):
    """This event must fail."""


def tables(
    log: Any, facts: Dict | None = None, check_question_count: bool = False, corrections: Any = (), erased: Any = ()
) -> Dict:
    found: Dict = {}
    failed = set()
    for topic, offset, raw in log:
        if learner(raw) in erased:
            continue
        try:
            submission = read(raw, facts or {}, check_question_count)
        except Bad:
            failed.add((topic, offset, raw))
            continue
        if submission is None:  # a recompute stores nothing
            continue
        key, version = submission
        versions = found.setdefault(key, {})
        known = versions.setdefault(version["content_hash"], version)
        if version["received_at"] < known["received_at"]:  # the earliest receipt counts
            versions[version["content_hash"]] = version
    attempts = {key: sorted(versions.values(), key=age) for key, versions in found.items()}
    slices: Dict = {}
    for (_, _, batch, _, _), versions in attempts.items():
        for version in versions:
            year, week, _ = moment(version["received_at"]).isocalendar()
            slices[batch, year, week] = slices.get((batch, year, week), 0) + 1
    counting = newest(attempts, corrections)
    summaries = summarise({key: [version] for key, version in counting.items()})
    return {
        "attempts": attempts,
        "summaries": summaries,
        "activity": activity(counting, summaries),
        "slices": slices,
        "failed": failed,
    }


def learner(raw: bytes) -> Any:
    """The learner of a line, also of one that must fail; None if it names none."""
    try:
        event = json.loads(raw)
    except ValueError:
        return None
    event = event.get("value", event) if isinstance(event, dict) else None
    return event.get("userId") if isinstance(event, dict) else None


def newest(attempts: Dict, corrections: Any = ()) -> Dict:
    """The version of each attempt that counts, as it counts."""
    if not corrections:
        return {key: versions[-1] for key, versions in attempts.items()}
    return {key: correct(key, versions[-1], corrections) for key, versions in attempts.items()}


def correct(key: Any, version: Dict, corrections: Any) -> Dict:
    """The version with the answers and scores that count."""
    answers = json.loads(version["question"])
    for correction in corrections:
        for each in answers:
            if (key[3], each["id"]) == (correction["assessment"], correction["question"]) and (
                key[2] in correction.get("batches", [key[2]])
            ):
                each["score"] = each["max_score"]
                if correction["rule"]["kind"] == "drop":
                    each["score"] = each["max_score"] = 0.0
    score = maximum = 0.0
    for each in answers:
        score, maximum = score + each["score"], maximum + each["max_score"]
    return {
        **version,
        "total_score": score,
        "total_max_score": maximum,
        "grand_total": f"{two_decimals(score)}/{two_decimals(maximum)}",
        "question": compact(answers),
    }


def age(version: Dict) -> Any:
    return version["last_attempted_on"], version["question"] != "[]", version["content_hash"]


def moment(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)


# ---------------------------------------------------------------- one event


def read(raw: bytes, facts: Dict, check_question_count: bool) -> Any:
    """A line -> (attempt key, version), or None for a recompute. Raises Bad."""
    try:
        event = json.loads(raw.decode(), parse_constant=refuse)
    except ValueError:
        raise Bad from None
    need(isinstance(event, dict))
    received_at = None
    if "receivedAt" in event and "value" in event:
        received_at, event = clock(event["receivedAt"], YEAR_2000), event["value"]
    need(len(raw) <= 8 * 1024 * 1024 and isinstance(event, dict))
    for name in ("userId", "courseId", "batchId"):
        need(isinstance(event.get(name), str) and 0 < len(event[name].encode()) <= 1024)
    if event.get("events") in (None, []):
        return None
    need(isinstance(event.get("contentId"), str) and 0 < len(event["contentId"].encode()) <= 1024)
    need(isinstance(event.get("attemptId"), str) and len(event["attemptId"].encode()) <= 1024)
    course, assessment = event["courseId"], event["contentId"]
    leaf_nodes = facts.get("leafNodes", {}).get(course)
    need(not leaf_nodes or assessment in leaf_nodes)
    attempted_on = clock(event.get("assessmentTs"), YEAR_2000)
    answers = [answer(each) for each in event["events"]]
    newest = max([attempted_on] + [each["assess_ts"] for each in answers])
    if received_at is None:
        received_at = newest
    need(newest <= received_at + DAY)
    latest: Dict = {}
    for each in answers:  # the answer with the highest clock of each question; if clocks tie, the first one in the list
        if each["id"] not in latest or each["assess_ts"] > latest[each["id"]]["assess_ts"]:
            latest[each["id"]] = each
    if check_question_count and assessment in facts.get("questionCounts", {}):
        need(len(latest) <= facts["questionCounts"][assessment])
    answers = [latest[id_] for id_ in sorted(latest)]
    score = maximum = 0.0
    for each in answers:
        score, maximum = score + each["score"], maximum + each["max_score"]
    need(abs(score) != float("inf") and abs(maximum) != float("inf"))
    key = (event["userId"], course, event["batchId"], assessment, event["attemptId"])
    grand_total = f"{two_decimals(score)}/{two_decimals(maximum)}"
    canonical = compact([*key, attempted_on, score, maximum, grand_total, answers])
    return key, {
        "last_attempted_on": attempted_on,
        "content_hash": hashlib.sha256(canonical.encode()).hexdigest()[:32],
        "total_score": score,
        "total_max_score": maximum,
        "grand_total": grand_total,
        "question": compact(answers),
        "received_at": received_at,
    }


def answer(event: Any) -> Dict:
    need(isinstance(event, dict) and "ets" in event and isinstance(event.get("edata"), dict))
    data = event["edata"]
    item = data.get("item")
    need(isinstance(item, dict))
    for lists in (item.get("params"), data.get("resvalues")):
        need(isinstance(lists, list) and all(isinstance(entry, dict) for entry in lists))
    for name in ("type", "title", "desc"):
        need(item.get(name) is None or isinstance(item[name], str))
    id_ = "" if item.get("id") is None else item["id"]
    need(isinstance(id_, str | int | float) and not isinstance(id_, bool) and len(str(id_).encode()) <= 1024)
    return {
        "id": str(id_),
        "assess_ts": 0 if event["ets"] is None else clock(event["ets"], 0),
        "max_score": number(item.get("maxscore")),
        "score": number(data.get("score")),
        "type": item.get("type"),
        "title": item.get("title"),
        "resvalues": [texts(entry) for entry in data["resvalues"]],
        "params": [texts(entry) for entry in item["params"]],
        "description": item.get("desc"),
        "duration": number(data.get("duration")),
    }


def need(condition: object) -> None:
    if not condition:
        raise Bad


def refuse(_: str) -> NoReturn:
    raise Bad  # NaN and Infinity are not JSON


def number(value: Any) -> float:
    if value is None:
        return 0.0
    need(isinstance(value, int | float | str) and not isinstance(value, bool))
    need(not isinstance(value, str) or (value and set(value) <= set("0123456789.eE+-")))
    try:
        result = float(value)
    except (ValueError, OverflowError):
        raise Bad from None
    need(abs(result) < float("inf"))
    return result + 0.0  # -0.0 becomes 0.0


def clock(value: Any, earliest: int) -> int:
    """Epoch milliseconds as an integer, numeric text or ISO 8601."""
    need(isinstance(value, int | float | str) and not isinstance(value, bool))
    if isinstance(value, str) and not value.lstrip("-").isdigit():
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise Bad from None
        value = (at.replace(tzinfo=at.tzinfo or UTC) - moment(0)) // timedelta(milliseconds=1)
    need(not isinstance(value, float) or value.is_integer())
    need(max(earliest, 0) <= int(value) < YEAR_2100)
    return int(value)


def texts(entry: Dict) -> Dict:
    """The entry with texts as values. Other values become JSON text without null members."""
    return {key: v if isinstance(v := entry[key], str) else compact(without_nulls(v)) for key in sorted(entry)}


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    return [without_nulls(member) for member in value] if isinstance(value, list) else value


COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def compact(value: Any) -> str:
    return COMPACT.encode(value)


def two_decimals(value: float) -> str:
    text = f"{value:.2f}"
    return text[:-1] if text.endswith("0") else text


# ---------------------------------------------------------------- derived data


def summarise(attempts: Dict) -> Dict:
    grouped: Dict = {}
    for user, course, batch, assessment, attempt_id in sorted(attempts):
        versions = attempts[user, course, batch, assessment, attempt_id]
        grouped.setdefault((user, assessment, course, batch), []).append((attempt_id, versions))
    summaries = {}
    for key, found in grouped.items():
        last_ones = [(attempt_id, versions[-1]) for attempt_id, versions in found]
        best = last_ones[0][1]
        for _, version in last_ones:  # ordered by attempt id, so the smallest wins a tie
            if version["total_score"] > best["total_score"]:
                best = version
        last = sorted((version for _, version in last_ones), key=age)[-1]
        total = 0.0
        for _, version in last_ones:
            total += version["total_score"]
        summaries[key] = {
            "best_score": best["total_score"],
            "total_max_score": best["total_max_score"],
            "last_attempted_score": last["total_score"],
            "min_score": min(version["total_score"] for _, version in last_ones),
            "average_score": total / len(last_ones),
            "attempts_count": len(last_ones),
            "updated_on": last["last_attempted_on"],
        }
    return summaries


def activity(counting: Dict, summaries: Dict) -> Dict:
    rows: Dict = {}
    for user, assessment, course, batch in sorted(summaries):
        summary = summaries[user, assessment, course, batch]
        row = rows.setdefault((user, course, batch), {"aggregates": {}, "agg_details": [], "agg_last_updated": {}})
        for name, column in (("score", "best_score"), ("max_score", "total_max_score"), ("attempts_count",) * 2):
            row["aggregates"][f"{name}:{assessment}"] = float(summary[column])
            row["agg_last_updated"][f"{name}:{assessment}"] = summary["updated_on"]
    for user, course, batch, assessment, attempt_id in sorted(counting):
        version = counting[user, course, batch, assessment, attempt_id]
        at = moment(version["last_attempted_on"])
        hour = f"{at.hour % 12 or 12}:{at.minute:02}:{at.second:02} {'PM' if at.hour >= 12 else 'AM'}"
        detail = {
            "attempt_id": attempt_id,
            "last_attempted_on": f"{MONTHS[at.month - 1]} {at.day:02}, {at.year}, {hour}",
            "score": version["total_score"],
            "content_id": assessment,
            "max_score": version["total_max_score"],
            "type": "attempt_metrics",
        }
        rows[user, course, batch]["agg_details"].append(compact(detail))
    return rows
