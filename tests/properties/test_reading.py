"""Rule 4: a reader sees rows exactly once, at whatever moment they move from the hot store to the lake."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.report_spec import Report
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import write_exhaust
from tests.factories import ATTEMPTED, RECEIVED, WEEK, event, line
from tests.lakes import asked, move
from tests.loop import pages, queries
from tests.properties.interruptions import At, Fuse
from tests.properties.lakehouse import open_stores, read, watched_stores
from tests.properties.strategies import TOPIC, Line
from tests.properties.tables import fold_all, rows

Reader = Callable[[Stores], object]

LOG: Final = [
    Line(TOPIC, number, raw)
    for number, raw in enumerate(
        [
            line(event(attempt="t1")),
            line(event(attempt="t1", attempted=ATTEMPTED + 1)),  # supersedes the first
            line(event(attempt="t2"), RECEIVED + WEEK),
            line(event(user="u2"), RECEIVED + WEEK),
        ],
        1,
    )
]


def everything_in_a_union(stores: Stores) -> object:
    hot, lake, newest = read(stores)
    return {(row.row_key, row.question) for row in hot + lake}, newest  # a copy can be in both tiers for a moment


READERS: Final[dict[str, Reader]] = {
    "a union": everything_in_a_union,
    "a learner's attempts": lambda stores: pages(queries(stores), 1, user_id="u1"),
    "a batch's attempts": lambda stores: pages(queries(stores), 2, batch_id="b1"),
    "a batch overview": lambda stores: queries(stores).batch("b1"),
    "the response exhaust": lambda stores: Path(write_exhaust(stores, asked("b1", Report.RESPONSE)).path).read_bytes(),
    "the score exhaust": lambda stores: Path(write_exhaust(stores, asked("b1", Report.SCORE)).path).read_bytes(),
}


def filled(folder: Path) -> Stores:
    stores = open_stores(folder, MemoryHot(1))
    fold_all([LOG], stores.hot)
    return stores


def move_all(stores: Stores) -> None:
    """Move all rows from the hot store to the lake."""
    move(stores.hot, stores.lake, rows(stores.hot))


@pytest.mark.long
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
def test_rows_that_move_to_the_lake_during_a_read_are_read_once(reader: Reader, tmp_path: Path) -> None:
    boundaries = Fuse()
    expected = reader(watched_stores(filled(tmp_path / "undisturbed"), boundaries))

    assert boundaries.calls, "the reader never calls the stores"
    for moment in range(boundaries.calls):
        stores = filled(tmp_path / str(moment))
        assert reader(watched_stores(stores, At(moment, partial(move_all, stores)))) == expected
        assert rows(stores.hot) == []
