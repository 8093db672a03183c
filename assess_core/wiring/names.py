"""Opens the source of names that the settings name."""

from pathlib import Path

from assess_core.errors import BadSettings
from assess_core.ports.names import Names
from assess_core.privacy import hidden
from assess_core.settings import Settings
from assess_core.wiring.places import servers_extra


def open_names(settings: Settings) -> Names | None:
    """The source of names for reports; None if the settings name none. Nothing is read yet. Raises `BadSettings`."""
    where = settings.names
    if not where:
        return None
    if where.startswith("cassandra://"):
        with servers_extra("ASSESS_NAMES"):
            from assess_core.adapters.cassandra.names import CassandraNames

        return CassandraNames(where)
    if where.startswith(("postgresql://", "postgres://")):
        with servers_extra("ASSESS_NAMES"):
            from assess_core.adapters.postgres.names import PostgresNames

        return PostgresNames(where)
    if where.startswith(("https://", "http://")):
        from assess_core.adapters.http.names import SearchNames

        return SearchNames(where, settings.names_token)
    if "://" in where:
        raise BadSettings(
            f"ASSESS_NAMES: {hidden(where)!r} is not a source of names; use a file, cassandra://HOST/KEYSPACE, "
            "postgresql://HOST/DATABASE or https://HOST/PATH"
        )
    from assess_core.adapters.files.names import FileNames

    return FileNames(Path(where))
