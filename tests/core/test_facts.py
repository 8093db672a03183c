"""Facts about courses and assessments."""

from pathlib import Path

import pytest

from assess_core.errors import BadFacts
from assess_core.facts import JsonFacts, NoFacts


def facts(path: Path, text: str | bytes) -> JsonFacts:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return JsonFacts.read(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "facts.json"


def test_leaf_nodes_and_question_counts_are_read_from_a_file(path: Path) -> None:
    read = facts(path, '{"leafNodes": {"c1": ["a1", "a2"]}, "questionCounts": {"a1": 10}}')

    assert read.leaf_nodes("c1") == frozenset({"a1", "a2"})
    assert read.question_count("a1") == 10


def test_what_the_file_does_not_name_is_not_known(path: Path) -> None:
    for read in (facts(path, '{"leafNodes": {"c1": []}, "other": 1}'), facts(path, "{}"), NoFacts()):
        assert read.leaf_nodes("c1") is None
        assert read.question_count("a1") is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "[]", "[" * 100_000),
        *('{"leafNodes": []}', '{"leafNodes": {"c1": "a1"}}', '{"leafNodes": {"c1": [null]}}'),
        *('{"questionCounts": {"a1": "ten"}}', b'{"leafNodes": {"\xff": []}}'),
    ],
)
def test_a_file_of_another_shape_says_what_it_should_be_like(path: Path, text: str | bytes) -> None:
    with pytest.raises(BadFacts, match=r'the facts file .*facts.json.* is not like \{"leafNodes"'):
        facts(path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(BadFacts, match=r"the facts file .* cannot be read: .*; check --facts"):
            JsonFacts.read(path)
