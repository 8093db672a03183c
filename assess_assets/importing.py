"""Imports old archives of Sunbird into the lake. It runs only when a person starts it and names the files."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import dagster as dg
from pydantic import Field

from assess_assets.metadata import PREVIEW_ROWS, SENTENCES, bars, table
from assess_assets.outcomes import NOTHING
from assess_assets.resources import RETRY, Lakehouse, Opened
from assess_core.domain.archive_rows import Refusal
from assess_core.domain.counts import counted
from assess_core.usecases.importing import Import
from assess_core.wiring.archives import open_archives, open_import

_KEPT: Final = 100
"""Refusals that a run keeps; `assess import --refused FILE` writes all of them."""


class OldArchives(dg.Config):
    """The files of an import."""

    paths: list[str] = Field(
        description="Files, folders with subfolders, or s3://BUCKET/PREFIX, e.g. [s3://reports/archived-data]."
    )


@dg.asset(
    group_name="attempts",
    owners=["team:assessment"],
    kinds={"csv", "deltalake"},
    retry_policy=RETRY,
    pool="lake",
    dagster_type=NOTHING,
)
def imported_archives(config: OldArchives, lakehouse: Lakehouse) -> Iterator[dg.MaterializeResult[None]]:
    """Old archives of Sunbird: in the lake, read back, and known to scores, balance and reports.

    It can be repeated: known rows are counted and not written again. If rows or files are refused, everything else is
    imported, and the run fails with the reasons.
    """
    refusals: list[Refusal] = []

    def refuse(refusal: Refusal) -> None:
        if len(refusals) < _KEPT:
            refusals.append(refusal)

    with lakehouse.open() as opened:
        run = open_import(opened.settings, opened.stores, refuse, lambda files: None)
        for archives in open_archives(config.paths):
            run.run(archives, archives.files)
        yield _result(run, refusals, opened)
        if not run.counts.complete:
            counts, first = run.counts, [_sentence(refusal) for refusal in refusals[:PREVIEW_ROWS]]
            message = (
                f"refused: {counted(counts.refused, 'row')} and "
                f"{counted(counts.bad_files, 'file')}; the rest is imported:\n"
            )
            raise dg.Failure(message + "\n".join(first), allow_retries=False)


def _result(run: Import, refusals: list[Refusal], opened: Opened) -> dg.MaterializeResult[None]:
    weeks = Counter[str]()
    for slice_, rows in sorted(run.slices.items()):
        weeks[str(slice_.week)] += rows
    counts = {name: dg.MetadataValue.int(count) for name, count in run.counts._asdict().items()}
    return dg.MaterializeResult(
        metadata={
            **counts,
            "slices": dg.MetadataValue.int(len(run.slices)),
            "seconds": dg.MetadataValue.float(round(opened.seconds, 3)),
            "picture": bars("imported rows by week", {"rows": weeks}),
            "refusals": table([refusal._asdict() for refusal in refusals[:PREVIEW_ROWS]], SENTENCES),
        }
    )


def _sentence(refusal: Refusal) -> str:
    line = "" if refusal.line is None else f" line {refusal.line}"
    return f"{refusal.file}{line}: {refusal.reason}"
