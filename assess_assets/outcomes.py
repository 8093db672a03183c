"""How a run over several partitions ends: what was done is on record even where some were refused."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

import dagster as dg

from assess_assets.metadata import PREVIEW_ROWS, Metadata, bars, shown, table
from assess_core.archiving import SliceView
from assess_core.slices import ArchiveSlice

NOTHING: Final = cast(dg.DagsterType, dg.Nothing)
"""What an asset of ours hands on to Dagster, so that no IO manager is ever called (typed as `None` over there)."""


def conclude(
    context: dg.AssetExecutionContext, done: Mapping[str, Metadata], refused: Mapping[str, str]
) -> Iterator[dg.AssetMaterialization]:
    """Give each partition its metadata; where some were refused, record the others, then fail and name the refused.

    Partition key -> metadata, partition key -> reason. Raises `dg.Failure`, which no policy repeats.
    """
    if not refused:
        for key, metadata in done.items():
            context.add_asset_metadata(metadata, partition_key=key)
        return
    for key, metadata in done.items():
        # a step that fails records nothing but what it yielded before
        yield dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata)
    reasons = "\n".join(f"{key}: {reason}" for key, reason in sorted(refused.items()))
    raise dg.Failure(
        f"{len(refused)} of {len(refused) + len(done)} were refused, the others are done:\n{reasons}",
        metadata={"refused": table([{"partition": key, "reason": reason} for key, reason in sorted(refused.items())])},
        allow_retries=False,
    )


def of_slices(
    numbers: Mapping[ArchiveSlice, Mapping[str, int]], title: str, *, size: int, seconds: float
) -> dict[str, Metadata]:
    """What the slices of one run show: their own rows, and the table and picture of the whole run.

    `numbers`: slice -> its figures, `rows` among them; `size` in bytes.
    """
    weeks = Counter[str]()
    for slice_, figures in numbers.items():
        weeks[str(slice_.week)] += figures["rows"]
    preview = [{"slice": str(slice_), **figures} for slice_, figures in numbers.items()]
    picture = bars(title, {"rows": weeks})
    return {
        str(slice_): {
            **shown(rows=figures["rows"], size=size, seconds=seconds, preview=preview, picture=picture),
            "dagster/partition_row_count": dg.MetadataValue.int(figures["rows"]),
        }
        for slice_, figures in numbers.items()
    }


def of_views(views: Sequence[SliceView], *, seconds: float) -> Metadata:
    """What an observation of the hot store shows: rows of both tiers by week, and how far the slices have come."""
    hot, lake = Counter[str](), Counter[str]()
    for view in views:
        hot[str(view.slice.week)] += view.hot_rows
        lake[str(view.slice.week)] += view.lake_rows
    newest = [{"slice": str(view.slice), "rows": view.hot_rows} for view in reversed(views) if view.hot_rows]
    return {
        "rows": dg.MetadataValue.int(hot.total()),
        "seconds": dg.MetadataValue.float(round(seconds, 3)),
        "slices": dg.MetadataValue.json(Counter(view.status.value for view in views)),
        "picture": bars("rows by week", {"hot store": hot, "lake": lake}),
        "newest": table(newest[:PREVIEW_ROWS]),
    }
