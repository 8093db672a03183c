"""How a run over several partitions ends: what was done is on record even where some were refused."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast

import dagster as dg

from assess_assets.metadata import PREVIEW_ROWS, SENTENCES, Metadata, Row, bars, table
from assess_core.domain.manifest import SliceRecord
from assess_core.domain.slices import ArchiveSlice
from assess_core.usecases.archiving import SliceStatus, SliceView

NOTHING: Final = cast(dg.DagsterType, dg.Nothing)
"""What an asset of ours hands on to Dagster, so that no IO manager is ever called (typed as `None` over there)."""


def conclude(
    context: dg.AssetExecutionContext, done: Mapping[str, Metadata], refused: Mapping[str, str]
) -> Iterator[dg.AssetMaterialization]:
    """Give each partition its metadata; where some were refused, record the others, then fail and name the refused.

    Partition key -> metadata, partition key -> reason. Raises `dg.Failure`, which no policy repeats.
    """
    if not refused:
        _show(context, done)
        return
    for key, metadata in done.items():
        # a step that fails records nothing but what it yielded before
        yield dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata)
    reasons = {key: unnamed(key, reason) for key, reason in sorted(refused.items())}
    said = "\n".join(f"{key}: {reason}" for key, reason in reasons.items())
    rows = [{"partition": key, "reason": reason} for key, reason in reasons.items()]
    raise dg.Failure(
        f"{len(refused)} of {len(refused) + len(done)} were refused, the others are done:\n{said}",
        metadata={"refused": table(rows, SENTENCES)},
        allow_retries=False,
    )


def unnamed(key: str, reason: str) -> str:
    """A reason without the name of what it is about, where that stands before it anyway."""
    return reason.replace(f"{key}: ", "")


def _show(context: dg.AssetExecutionContext, done: Mapping[str, Metadata]) -> None:
    step = context.get_step_execution_context()
    for key, metadata in done.items():
        # add_asset_metadata, which is the public way, lists all registered partitions at each call: a third of the
        # time of a run over 1,000 slices, and the square of their number
        step._metadata_accumulator = step._metadata_accumulator.with_additional_asset_metadata(  # noqa: SLF001
            asset_key=context.asset_key, partition_key=key, metadata=metadata
        )


def of_slices(
    numbers: Mapping[ArchiveSlice, Mapping[str, int]],
    title: str,
    *,
    size: int,
    seconds: float,
    problems: Mapping[ArchiveSlice, str] = MappingProxyType({}),
    states: Mapping[ArchiveSlice, Metadata] = MappingProxyType({}),
) -> dict[str, Metadata]:
    """What the slices of one run show: each its own figures, the last one also the table and picture of the whole run.

    `numbers`: slice -> its figures, `rows` among them; `size` in bytes; `problems`: of those slices that have one;
    `states`: what `state_of` returns for a slice.
    """
    shown_of: dict[str, Metadata] = {
        str(slice_): {
            "dagster/partition_row_count": dg.MetadataValue.int(figures["rows"]),
            **{name: dg.MetadataValue.int(figure) for name, figure in figures.items()},
            **states.get(slice_, {}),
        }
        for slice_, figures in numbers.items()
    }
    for slice_, why in problems.items():
        # a slice with a problem may have no figures: it was cleared, and its rows in the lake are gone
        shown = shown_of.setdefault(str(slice_), {"dagster/partition_row_count": dg.MetadataValue.int(0)})
        shown["problem"] = dg.MetadataValue.text(unnamed(str(slice_), why))
    if shown_of:  # Dagster keeps each slice's metadata twice: 10,000 pictures are 80 MB
        shown_of[max(shown_of, key=ArchiveSlice.parse)] |= _of_run(numbers, title, size, seconds)
    return shown_of


def state_of(view: SliceView, record: SliceRecord) -> Metadata:
    """The state of a slice as its page shows it: the same names after archive and after clear."""
    shown: Metadata = {"state": dg.MetadataValue.text(view.status.value)}
    times = {"archived at": view.archived_at, "verified at": view.verified_at, "cleared at": view.cleared_at}
    shown |= {name: dg.MetadataValue.timestamp(at / 1000) for name, at in times.items() if at is not None}
    if record.archived is not None:
        shown["digest"] = dg.MetadataValue.text(record.archived.contents.digest)
    if newest := max((entry for entry in record if entry is not None), key=lambda entry: entry.number, default=None):
        shown["manifest hash"] = dg.MetadataValue.text(
            newest.hash.hex() if isinstance(newest.hash, bytes) else newest.hash
        )
    proved = record.verified or record.archived
    files = proved.files if proved else {}
    shown["files"] = table([{"file": name, "sha256": digest} for name, digest in sorted(files.items())])
    shown["archived and verified"] = dg.MetadataValue.asset(dg.AssetKey("archived_attempts"))
    shown["cleared"] = dg.MetadataValue.asset(dg.AssetKey("cleared_attempts"))
    return shown


def _of_run(numbers: Mapping[ArchiveSlice, Mapping[str, int]], title: str, size: int, seconds: float) -> Metadata:
    weeks = Counter[str]()
    for slice_, figures in numbers.items():
        weeks[str(slice_.week)] += figures["rows"]
    preview = [{"slice": str(slice_), **figures} for slice_, figures in numbers.items()]
    return {
        "slices of the run": dg.MetadataValue.int(len(numbers)),
        "rows of the run": dg.MetadataValue.int(weeks.total()),
        "bytes": dg.MetadataValue.int(size),
        "seconds": dg.MetadataValue.float(round(seconds, 3)),
        "picture": bars(title, {"rows": weeks}),
        "preview": table(preview[:PREVIEW_ROWS]),
    }


def of_views(views: Sequence[SliceView], *, seconds: float) -> Metadata:
    """What an observation of the hot store shows: rows of both tiers by week, and which slices wait for what."""
    hot, lake = Counter[str](), Counter[str]()
    for view in views:
        hot[str(view.slice.week)] += view.hot_rows
        lake[str(view.slice.week)] += view.lake_rows
    waiting = [view for view in views if view.status is not SliceStatus.CLEARED or view.note]
    return {
        "dagster/row_count": dg.MetadataValue.int(hot.total()),
        "seconds": dg.MetadataValue.float(round(seconds, 3)),
        "slices": dg.MetadataValue.json(Counter(view.status.value for view in views)),
        "picture": bars("rows by week", {"hot store": hot, "lake": lake}),
        "waiting": dg.MetadataValue.int(len(waiting)),
        "oldest that wait": table([why_not(view) for view in waiting[:PREVIEW_ROWS]]),
    }


def why_not(view: SliceView) -> Row:
    """Why a slice is not cleared yet, as a row."""
    return {"slice": str(view.slice), "status": view.status.value, "rows": view.hot_rows, "why": view.why}
