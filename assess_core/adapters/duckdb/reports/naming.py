"""The names of a report: a table per kind of name, which the columns of names read."""

from collections.abc import Collection
from typing import Final

import duckdb
import pyarrow as pa

from assess_core.adapters.duckdb.reports.columns import Column
from assess_core.domain.names import NameKind, NamesDigest, NamesRead
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.names import Names

_IDS: Final = {
    NameKind.COURSE: "course_id",
    NameKind.BATCH: "batch_id",
    NameKind.ASSESSMENT: "content_id",
    NameKind.LEARNER: "user_id",
}
_AT_ONCE: Final = 10_000
"""Ids that a source is asked for at a time."""
TABLE: Final = "CREATE TEMP TABLE {kind}_names (id VARCHAR, name VARCHAR, organisation VARCHAR)"
"""Creates the table of a kind of names, which the columns of `named` read."""
_INSERT: Final = "INSERT INTO {kind}_names SELECT id, nullif(name, ''), nullif(organisation, '') FROM found_names"


def named(header: str, kind: NameKind, part: str = "name") -> Column:
    """A column with the name of an id, or with another part of it. It is empty if there is none."""
    return Column(header, f"{kind}_names.{part}", names=kind, id=_IDS[kind])


TITLES: Final = (
    named("course_name", NameKind.COURSE),
    named("batch_name", NameKind.BATCH),
    named("content_title", NameKind.ASSESSMENT),
)
"""The titles in reports without columns of Sunbird."""
LEARNERS: Final = (named("user_name", NameKind.LEARNER), named("organisation", NameKind.LEARNER, "organisation"))


def load_names(
    duck: duckdb.DuckDBPyConnection, columns: Collection[Column], rows: str, names: Names | None
) -> NamesRead | None:
    """Create the tables of names, for the ids of some rows: an SQL relation. Without a source they are empty.

    Returns what was read; None if no column shows names. Raises the errors of the source.
    """
    for kind in NameKind:
        duck.execute(TABLE.format(kind=kind))
    wanted = {column.names for column in columns}
    if names is None or wanted == {None}:
        return None
    opened, digest = names.open(), NamesDigest()
    for kind in NameKind:
        if kind not in wanted:
            continue
        ids = duck.execute(f"SELECT DISTINCT {_IDS[kind]} FROM {rows} ORDER BY 1").to_arrow_table().column(0)
        digest.add(kind, 0, ())
        for start in range(0, len(ids), _AT_ONCE):
            checkpoint()
            asked = ids.slice(start, _AT_ONCE).to_pylist()
            found = opened.look_up(kind, asked)
            listed = [(id_, found[id_]) for id_ in asked if id_ in found]
            digest.add(kind, len(asked), listed)
            table = {
                "id": [id_ for id_, _ in listed],
                "name": [one.name for _, one in listed],
                "organisation": [one.organisation for _, one in listed],
            }
            duck.register("found_names", pa.table(table, pa.schema([(column, pa.string()) for column in table])))
            duck.execute(_INSERT.format(kind=kind))
            duck.unregister("found_names")
    return digest.read(names.source, opened.sha256)


def names_of(duck: duckdb.DuckDBPyConnection) -> dict[tuple[NameKind, str], str]:
    """The names of the tables that `load_names` created: kind and id -> name."""
    return {
        (kind, id_): name
        for kind in NameKind
        for id_, name in duck.execute(f"SELECT id, name FROM {kind}_names WHERE name IS NOT NULL").fetchall()
    }
