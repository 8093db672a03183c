"""The rows of versions that learners' maps name, from whichever tier has them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.corrections import Totals
from assess_core.domain.manifest import NOTHING, by_slice
from assess_core.domain.scores import Entry
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import VersionMissing
from assess_core.ports.stores import Stores


class StoredVersions(NamedTuple):
    """Versions that were looked up, by content hash."""

    rows: Mapping[bytes, AttemptVersion]
    dropped: Mapping[bytes, int] = {}
    """Versions whose answers retention dropped, and when (epoch ms)."""
    kept: Mapping[bytes, Totals] = {}
    """The totals under corrections of dropped versions whose scores the lake keeps, as of the time of the drop."""


def stored_versions(stores: Stores, entries: Sequence[Entry]) -> StoredVersions:
    """The versions that entries name.

    The lake is read once for each learner with a version that is not in the hot store. Raises
    `VersionMissing` if a version is in neither tier and was not dropped, `StoreUnavailable`, and the errors of a union.
    """
    found = {row.version.content_hash: row for row in stores.hot.get([entry.row_key for entry in entries])}
    absent: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.version.content_hash not in found:
            absent.setdefault(entry.key.user_id, []).append(entry)
    for user_id, missing in absent.items():
        hashes = [entry.version.content_hash for entry in missing]
        batch_ids = {entry.key.batch_id for entry in missing}
        weeks = {entry.row_key.slice.week for entry in missing}
        # the hot store was read before, so a row that a clear deleted since then is in the lake's newest version
        rows = stores.union.archived(batch_ids, weeks, user_id, hashes)
        found |= {row.version.content_hash: row for row in rows}
    nowhere = [entry for entry in entries if entry.version.content_hash not in found]
    if not nowhere:
        return StoredVersions(found)
    dropped, keeping = _dropped(stores, nowhere)
    return StoredVersions(found, dropped, _kept(stores, [one for one in nowhere if one.row_key.slice in keeping]))


def _kept(stores: Stores, entries: Sequence[Entry]) -> dict[bytes, Totals]:
    found: dict[bytes, Totals] = {}
    learners: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        learners.setdefault((entry.key.user_id, entry.key.batch_id), []).append(entry)
    for (user_id, batch_id), theirs in learners.items():
        hashes = [entry.version.content_hash for entry in theirs]
        found |= stores.union.kept_totals(batch_id, {entry.row_key.slice.week for entry in theirs}, user_id, hashes)
    return found


def _dropped(stores: Stores, entries: Sequence[Entry]) -> tuple[dict[bytes, int], set[ArchiveSlice]]:
    """When retention dropped versions, by content hash, and the slices of which the lake keeps scores."""
    # the manifest is read after the tiers: a slice's entry is written before its rows leave the lake
    records = by_slice(stores.lake.manifest({entry.row_key.slice for entry in entries}))
    dropped = {slice_: record.dropped.at for slice_, record in records.items() if record.dropped}
    for entry in entries:
        if entry.row_key.slice not in dropped:
            raise VersionMissing(
                f"{entry.row_key.key}, received in slice {str(entry.row_key.slice)!r}, is neither in the hot store "
                "nor in the lake; restore the lake's files or the hot store from a backup, or read the log again: "
                "assess ingest --repair"
            )
    keeping = {slice_ for slice_, record in records.items() if record.kept_scores != NOTHING}
    return {entry.version.content_hash: dropped[entry.row_key.slice] for entry in entries}, keeping
