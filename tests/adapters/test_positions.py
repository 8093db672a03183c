"""Every hot store can store the positions of a log folder."""

from assess_core.ports.log import Position
from tests.conftest import Hot


def test_a_position_is_returned_with_its_proof(hot: Hot) -> None:
    positions = {"/log/a.jsonl": Position(3, 2**40, bytes(range(16))), "/log/é.jsonl": Position(1, 0)}
    hot.commit(positions)
    assert hot.positions() == positions


def test_the_last_committed_position_of_a_file_wins_even_if_it_is_earlier(hot: Hot) -> None:
    for position in (Position(9, 90, b"long"), Position(2, 10, b"short"), Position(1, 0)):
        hot.commit({"/log/a.jsonl": position})
        assert hot.positions() == {"/log/a.jsonl": position}
