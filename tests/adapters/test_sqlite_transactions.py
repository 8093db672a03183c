"""A batch is folded into the SQLite store in one transaction."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.scores import Summary
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import StoreUnavailable
from assess_core.ports.facts import NoFacts
from assess_core.usecases.folding import Checks, fold
from tests.factories import RECEIVED, accepted, decoded, event

SLICE = ArchiveSlice.of("b1", RECEIVED)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'hot.sqlite'}"


@pytest.fixture
def hot(url: str) -> SqliteHot:
    return SqliteHot(url)


@pytest.fixture
def other(url: str) -> SqliteHot:
    """Another writer of the same file."""
    return SqliteHot(url)


@pytest.mark.parametrize("failing", ["add_entries", "put_summaries", "put_activities", "add_failed"])
def test_a_batch_that_cannot_be_written_whole_leaves_nothing(
    hot: SqliteHot, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    batch = [accepted(), decoded(b"nonsense", offset=2)]
    with monkeypatch.context() as broken:
        broken.setattr(hot, failing, full)
        with pytest.raises(StoreUnavailable):
            fold(batch, hot, Checks(NoFacts()))

    assert (hot.slices(), hot.learners(["u1"]), list(hot.failed())) == ([], {}, [])
    assert fold(batch, hot, Checks(NoFacts())).stored == 1
    assert hot.counts([SLICE]) == {SLICE: 1}


def test_other_connections_see_a_batch_only_when_it_is_whole(
    hot: SqliteHot, other: SqliteHot, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    put = hot.put_summaries

    def looked_at(summaries: Sequence[Summary]) -> None:
        seen.append(other.learners(["u1"]))
        put(summaries)

    monkeypatch.setattr(hot, "put_summaries", looked_at)

    fold([accepted()], hot, Checks(NoFacts()))

    assert seen == [{}]
    assert other.learners(["u1"])["u1"].summaries


def test_a_version_of_another_writer_between_two_batches_counts(hot: SqliteHot, other: SqliteHot) -> None:
    for offset, store in enumerate([hot, other, hot]):
        fold([accepted(event(attempt=f"t{offset}"), offset)], store, Checks(NoFacts()))

    [summary] = hot.learners(["u1"])["u1"].summaries.values()
    assert (summary.attempts_count, summary.versions) == (3, 3)
