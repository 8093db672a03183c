"""Opens the source of grants that the settings name."""

from pathlib import Path

from assess_core.errors import BadSettings
from assess_core.ports.grants import Grants
from assess_core.privacy import hidden
from assess_core.settings import Settings
from assess_core.wiring.places import servers_extra


def open_grants(settings: Settings) -> Grants | None:
    """The grants of mentors; None if the settings name no source. Nothing is read yet. Raises `BadSettings`."""
    where = settings.grants
    if not where:
        return None
    if where.startswith("cassandra://"):
        with servers_extra("ASSESS_GRANTS"):
            from assess_core.adapters.cassandra.grants import CassandraGrants

        return CassandraGrants(where)
    if where.startswith("sqlite:///"):
        from assess_core.adapters.sqlite.grants import SqliteGrants

        return SqliteGrants(where)
    if "://" in where:
        raise BadSettings(
            f"ASSESS_GRANTS: {hidden(where)!r} is not a source of grants; use a file, sqlite:///PATH or "
            "cassandra://HOST/KEYSPACE"
        )
    from assess_core.adapters.files.grants import FileGrants

    return FileGrants(Path(where))
