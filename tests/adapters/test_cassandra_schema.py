"""The Cassandra schema: how it is applied, upgraded and checked."""

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from assess_core.adapters.cassandra import tables
from assess_core.adapters.cassandra.hot_store import CassandraHot
from assess_core.adapters.cassandra.schema import DEFAULT_SHARDS, CassandraSchema
from assess_core.adapters.cassandra.tables import SCHEMA_VERSION, declared
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import AssessError, BadSettings, NotOurTable
from assess_core.ports.findings import Finding, Level
from tests.keyspaces import Keyspace

_numbers = count()
SLICES = [ArchiveSlice(IsoWeek(2024, week), batch_id) for week, batch_id in ((5, "b1"), (5, "b2"), (6, "b1"))]


@pytest.fixture
def new(cassandra_url: str, worker_id: str) -> Iterator[Keyspace]:
    """A keyspace that does not exist yet."""
    keyspace = Keyspace(f"{cassandra_url}/schema_{worker_id}_{next(_numbers)}")
    yield keyspace
    keyspace.cql("DROP KEYSPACE IF EXISTS {ks}")


def test_apply_creates_the_keyspace_and_its_tables_and_can_be_repeated(new: Keyspace) -> None:
    assert list(new.schema.check()) == [f"there is no keyspace {new.name}"]

    reported = new.schema.apply(None, None)

    assert reported.startswith(
        f"keyspace {new.name}: schema version {SCHEMA_VERSION}, {DEFAULT_SHARDS} shards, copies "
    )
    assert new.schema.apply(None, None) == reported
    assert list(new.schema.check()) == []
    assert CassandraHot(new.url).shards == DEFAULT_SHARDS


def test_concurrent_applies_create_one_schema(new: Keyspace) -> None:
    reported: list[str] = []

    def apply() -> None:
        try:
            reported.append(CassandraSchema(new.url).apply(None, None))
        except AssessError as error:
            reported.append(str(error))

    threads = [threading.Thread(target=apply) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(reported)) == 1
    assert "16 shards" in reported[0]
    assert list(new.schema.check()) == []


def test_shards_and_copies_are_fixed_when_the_keyspace_is_created(new: Keyspace) -> None:
    new.schema.apply("1", 7)

    assert CassandraHot(new.url).shards == 7
    assert "7 shards" in new.schema.apply(None, None)
    with pytest.raises(BadSettings, match="was made with 7 shards, not 4; leave --shards out, or name another"):
        new.schema.apply(None, 4)
    with pytest.raises(BadSettings, match=r"has copies .*:1, not .*:3; leave --replication out"):
        new.schema.apply("3", None)


@pytest.mark.parametrize(
    ("copies", "message"),
    [
        ("many", "'many' is neither a number nor like dc1:3"),
        ("0", "neither"),
        ("nowhere:3", "'nowhere' is not a data c"),
    ],
)
def test_an_invalid_replication_is_refused(new: Keyspace, copies: str, message: str) -> None:
    with pytest.raises(BadSettings, match=f"--replication: .*{message}"):
        new.schema.apply(copies, None)

    assert list(new.schema.check()) == [f"there is no keyspace {new.name}"]


def test_the_error_for_a_missing_keyspace_names_the_command(new: Keyspace) -> None:
    with pytest.raises(BadSettings, match=f"there is no keyspace {new.name}; type `assess schema apply`"):
        CassandraHot(new.url)


def test_the_error_for_an_unknown_data_centre_names_it(new: Keyspace) -> None:
    with pytest.raises(BadSettings, match=r"dc=mars is not a data centre of .*; it has "):
        CassandraHot(f"{new.url}?dc=mars")


def test_missing_parts_are_named_and_created_by_the_next_apply(new: Keyspace) -> None:
    new.schema.apply(None, 4)
    new.cql("DROP TABLE {ks}.failed_parts")
    new.cql("DELETE FROM {ks}.meta WHERE name = 'applied_at'")

    with pytest.raises(
        BadSettings, match=r"there is no table failed_parts; .*applied_at is missing in meta; type `assess"
    ):
        CassandraHot(new.url)

    new.schema.apply(None, None)
    assert CassandraHot(new.url).shards == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ALTER TABLE {ks}.positions ADD note text", "table positions has a column note text that is not ours"),
        ("ALTER TABLE {ks}.positions DROP byte", "table positions has no column byte bigint"),
    ],
)
def test_a_table_of_another_shape_is_refused_and_the_difference_is_named(
    new: Keyspace, change: str, message: str
) -> None:
    new.schema.apply(None, None)
    new.cql(change)

    assert list(new.schema.check()) == [message]
    with pytest.raises(NotOurTable, match=f"{message}; name another keyspace in ASSESS_HOT_STORE"):
        CassandraHot(new.url)
    with pytest.raises(NotOurTable, match=f"{message}; nothing was changed"):
        new.schema.apply(None, None)


