"""`ingest --repair` rewrites exactly the versions that the maps name and neither tier holds."""

from pathlib import Path
from typing import Any

import pytest

from assess_core.adapters.cassandra.hot_store import CassandraHot
from assess_core.adapters.duckdb.ledger import open_ledger
from assess_core.adapters.files.log_files import find
from assess_core.adapters.files.log_lines import read_files
from assess_core.adapters.memory import MemoryHot
from assess_core.ports.ledger import Sheet
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import archiving
from assess_core.usecases.balance import balance
from assess_core.usecases.repairing import repair
from tests.balances import NO_FACTS, draw, follow, forget, lose, resolve
from tests.factories import RECEIVED, WEEK, event, line
from tests.keyspaces import Keyspace
from tests.lakes import held, stores_over
from tests.loop import NOW, put_away
from tests.properties.tables import rows

EVENTS = [event(user=user) for user in ("u1", "u2", "u3")]
LINES = [*(line(each) for each in EVENTS), *(line(each, RECEIVED + WEEK) for each in EVENTS), b"nonsense"]
"""Three events, the same events received again a week later, and one line that cannot be decoded."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log file outside of the log folder."""
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(LINES) + b"\n")
    return file


@pytest.fixture
def folded(stores: Stores, settings: Settings) -> Stores:
    """Stores after the same lines were read from the log folder and folded."""
    folder = Path(settings.log)
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_bytes(b"\n".join(LINES) + b"\n")
    follow(stores)
    return stores


def state(stores: Stores) -> Any:
    """Everything that a repair can change."""
    hot = stores.hot
    return rows(hot), dict(hot.all_learners()), list(hot.all_activities()), list(hot.failed()), held(stores.lake)


def test_lost_rows_are_rewritten_with_the_receipt_in_the_map(folded: Stores) -> None:
    before = state(folded)
    lose(folded.hot, [row for row in rows(folded.hot) if row.key.user_id != "u2"])
    assert draw(folded).sheet.missing == 2

    assert resolve(folded) == (2, 0)

    assert draw(folded).found.balanced
    assert state(folded) == before


def test_files_repair_rows_whose_events_are_no_longer_in_the_log(folded: Stores, log: Path, settings: Settings) -> None:
    (Path(settings.log) / "events.jsonl").unlink()
    lose(folded.hot, rows(folded.hot))

    assert resolve(folded) == (0, 0)
    assert resolve(folded, log) == (3, 0)

    assert draw(folded).found.balanced


def test_an_event_that_is_repeated_in_a_later_batch_is_rewritten_once(folded: Stores, log: Path) -> None:
    lose(folded.hot, rows(folded.hot))
    [batch] = read_files(find([str(log)], print), print)

    with open_ledger() as ledger:
        balance(folded, ledger)
        done = list(repair([batch, batch], folded, ledger, NO_FACTS, NOW, MemoryHot))

    assert [each.rewritten for each in done] == [3, 0]


def test_a_repair_without_damage_writes_nothing(folded: Stores) -> None:
    before = state(folded)

    assert resolve(folded) == (0, 0)

    assert state(folded) == before


def test_a_repair_does_not_rewrite_cleared_rows(folded: Stores) -> None:
    put_away(folded)
    before = state(folded)

    assert resolve(folded) == (0, 0)

    assert state(folded) == before
    assert draw(folded).sheet == Sheet(None, named=3, lake_only=3, failed=1)


def test_only_rows_in_neither_tier_are_rewritten(folded: Stores) -> None:
    [lost] = [row for row in rows(folded.hot) if row.key.user_id == "u3"]
    lose(folded.hot, [lost])
    archiving.archive(folded.hot.slices(), folded, NOW)
    lose(folded.hot, [row for row in rows(folded.hot) if row.key.user_id == "u1"])

    assert resolve(folded) == (1, 0)

    assert {row.key.user_id for row in rows(folded.hot)} == {"u2", "u3"}
    assert draw(folded).sheet == Sheet(None, named=3, hot_only=1, lake_only=1, both=1, failed=1)


def test_rows_without_an_entry_and_events_without_a_row_are_repaired_too(folded: Stores, settings: Settings) -> None:
    before = state(folded)
    lose(folded.hot, [row for row in rows(folded.hot) if row.key.user_id == "u1"])
    forget(settings.hot_store, "u1")  # only the log still has this event
    forget(settings.hot_store, "u2")  # the row is stored, but no map names it
    assert not draw(folded, against_log=True).found.balanced

    assert resolve(folded) == (0, 0)

    assert draw(folded, against_log=True).found.balanced
    assert state(folded) == before


def test_rewritten_rows_are_archived_and_cleared_like_any_row(folded: Stores) -> None:
    put_away(folded)
    follow(folded)
    archived = state(folded)[-1]
    lose(folded.hot, rows(folded.hot))

    resolve(folded)
    put_away(folded)

    assert state(folded)[-1] == archived
    assert draw(folded).found.balanced


def test_rows_hidden_by_newer_deletions_are_rewritten_to_the_lake_with_a_manifest_entry(folded: Stores) -> None:
    lose(folded.hot, rows(folded.hot))

    class Shadowed:
        """Has newer deletions of all rows, so no written row becomes visible."""

        def add_rows(self, rows: object) -> dict[bytes, str]:
            return {}

        def __getattr__(self, name: str) -> Any:
            return getattr(folded.hot, name)

    assert resolve(folded._replace(hot=Shadowed())) == (3, 3)

    assert draw(folded).sheet == Sheet(None, named=3, lake_only=3, failed=1)
    verified = archiving.verify(folded.hot.slices(), folded, NOW)
    assert [(str(slice_), each.problem, each.contents.versions) for slice_, each in verified.items()] == [
        ("b1|2024-W05", None, 3)
    ]
    assert resolve(folded) == (0, 0)


@pytest.fixture
def cluster(keyspace: Keyspace, tmp_path: Path) -> Stores:
    """Stores over Cassandra after the same lines were read from the log folder and folded."""
    stores = stores_over(CassandraHot(keyspace.url), tmp_path)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "events.jsonl").write_bytes(b"\n".join(LINES) + b"\n")
    follow(stores)
    return stores


def test_rows_that_cassandra_lost_are_rewritten(cluster: Stores, keyspace: Keyspace) -> None:
    keyspace.cql("TRUNCATE {ks}.assessment_aggregator")
    assert draw(cluster).sheet.missing == 3

    assert resolve(cluster) == (3, 0)

    assert draw(cluster).sheet == Sheet(None, named=3, hot_only=3, failed=1)


def test_rows_that_were_deleted_in_cassandra_are_rewritten_to_the_lake(cluster: Stores, keyspace: Keyspace) -> None:
    for shard in range(cluster.hot.shards):
        keyspace.cql(
            "DELETE FROM {ks}.assessment_aggregator "
            f"WHERE batch_id = 'b1' AND year = 2024 AND week = 5 AND shard = {shard}"
        )
    assert draw(cluster).sheet.missing == 3

    assert resolve(cluster) == (3, 3)

    assert draw(cluster).sheet == Sheet(None, named=3, lake_only=3, failed=1)
    assert draw(cluster).found.balanced
