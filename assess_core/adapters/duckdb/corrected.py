"""Corrected answers and totals: views that hide those of a union within one cursor, so that all its SQL reads them.

The SQL does what `domain.corrections.corrected_version` does, to the last bit.
"""

from collections.abc import Sequence
from typing import Final

import duckdb
import msgspec

from assess_core.adapters.duckdb.views import VIEWS, Placed
from assess_core.domain.attempts import response_text
from assess_core.domain.corrections import Correction, Key, Maximum, Scale

_RULES: Final = """
CREATE TEMP TABLE rules AS
SELECT unnest(from_json_strict($rules, '[{"assessment": "VARCHAR", "rules": [{"course": "VARCHAR",
    "batches": ["VARCHAR"], "first": "BIGINT", "end": "BIGINT", "question": "VARCHAR", "kind": "VARCHAR",
    "maximum": "DOUBLE", "key": "VARCHAR"}]}]'), max_depth := 2)
"""

# each tier stores answers in its own form: the part that corrections read, and a response as text
_ANSWERS: Final = {
    "hot_rows": (
        """from_json_strict(question, '[{"id": "VARCHAR", "score": "DOUBLE", "max_score": "DOUBLE",
            "resvalues": "JSON"}]')""",
        "answer.resvalues::VARCHAR",
    ),
    "lake_rows": (
        """list_transform(question, lambda q: struct_pack(
            id := q.id, score := q.score, max_score := q.max_score, resvalues := q.resvalues))""",
        "to_json(answer.resvalues)::VARCHAR",
    ),
}

_COVERING: Final = """
list_filter(rules.rules, lambda r:
    (r.course IS NULL OR r.course = rows.course_id)
    AND (len(r.batches) = 0 OR list_contains(r.batches, rows.batch_id))
    AND (r.first IS NULL OR epoch_ms(rows.last_attempted_on) >= r.first)
    AND (r."end" IS NULL OR epoch_ms(rows.last_attempted_on) < r."end"))
"""

# the versions in the scope of a correction, each with its corrections in the order in which they apply. `touched` are
# the answers to their questions: lambdas over all answers would take three times as long
_COVERED: Final = f"""
SELECT file_index, file_row_number, total_score, total_max_score, covering,
    list_transform(answers, lambda answer: struct_pack(
        id := answer.id, score := answer.score, max_score := answer.max_score)) AS answers,
    list_transform(
        list_filter(answers, lambda answer: list_contains(questions, answer.id)),
        lambda answer: struct_pack(
            id := answer.id, score := answer.score, max_score := answer.max_score, response := {{response}})) AS touched
FROM (
    SELECT * EXCLUDE question, {{answers}} AS answers, list_transform(covering, lambda r: r.question) AS questions
    FROM (
        SELECT rows.*, {_COVERING} AS covering
        FROM memory.main.{{rows}} AS rows JOIN rules ON rows.content_id = rules.assessment
    )
    WHERE len(covering) > 0
)
"""

# scaling divides first, and leaves a mark without a proportion as it is. The right responses of all keys are one
# constant list: within `covering` they would be copied for every attempt
_MARK: Final = """
CASE
    WHEN NOT m.counts THEN m
    WHEN r.kind = 'drop' THEN {'score': 0.0::DOUBLE, 'max_score': 0.0::DOUBLE, 'counts': false}
    WHEN r.kind = 'full-marks' THEN {'score': m.max_score, 'max_score': m.max_score, 'counts': true}
    WHEN r.kind = 'maximum' THEN {'score': least(m.score, r.maximum), 'max_score': r.maximum, 'counts': true}
    WHEN r.kind = 'key' THEN {
        'score': CASE WHEN list_contains($right::VARCHAR[], r.key || answer.response) THEN m.max_score ELSE 0.0 END,
        'max_score': m.max_score, 'counts': true}
    WHEN m.max_score <> 0 AND isfinite(m.score / m.max_score * r.maximum)
        THEN {'score': m.score / m.max_score * r.maximum, 'max_score': r.maximum, 'counts': true}
    ELSE m
END
"""
_CHANGED: Final = f"""
list_transform(touched, lambda answer: list_reduce(
    list_filter(covering, lambda rule: rule.question = answer.id), lambda m, r: {_MARK},
    {{'score': answer.score, 'max_score': answer.max_score, 'counts': true}}))
"""
_MARKS: Final = """
list_transform(answers, lambda answer: struct_pack(
    score := coalesce(changed[list_position(ids, answer.id)].score, answer.score),
    max_score := coalesce(changed[list_position(ids, answer.id)].max_score, answer.max_score)))
"""


def _sum(marks: str, member: str) -> str:
    """The sum in the order of the answers."""
    return f"list_reduce(list_transform({marks}, lambda m: m.{member}), lambda a, b: a + b, 0.0::DOUBLE)"


def _total(member: str) -> str:
    """A total under the corrections. Rows of older systems can have totals that are not the sums of their answers."""
    stored, before, after = f"total_{member}", f"before_{member}", f"after_{member}"
    return f"""CASE WHEN {before} = {after} THEN {stored} WHEN {stored} = {before} THEN {after}
        ELSE {stored} + ({after} - {before}) END"""


def _two_decimals(number: str) -> str:
    """Text as in `attempts.grand_total`. printf is exact only for numbers that can have a fraction."""
    return f"""regexp_replace(CASE WHEN abs({number}) >= 9007199254740992 AND isfinite({number})
        THEN {number}::BIGNUM::VARCHAR || '.00' ELSE printf('%.2f', {number}) END, '0$', '')"""


