"""Facts about courses, assessments and batches from a file."""

import os
from pathlib import Path

import pytest

from assess_core.adapters.files.facts import FactsFile, JsonFacts
from assess_core.errors import BadFacts
from assess_core.ports.facts import BatchState, NoFacts


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


def test_a_byte_order_mark_of_windows_is_no_part_of_the_file(path: Path) -> None:
    assert facts(path, '\ufeff{"questionCounts": {"a1": 10}}').question_count("a1") == 10


def test_values_that_the_file_does_not_have_are_unknown(path: Path) -> None:
    for read in (facts(path, '{"leafNodes": {"c1": []}, "other": 1}'), facts(path, "{}"), NoFacts()):
        assert read.leaf_nodes("c1") is None
        assert read.question_count("a1") is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "[]", "[" * 100_000),
        *('{"leafNodes": []}', '{"leafNodes": {"c1": "a1"}}', '{"leafNodes": {"c1": [null]}}'),
        *('{"questionCounts": {"a1": "ten"}}', b'{"leafNodes": {"\xff": []}}'),
        *('{"batches": []}', '{"batches": {"b1": {"status": 1}}}', '{"batches": {"b1": {"courseId": 1, "status": 1}}}'),
    ],
)
def test_the_error_for_a_file_of_another_shape_shows_the_expected_shape(path: Path, text: str | bytes) -> None:
    with pytest.raises(BadFacts, match=r'the facts file .*facts.json.* is not like \{"leafNodes"'):
        facts(path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(BadFacts, match=r"the facts file .* cannot be read: .*; check --facts"):
            JsonFacts.read(path)


def test_only_a_batch_with_status_1_is_on_going(path: Path) -> None:
    read = facts(
        path,
        '{"batches": {"b0": {"courseId": "c1", "status": 0, "name": "x"}, "b1": {"courseId": "c1", "status": 1},'
        ' "b2": {"courseId": "c1", "status": 2}}}',
    )

    assert [read.batch("c1", batch) for batch in ("b0", "b1", "b2", "b3")] == [
        BatchState.NOT_ONGOING,
        BatchState.ONGOING,
        BatchState.NOT_ONGOING,
        BatchState.UNKNOWN,
    ]
    assert read.batch("c2", "b1") is BatchState.UNKNOWN  # the batch belongs to another course


def test_a_file_without_batches_gives_no_batch_a_state(path: Path) -> None:
    for read in (facts(path, '{"leafNodes": {"c1": ["a1"]}}'), facts(path, '{"batches": null}'), NoFacts()):
        assert read.batch("c1", "b1") is None
    assert facts(path, '{"batches": {}}').batch("c1", "b1") is BatchState.UNKNOWN


def test_a_file_that_changed_is_read_again(path: Path) -> None:
    messages: list[str] = []
    path.write_text('{"leafNodes": {"c1": ["a1"]}}')
    known = FactsFile(path, messages.append)
    assert (known.leaf_nodes("c1"), known.batch("c1", "b1")) == (frozenset({"a1"}), None)

    path.write_text('{"batches": {"b1": {"courseId": "c1", "status": 1}}, "questionCounts": {"a1": 3}}')
    assert (known.leaf_nodes("c1"), known.batch("c1", "b1")) == (None, BatchState.ONGOING)
    assert known.question_count("a1") == 3
    replaced = path.with_name("new.json")
    replaced.write_text('{"batches": {"b1": {"courseId": "c1", "status": 2}}, "questionCounts": {"a1": 3}}')
    os.utime(replaced, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    replaced.rename(path)
    assert known.batch("c1", "b1") is BatchState.NOT_ONGOING
    assert messages == []


def test_the_previous_facts_are_used_while_the_file_cannot_be_read(path: Path) -> None:
    messages: list[str] = []
    path.write_text('{"batches": {"b1": {"courseId": "c1", "status": 1}}}')
    known = FactsFile(path, messages.append)
    path.write_text("{")
    assert [known.batch("c1", "b1") for _ in range(3)] == [BatchState.ONGOING] * 3
    path.unlink()
    assert known.batch("c1", "b1") is BatchState.ONGOING
    assert len(messages) == 2
    assert all(one.endswith("until then the previous facts are used") for one in messages)
    path.write_text('{"batches": {}}')
    assert known.batch("c1", "b1") is BatchState.UNKNOWN


def test_a_facts_file_must_exist_at_startup(path: Path) -> None:
    with pytest.raises(BadFacts, match="cannot be read"):
        FactsFile(path, print)


def test_the_batches_of_a_course_are_listed_in_pages(path: Path) -> None:
    batches = ",".join(f'"b{n}": {{"courseId": "c{n % 2}", "status": {n % 3}}}' for n in (5, 1, 3, 2, 7))
    read = facts(path, f'{{"batches": {{{batches}}}}}')
    for known in (read, FactsFile(path, print)):
        assert known.batches_of("c1", "", 3) == ["b1", "b3", "b5"]
        assert known.batches_of("c1", "b5", 3) == ["b7"]
        assert known.batches_of("c9", "", 3) == []
    assert facts(path, "{}").batches_of("c1", "", 3) is None
    assert NoFacts().batches_of("c1", "", 3) is None
