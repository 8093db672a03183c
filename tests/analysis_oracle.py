"""The analyses in plain Python: every figure straight from its definition, over lists of attempts."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import fsum, isclose, sqrt
from typing import Any, NamedTuple

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.slices import IsoWeek

LEAST = 10
Figure = float | int | bool | str | None
Rows = dict[tuple[str, ...], dict[str, Figure]]


class Sitting(NamedTuple):
    """A counted attempt."""

    user_id: str
    total: float
    answers: dict[str, dict[str, Any]]


def mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)


def covariance(xs: Sequence[float], ys: Sequence[float]) -> float:
    """With n - 1, as a sample."""
    mx, my = mean(xs), mean(ys)
    return fsum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / (len(xs) - 1)


def correlation(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    if min(xs) == max(xs) or min(ys) == max(ys):
        return None
    return covariance(xs, ys) / sqrt(covariance(xs, xs) * covariance(ys, ys))


def sittings(newest: Iterable[AttemptVersion], counted: str, by_week: bool) -> dict[tuple[str, ...], list[Sitting]]:
    """The counted attempt of each learner, by batch, course, assessment and week."""
    attempts = defaultdict(list)
    for row in newest:
        if row.version.has_answers:
            key, week = row.key, str(IsoWeek.of(row.received_at)) if by_week else ""
            attempts[key.batch_id, key.course_id, key.content_id, week, key.user_id].append(row)
    groups = defaultdict(list)
    for (*group, user_id), rows in attempts.items():
        if counted == "first":
            row = min(rows, key=lambda row: (row.version.last_attempted_on, row.key.attempt_id))
        else:
            row = min(rows, key=lambda row: (-row.total_score, row.key.attempt_id))
        answers = {answer["id"]: answer for answer in json.loads(row.question)}
        groups[tuple(group)].append(Sitting(user_id, round(row.total_score, 9), answers))
    return groups


def small(count: int) -> bool:
    return 0 < count < LEAST


def small_groups(groups: dict[tuple[str, ...], list[Sitting]]) -> set[tuple[str, ...]]:
    """The groups whose figures are suppressed: too few learners, or a week that hides such a week."""
    result = set()
    for assessment in {group[:3] for group in groups}:
        weeks = sorted((len(groups[group]), group) for group in groups if group[:3] == assessment)
        hidden = [(size, group) for size, group in weeks if size < LEAST]
        while hidden and len(hidden) < len(weeks) and (len(hidden) == 1 or sum(size for size, _ in hidden) < LEAST):
            hidden.append(weeks[len(hidden)])
        result |= {group for _, group in hidden}
    return result


class Analysis(NamedTuple):
    """The rows of the three reports by their keys."""

    items: Rows
    options: Rows
    assessments: Rows


def analyse(newest: Iterable[AttemptVersion], counted: str = "first", by_week: bool = False) -> Analysis:
    """The rows of the three reports."""
    result = Analysis({}, {}, {})
    groups = sittings(newest, counted, by_week)
    hidden = small_groups(groups)
    for group, sat in groups.items():
        _analyse(group, sorted(sat), group in hidden, result)
    return result


def _analyse(group: tuple[str, ...], sat: list[Sitting], is_small: bool, result: Analysis) -> None:
    ids = sorted({id_ for one in sat for id_ in one.answers})
    totals = [one.total for one in sat]
    zero_filled = {id_: [one.answers[id_]["score"] if id_ in one.answers else 0.0 for one in sat] for id_ in ids}
    with_item = {id_: [one for one in sat if id_ in one.answers] for id_ in ids}
    risky = [id_ for id_ in ids if _is_risky(with_item[id_], id_, len(sat))]
    hidden = set(risky)
    if len(risky) == 1 and len(ids) > 1:
        hidden.add(min((len(with_item[id_]), id_) for id_ in ids if id_ not in hidden)[1])

    is_hidden = is_small or (len(ids) == 1 and bool(risky))
    row: dict[str, Figure] = {"suppressed": is_hidden, "questions": len(ids)}
    if not is_hidden:
        alpha = _alpha(list(zero_filled.values()), totals)
        sd = sqrt(covariance(totals, totals))
        sem = None if alpha is None else sd * sqrt(1 - alpha)
        row |= {"learners": len(sat), "mean_score": mean(totals), "sd": sd, "alpha": alpha, "sem": sem}
    result.assessments[group] = row

    for id_ in ids:
        suppressed = is_small or id_ in hidden
        result.items[*group, id_] = {"suppressed": suppressed} | (
            {} if suppressed else _item(with_item[id_], id_, sat, zero_filled)
        )
        for option, figures in _options(with_item[id_], id_, suppressed).items():
            result.options[*group, id_, option] = figures


def _is_correct(answer: dict[str, Any]) -> bool:
    return bool(answer["score"] >= answer["max_score"] > 0)


def _is_risky(sat: list[Sitting], id_: str, everyone: int) -> bool:
    correct = sum(_is_correct(one.answers[id_]) for one in sat)
    cells = (len(sat), everyone - len(sat), correct, len(sat) - correct)
    return any(map(small, cells))


def _alpha(items: list[list[float]], totals: list[float]) -> float | None:
    k = len(items)
    if k < 2 or min(totals) == max(totals):
        return None
    return k / (k - 1) * (1 - fsum(covariance(item, item) for item in items) / covariance(totals, totals))


def _item(
    sat: list[Sitting], id_: str, everyone: list[Sitting], zero_filled: dict[str, list[float]]
) -> dict[str, Figure]:
    answers = [one.answers[id_] for one in sat]
    scores, maxima = [one["score"] for one in answers], [one["max_score"] for one in answers]
    rest = [round(one.total - one.answers[id_]["score"], 9) for one in sat]
    n, correct = len(sat), sum(map(_is_correct, answers))
    p, z = correct / n, 1.959963984540054
    root = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    upper, lower = _tail(sat, id_, everyone, -1), _tail(sat, id_, everyone, 1)
    both = None not in (upper, lower)
    others = [values for other, values in zero_filled.items() if other != id_]
    remaining = [fsum(values) for values in zip(*others, strict=True)] if others else []
    tiny = not remaining or isclose(min(remaining), max(remaining), rel_tol=0, abs_tol=1e-9)
    return {
        "learners": n,
        "mean_score": mean(scores),
        "max_score": mean(maxima),
        "sd": sqrt(covariance(scores, scores)),
        "difficulty": fsum(scores) / fsum(maxima) if fsum(maxima) else None,
        "discrimination": correlation(scores, rest),
        "upper_27": upper if both else None,
        "lower_27": lower if both else None,
        "discrimination_27": upper - lower if upper is not None and lower is not None else None,
        "correct_share": p,
        "correct_low": (p + z * z / (2 * n) - root) / (1 + z * z / n),
        "correct_high": (p + z * z / (2 * n) + root) / (1 + z * z / n),
        "mean_duration": mean([one["duration"] for one in answers]),
        "alpha_if_deleted": None if tiny else _alpha(others, remaining),
    }


def _tail(sat: list[Sitting], id_: str, everyone: list[Sitting], sign: int) -> float | None:
    """The share of the maximum in the 27 % with the highest (-1) or lowest (1) totals; ties share the last place."""
    left, weights = 0.27 * len(everyone), {}
    for total in sorted({one.total for one in everyone}, key=lambda total: sign * total):
        tied = [one for one in everyone if one.total == total]
        weights[total] = max(0.0, min(1.0, left / len(tied)))
        left -= len(tied)
    if fsum(weights[one.total] for one in sat) < LEAST:
        return None
    score = fsum(weights[one.total] * one.answers[id_]["score"] for one in sat)
    maximum = fsum(weights[one.total] * one.answers[id_]["max_score"] for one in sat)
    return score / maximum if maximum else None


def _options(sat: list[Sitting], id_: str, suppressed: bool) -> dict[str, dict[str, Figure]]:
    params = sat[0].answers[id_]["params"]
    declared = [id_ for member in params if "answer" not in member for id_ in _ids(member)]
    keys = [key for member in params if "answer" in member for key in json.loads(member["answer"])["correct"]]
    rest = [round(one.total - one.answers[id_]["score"], 9) for one in sat]
    chosen = {
        option: [float(any(option in _ids(member) for member in one.answers[id_]["resvalues"])) for one in sat]
        for option in declared
    }
    counts = {option: int(sum(marks)) for option, marks in chosen.items()}
    risky = {option for option, count in counts.items() if small(count) or small(len(sat) - count)}
    silent = sum(not any(map(_ids, one.answers[id_]["resvalues"])) for one in sat)
    is_any_risky = bool(risky) or small(silent)
    hidden = {option for option in declared if option in risky or (is_any_risky and option not in keys)}
    correlations = {option: correlation(marks, rest) for option, marks in chosen.items()}
    known = {option: value for option, value in correlations.items() if value is not None}
    of_keys = [known[key] for key in keys if key in known]
    keys_fail = bool(of_keys) and max(of_keys) < 0 and not hidden & set(keys)
    rows: dict[str, dict[str, Figure]] = {}
    for option in declared:
        rows[option] = {"is_key": option in keys if keys else None, "suppressed": suppressed or option in hidden}
        if not rows[option]["suppressed"]:
            value = known.get(option)
            is_best = value is not None and value > 0 and value == max(known.values())
            rows[option] |= {
                "choices": counts[option],
                "share": counts[option] / len(sat),
                "correlation": value,
                "likely_wrong_key": bool(keys) and option not in keys and is_best and keys_fail,
            }
    return rows


def _ids(member: dict[str, str]) -> list[str]:
    if "value" not in member:
        return list(member)
    value = member["value"]
    return [one["value"] for one in json.loads(value)] if value.startswith("[") else [value]