_CORRECTED: Final = f"""
CREATE TEMP TABLE corrected AS
SELECT file_index, file_row_number, marks, new_score AS total_score, new_max_score AS total_max_score,
    CASE WHEN new_score <> total_score OR new_max_score <> total_max_score
        THEN {_two_decimals("new_score")} || '/' || {_two_decimals("new_max_score")} END AS grand_total
FROM (
    SELECT *, {_total("score")} AS new_score, {_total("max_score")} AS new_max_score
    FROM (
        SELECT *, {_sum("answers", "score")} AS before_score, {_sum("answers", "max_score")} AS before_max_score,
            {_sum("marks", "score")} AS after_score, {_sum("marks", "max_score")} AS after_max_score
        FROM (
            SELECT *, {_MARKS} AS marks
            FROM (
                SELECT *, {_CHANGED} AS changed, list_transform(touched, lambda answer: answer.id) AS ids
                FROM covered WHERE len(touched) > 0
            )
        )
    )
)
"""

# `nested`: the answers as the lake stores them
_VIEW: Final = """
CREATE TEMP VIEW {rows} AS
SELECT rows.* REPLACE (
        coalesce(corrected.total_score, rows.total_score) AS total_score,
        coalesce(corrected.total_max_score, rows.total_max_score) AS total_max_score,
        coalesce(corrected.grand_total, rows.grand_total) AS grand_total,
        CASE WHEN corrected.marks IS NULL THEN rows.question ELSE {question} END AS question
    ),
    rows.total_score AS stored_score, rows.total_max_score AS stored_max_score, {nested} AS stored_question
FROM memory.main.{rows} AS rows LEFT JOIN corrected USING (file_index, file_row_number)
"""

# the answers of kept scores are gone: a covered version has the totals of the time of the drop
_KEPT_VIEW: Final = f"""
CREATE TEMP VIEW kept_rows AS
SELECT * EXCLUDE (new_score, new_max_score) REPLACE (
        new_score AS total_score,
        new_max_score AS total_max_score,
        CASE WHEN new_score <> total_score OR new_max_score <> total_max_score
            THEN {_two_decimals("new_score")} || '/' || {_two_decimals("new_max_score")} ELSE grand_total END
            AS grand_total
    ),
    total_score AS stored_score, total_max_score AS stored_max_score, question AS stored_question
FROM (
    SELECT rows.*, CASE WHEN is_covered THEN coalesce(corrected_score, total_score) ELSE total_score END AS new_score,
        CASE WHEN is_covered THEN coalesce(corrected_max_score, total_max_score) ELSE total_max_score END
            AS new_max_score
    FROM (
        SELECT rows.*, coalesce(len({_COVERING}) > 0, false) AS is_covered
        FROM memory.main.kept_rows AS rows LEFT JOIN rules ON rows.content_id = rules.assessment
    ) AS rows
)
"""
_NESTED: Final = {"hot_rows": "question_of(rows.question)", "lake_rows": "rows.question"}


def correct(
    duck: duckdb.DuckDBPyConnection, corrections: Sequence[Correction], placed: Placed, *, with_kept: bool = True
) -> None:
    """Hide the views of a union behind corrected ones, in this cursor alone.

    All of them, whatever a statement reads: one that stays as it was would give other scores. `placed` is that of
    the union. `with_kept`: whether they have kept scores. Their rows have `stored_score`, `stored_max_score` and
    `stored_question` too, as they were submitted.
    """
    duck.execute(_RULES, {"rules": msgspec.json.encode(_by_assessment(corrections)).decode()})
    covered = " UNION ALL ".join(
        _COVERED.format(rows=rows, answers=answers, response=response) for rows, (answers, response) in _ANSWERS.items()
    )
    duck.execute(f"CREATE TEMP VIEW covered AS {covered}")
    try:
        duck.execute(_CORRECTED, {"right": _right(corrections)})
    except duckdb.OutOfMemoryException:
        duck.execute("SET threads = 1")
        duck.execute(_CORRECTED, {"right": _right(corrections)})
    for rows, nested in _NESTED.items():
        marked = f"""list_transform({nested}, lambda q, i: struct_update(
            q, score := corrected.marks[i].score, max_score := corrected.marks[i].max_score))"""
        question = f"text_of({marked})" if rows == "hot_rows" else marked
        duck.execute(_VIEW.format(rows=rows, question=question, nested=nested))
    duck.execute(_KEPT_VIEW if with_kept else f"{_KEPT_VIEW} WHERE false")
    duck.execute(f"CREATE TEMP {placed.sql}")
    for name, query in VIEWS.items():
        duck.execute(f"CREATE TEMP VIEW {name} AS {query}")


def _right(corrections: Sequence[Correction]) -> list[str]:
    """The right responses of all keys, each after the name of its key."""
    return [
        _key(number) + response_text(response)
        for number, correction in enumerate(corrections)
        if isinstance(correction.rule, Key)
        for response in correction.rule.responses
    ]


def _key(number: int) -> str:
    """The name of the key of a correction. A response begins with a bracket, so the two cannot be confused."""
    return str(number)


def _by_assessment(corrections: Sequence[Correction]) -> list[dict[str, object]]:
    """The rules of each assessment, in the order in which they apply."""
    rules: dict[str, list[dict[str, object]]] = {}
    for number, correction in enumerate(corrections):
        rules.setdefault(correction.assessment, []).append(_rule(number, correction))
    return [{"assessment": assessment, "rules": found} for assessment, found in rules.items()]


def _rule(number: int, correction: Correction) -> dict[str, object]:
    rule = correction.rule
    return {
        "course": correction.course,
        "batches": correction.batches,
        "first": correction.attempted_from,
        "end": correction.attempted_to,
        "question": correction.question,
        "kind": type(rule).__struct_config__.tag,
        "maximum": rule.maximum if isinstance(rule, Maximum | Scale) else None,
        "key": _key(number),
    }
