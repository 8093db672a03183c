"""The page of a slice in Dagster: the same entries and links after archive, verify and clear."""

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlencode

import dagster as dg

from assess_assets.metadata import Metadata, Row, table
from assess_core.domain.manifest import ManifestEntry, SliceRecord
from assess_core.domain.moments import iso
from assess_core.domain.slice_status import SliceView
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import views_of

CHECK_URL: Final = "/assets/archived_attempts?" + urlencode({"view": "checks", "checkDetail": "verification"})


class SlicePage:
    """The state and the manifest record of a slice."""

    def __init__(self, view: SliceView, record: SliceRecord) -> None:
        self._view = view
        self._record = record

    def metadata(self) -> Metadata:
        """The entries of the page, without steps that did not happen yet."""
        view, contents = self._view, self._record.archived and self._record.archived.contents
        texts = {
            "state": view.status.value,
            "next step": self._next_step,
            "why": view.why,
            "digest": contents.digest if contents else "",
            "manifest hash": _newest(self._record).hash,
        }
        times = {"archived at": view.archived_at, "verified at": view.verified_at, "cleared at": view.cleared_at}
        files = [{"file": name, "sha256": digest} for name, digest in sorted(_files(self._record).items())]
        return {
            **{name: dg.MetadataValue.text(text) for name, text in texts.items() if text},
            **{name: dg.MetadataValue.timestamp(at / 1000) for name, at in times.items() if at is not None},
            "hot rows": dg.MetadataValue.int(view.hot_rows),
            **links(view.slice),
            "files": table(files),
        }

    def row(self) -> Row:
        """The most important entries, as a row for a table of slices."""
        view = self._view
        return {
            "slice": str(view.slice),
            "state": view.status.value,
            "next step": self._next_step,
            "verified at": None if view.verified_at is None else iso(view.verified_at),
            "hot rows": view.hot_rows,
        }

    @property
    def _next_step(self) -> str:
        return ", ".join(self._view.next_steps) or "none"


def read_pages(
    slices: Collection[ArchiveSlice], records: Mapping[ArchiveSlice, SliceRecord], stores: Stores, now: int, grace: int
) -> dict[ArchiveSlice, SlicePage]:
    """The pages of these slices; a slice without a manifest entry has none. Counts the hot rows of each."""
    recorded = [slice_ for slice_ in slices if slice_ in records]
    # unread events are not read again: these slices were archived, and archive waits for unread events
    views = views_of(recorded, records, stores, now, grace, unread=None)
    return {view.slice: SlicePage(view, records[view.slice]) for view in views}


def links(slice_: ArchiveSlice | None = None) -> Metadata:
    """Links to archive, verify and clear of a slice in the UI; without a slice, of all slices."""
    return {
        "archive": dg.MetadataValue.url(_partition_url("archived_attempts", slice_)),
        "verify": dg.MetadataValue.url(CHECK_URL),
        "clear": dg.MetadataValue.url(_partition_url("cleared_attempts", slice_)),
    }


def _partition_url(asset: str, slice_: ArchiveSlice | None) -> str:
    chosen = {"partition": str(slice_)} if slice_ else {}
    return f"/assets/{asset}?" + urlencode({"view": "partitions", **chosen})


def _newest(record: SliceRecord) -> ManifestEntry:
    return max((entry for entry in record if entry), key=lambda entry: entry.number)


def _files(record: SliceRecord) -> Mapping[str, str]:
    return next((entry.files for entry in (record.verified, record.archived) if entry and entry.files), {})
