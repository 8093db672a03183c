"""The check `verification`. It blocks nothing: only the manifest decides which slices can be cleared."""

from collections.abc import Mapping
from itertools import islice
from typing import Final

import dagster as dg

from assess_assets.metadata import PREVIEW_ROWS, SENTENCES, table
from assess_assets.outcomes import unnamed
from assess_assets.slice_page import SlicePage, links
from assess_core.domain.manifest import SliceRecord
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.lake import Lake
from assess_core.usecases.archiving import Verified

_WEEKS_NAMED: Final = 4  # the description names these; the table names all slices

verification = dg.AssetCheckSpec(
    "verification",
    asset="archived_attempts",
    description="The lake's files hold what the manifest records, for each slice of this run and for each "
    "slice that an older run found damaged.",
    blocking=False,  # a blocking check would skip all slices of a run because of a single bad one
)


def verification_result(
    verified: Mapping[ArchiveSlice, Verified],
    records: Mapping[ArchiveSlice, SliceRecord],
    pages: Mapping[ArchiveSlice, SlicePage],
    lake: Lake,
) -> dg.AssetCheckResult:
    """Passes if every slice is verified and no older run has left a damaged one.

    Otherwise it names the slices, the problem of each, the files to restore and the next step. `records`: the
    slices of this run and all that ever failed; `pages`: the slices of this run.
    """
    failed = {slice_: found.problem for slice_, found in verified.items() if found.problem}
    before = {
        slice_: record.failure or ""
        for slice_, record in records.items()
        if record.has_failed and slice_ not in verified
    }
    metadata: dict[str, dg.MetadataValue] = {
        "verified": dg.MetadataValue.int(len(verified) - len(failed)),
        "failed": dg.MetadataValue.int(len(failed)),
        "failed before": dg.MetadataValue.int(len(before)),
        "unarchived": dg.MetadataValue.int(sum(found.unarchived or 0 for found in verified.values())),
        **(next(iter(pages.values())).metadata() if len(pages) == 1 else links()),
    }
    problems = failed | before
    if not problems:
        metadata["first slices"] = table([page.row() for page in islice(pages.values(), PREVIEW_ROWS)])
        return dg.AssetCheckResult(passed=True, check_name=verification.name, metadata=metadata)
    weeks = sorted({slice_.week for slice_ in problems})
    older = f"; {len(before)} that an older run found damaged are not repaired" if before else ""
    shown = failed | dict(islice(before.items(), PREVIEW_ROWS))
    return dg.AssetCheckResult(
        passed=False,
        check_name=verification.name,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(failed)} of {len(verified)} slices failed{older}, e.g. {next(iter(problems))}: "
        "they will not be cleared. Restore the lake's files, then materialize these slices again: "
        f"in the partition filter, {' or '.join(map(str, weeks[:_WEEKS_NAMED]))} finds them.",
        metadata={
            "files to restore": dg.MetadataValue.text(
                "\n".join(_damaged_files(problems, lake)) or "see the problem of each slice"
            ),
            **metadata,
            "slices": table(
                [{"slice": str(slice_), "problem": unnamed(str(slice_), why)} for slice_, why in shown.items()],
                SENTENCES,
            ),
        },
    )


def _damaged_files(problems: Mapping[ArchiveSlice, str], lake: Lake) -> list[str]:
    """The full URLs of the files that a problem names by their last part."""
    files = lake.pin().files({slice_.week for slice_ in problems})
    return [file.url for file in files if any(file.url.rpartition("/")[2] in why for why in problems.values())]
