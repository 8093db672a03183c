"""The end of a run over several partitions: the partitions that are done are recorded even if others were refused."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast

import dagster as dg

from assess_assets.dagster_internals import add_partition_metadata
from assess_assets.metadata import PREVIEW_ROWS, SENTENCES, Metadata, Row, bars, table
from assess_assets.slice_page import SlicePage
from assess_core.domain.slice_status import FINISHED, SliceView
from assess_core.domain.slices import ArchiveSlice

NOTHING: Final = cast(dg.DagsterType, dg.Nothing)
"""The output type of our assets, so that Dagster calls no IO manager. Dagster types it as `None`."""


def conclude(
    context: dg.AssetExecutionContext, done: Mapping[str, Metadata], refused: Mapping[str, str]
) -> Iterator[dg.AssetMaterialization]:
    """Give each partition its metadata. If some were refused, record the others, then fail and name the refused ones.

    `done`: partition key -> metadata; `refused`: partition key -> reason. Raises `dg.Failure`, which is not retried.
    """
    if not refused:
        add_partition_metadata(context, done)
        return
    for key, metadata in done.items():
        # if a step fails, Dagster records only what the step yielded before
        yield dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata)
    reasons = {key: unnamed(key, reason) for key, reason in sorted(refused.items())}
    sentences = "\n".join(f"{key}: {reason}" for key, reason in reasons.items())
    rows = [{"partition": key, "reason": reason} for key, reason in reasons.items()]
    raise dg.Failure(
        f"{len(refused)} of {len(refused) + len(done)} were refused, the others are done:\n{sentences}",
        metadata={"refused": table(rows, SENTENCES)},
        allow_retries=False,
    )


def unnamed(key: str, reason: str) -> str:
    """A reason without the name of its partition, for a table that already shows the name."""
    return reason.replace(f"{key}: ", "")


def of_slices(
    numbers: Mapping[ArchiveSlice, Mapping[str, int]],
    title: str,
    *,
    size: int,
    seconds: float,
    problems: Mapping[ArchiveSlice, str] = MappingProxyType({}),
    pages: Mapping[ArchiveSlice, SlicePage] = MappingProxyType({}),
) -> dict[str, Metadata]:
    """The metadata of the slices of one run. The last slice also gets the table and the picture of the whole run.

    `numbers`: slice -> its figures, including `rows`; `size` in bytes; `problems`: only of slices that have one.
    """
    shown_of: dict[str, Metadata] = {
        str(slice_): {
            "dagster/partition_row_count": dg.MetadataValue.int(figures["rows"]),
            **{name: dg.MetadataValue.int(figure) for name, figure in figures.items()},
        }
        for slice_, figures in numbers.items()
    }
    for slice_, why in problems.items():
        # a slice with a problem has no figures if it was cleared and its rows in the lake are gone
        shown = shown_of.setdefault(str(slice_), {"dagster/partition_row_count": dg.MetadataValue.int(0)})
        shown["problem"] = dg.MetadataValue.text(unnamed(str(slice_), why))
    for slice_, page in pages.items():
        if str(slice_) in shown_of:
            shown_of[str(slice_)] |= page.metadata()
    if shown_of:  # only one slice gets the picture: Dagster stores metadata twice, so 10,000 pictures would be 80 MB
        shown_of[max(shown_of, key=ArchiveSlice.parse)] |= _of_run(numbers, title, size, seconds)
    return shown_of


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
    """The metadata of an observation of the hot store: rows of both tiers by week, and the waiting slices."""
    hot, lake = Counter[str](), Counter[str]()
    for view in views:
        hot[str(view.slice.week)] += view.hot_rows
        lake[str(view.slice.week)] += view.lake_rows
    waiting = [view for view in views if view.status not in FINISHED or view.note]
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
