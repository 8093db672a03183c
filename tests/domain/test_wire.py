"""The shapes that players send: odd options, responses and texts are kept as JSON text, and the event is scored."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.domain.test_events_refused import spliced, with_answer
from tests.factories import accepted, event, wire_answer

SCORED = (1.0, 2.0)


def stored(message: object) -> dict[str, Any]:
    """The stored answer of an event with one answer; the event must be accepted and scored."""
    version = accepted(message).version
    assert (version.total_score, version.total_max_score) == SCORED
    answer: dict[str, Any] = json.loads(version.question)[0]
    return answer


@pytest.mark.parametrize("name", ["params", "resvalues"])
@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (None, []),
        ([], []),
        ({"1": "a"}, [{"1": "a"}]),
        ("text", [{"value": "text"}]),
        (5, [{"value": "5"}]),
        ([5, "a", None], [{"value": "5"}, {"value": "a"}, {"value": "null"}]),
        ([[{"label": "2", "value": 0}, {"label": "3"}]], [{"value": '[{"label":"2","value":0},{"label":"3"}]'}]),
        ([[]], [{"value": "[]"}]),
        ([{"label": "2", "value": 0, "no": None, "deep": {"a": None, "b": [1.5, True]}}],
         [{"deep": '{"b":[1.5,true]}', "label": "2", "no": "null", "value": "0"}]),
    ],
)  # fmt: skip
def test_options_and_responses_of_any_shape_are_kept(name: str, sent: object, kept: object) -> None:
    assert stored(with_answer(**{name: sent}))[name] == kept


@pytest.mark.parametrize("path", [("item", "params"), ("resvalues",)])
def test_options_and_responses_may_be_missing(path: tuple[str, ...]) -> None:
    sent = wire_answer()
    place: Any = sent["edata"]
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]

    assert stored(event(answers=[sent]))[path[-1]] == []


@pytest.mark.parametrize(("name", "column"), [("type", "type"), ("title", "title"), ("desc", "description")])
@pytest.mark.parametrize(
    ("sent", "kept"), [(None, None), (5, "5"), (True, "true"), ([1, None], "[1,null]"), ({}, "{}")]
)
def test_type_title_and_description_need_not_be_text(name: str, column: str, sent: object, kept: str | None) -> None:
    assert stored(with_answer(**{name: sent}))[column] == kept


@pytest.mark.parametrize("number", [b"1e999", b"-1e400", b"9" * 5000])
def test_a_number_in_an_option_that_is_too_large_for_a_float_is_kept_as_written(number: bytes) -> None:
    assert stored(spliced(with_answer(params=[{"1": "@"}]), number))["params"] == [{"1": number.decode()}]
    deep = stored(spliced(with_answer(params=[{"1": {"deep": "@"}}]), number))["params"]
    assert deep == [{"1": '{"deep":' + number.decode() + "}"}]


def test_every_shape_in_the_docs_table_is_stored_as_the_table_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    table = page[page.index("| what the player sends ") :].split("\n\n", 1)[0]
    rows = re.findall(r"^\| [^|]+ \| `([^`]+)`.* \| (?:`([^`]+)`|as it is) \|$", table, re.MULTILINE)
    assert len(rows) == len(table.splitlines()) - 2
    for sent, kept in rows:
        assert stored(with_answer(resvalues=json.loads(sent)))["resvalues"] == json.loads(kept or sent)