def test_tables_of_an_older_system_are_refused_and_not_changed(new: Keyspace) -> None:
    new.cql("CREATE KEYSPACE {ks} WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
    new.cql(
        "CREATE TABLE {ks}.user_activity_agg (activity_type text, activity_id text, user_id text, context_id text, "
        "agg map<text, int>, aggregates map<text, double>, agg_details list<text>, "
        "agg_last_updated map<text, timestamp>, "
        "PRIMARY KEY ((activity_type, activity_id, user_id), context_id))"
    )

    with pytest.raises(NotOurTable, match="table user_activity_agg has a column agg map<text, int> that is not ours"):
        new.schema.apply(None, None)

    tables = new.cql("SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{ks}'")
    assert tables == [("user_activity_agg",)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("schema_version", f"it was made with schema version 9, not {SCHEMA_VERSION}"),
        ("shard_hash", "it was made with shard hash 9"),
    ],
)
def test_a_keyspace_with_other_fixed_settings_is_refused_and_the_difference_is_named(
    new: Keyspace, name: str, message: str
) -> None:
    new.schema.apply(None, None)
    new.cql(f"UPDATE {{ks}}.meta SET value = '9' WHERE name = '{name}'")

    with pytest.raises(
        BadSettings, match=f"{message}.*; use the version of this program that made it, or name another keyspace"
    ):
        CassandraHot(new.url)


@pytest.fixture
def older(new: Keyspace) -> Keyspace:
    """A keyspace with version 1 of the schema, and slices of two batches."""
    new.schema.apply(None, 4)
    new.cql("DROP TABLE {ks}.slices_by_batch")
    new.cql("UPDATE {ks}.meta SET value = '1' WHERE name = 'schema_version'")
    for slice_ in SLICES:
        put_by_older_worker(new, slice_)
    return new


def put_by_older_worker(keyspace: Keyspace, slice_: ArchiveSlice) -> None:
    (year, week), batch_id = slice_
    keyspace.cql(f"INSERT INTO {{ks}}.slices (year, week, batch_id) VALUES ({year}, {week}, '{batch_id}')")


def test_the_error_for_an_older_keyspace_names_the_command(older: Keyspace) -> None:
    with pytest.raises(
        BadSettings,
        match=r"no table slices_by_batch; it has schema version 1, and this program needs \d; type `assess schema",
    ):
        CassandraHot(older.url)


def test_apply_upgrades_an_older_keyspace_and_lists_its_slices_by_batch(older: Keyspace) -> None:
    assert f"schema version {SCHEMA_VERSION}, 4 shards" in older.schema.apply(None, None)

    hot = CassandraHot(older.url)
    assert list(older.schema.check()) == []
    assert hot.slices(batch_id="b1") == [SLICES[0], SLICES[2]]
    assert hot.slices(batch_id="b2") == [SLICES[1]]


def test_the_doctor_reports_a_slice_that_an_older_worker_writes_after_the_upgrade_until_the_next_apply(
    older: Keyspace,
) -> None:
    def schema_finding() -> Finding:
        [found] = [finding for finding in CassandraHot(older.url).examine() if finding.what == "schema"]
        return found

    older.schema.apply(None, None)
    assert schema_finding().level is Level.OK
    late = ArchiveSlice(IsoWeek(2024, 9), "b1")
    put_by_older_worker(older, late)

    found = schema_finding()
    assert found.level is Level.BAD
    assert "slices_by_batch lacks 1 of them" in found.message
    assert found.action == "stop every worker of an older version, then type `assess schema apply`"

    older.schema.apply(None, None)
    assert schema_finding().level is Level.OK
    assert late in CassandraHot(older.url).slices(batch_id="b1")


def test_a_later_version_can_add_a_column(older: Keyspace, monkeypatch: pytest.MonkeyPatch) -> None:
    later = {**tables.versions(), 99: "ALTER TABLE positions ADD IF NOT EXISTS later blob;"}
    monkeypatch.setattr(tables, "versions", lambda: later)

    assert "there is no column later in positions" in list(older.schema.check())
    older.schema.apply(None, None)

    assert list(older.schema.check()) == []
    older.cql("SELECT later FROM {ks}.positions")


def test_a_keyspace_of_a_later_version_is_not_changed(new: Keyspace) -> None:
    new.schema.apply(None, None)
    new.cql("UPDATE {ks}.meta SET value = '99' WHERE name = 'schema_version'")
    new.cql("DROP TABLE {ks}.positions")

    with pytest.raises(NotOurTable, match=r"made with schema version 99, not .*; nothing was changed"):
        new.schema.apply(None, None)

    assert "there is no table positions" in list(new.schema.check())


def test_the_shown_statements_create_the_keyspace(new: Keyspace) -> None:
    shown = new.schema.show().replace("DATACENTER", "datacenter1")
    without_comments = "\n".join(line for line in shown.splitlines() if not line.startswith("--"))
    for statement in without_comments.split(";"):
        words = statement.strip()
        if words and not words.startswith("USE "):
            for table in declared():
                words = words.replace(f"EXISTS {table} (", f"EXISTS {{ks}}.{table} (")
                words = words.replace(f"ALTER TABLE {table} ", f"ALTER TABLE {{ks}}.{table} ")
            new.cql(words.replace("INTO meta", "INTO {ks}.meta"))

    assert list(new.schema.check()) == []
    assert CassandraHot(new.url).shards == DEFAULT_SHARDS
