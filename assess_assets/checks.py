"""The check on verification. It blocks nothing: the manifest alone decides what may be cleared, slice by slice."""

from collections.abc import Mapping
from itertools import islice
from typing import Final

import dagster as dg

from assess_assets.metadata import PREVIEW_ROWS, SENTENCES, table
from assess_assets.outcomes import unnamed
from assess_core.domain.manifest import by_slice
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.lake import Lake
from assess_core.usecases.archiving import Verified

_NAMED: Final = 4  # weeks that a sentence names: the table names the slices

verification = dg.AssetCheckSpec(
    "verification",
    asset="archived_attempts",
    description="The lake's files, read back, hold what the manifest says of each slice: of those of the run, and of "
    "those that an older run found damaged until they are verified again.",
    blocking=False,  # a blocking one would skip all slices of a run for a single bad one
)


def verification_result(verified: Mapping[ArchiveSlice, Verified], lake: Lake) -> dg.AssetCheckResult:
    """Passed when every slice is, and none is left that an older run found damaged.

    Otherwise the slices, what is wrong with each, the files to put back, and what to do.
    """
    failed = {slice_: found.problem for slice_, found in verified.items() if found.problem}
    before = {
        slice_: record.failure or ""
        for slice_, record in by_slice(lake.manifest()).items()
        if record.has_failed and slice_ not in verified
    }
    metadata: dict[str, dg.MetadataValue] = {
        "verified": dg.MetadataValue.int(len(verified) - len(failed)),
        "failed": dg.MetadataValue.int(len(failed)),
        "failed before": dg.MetadataValue.int(len(before)),
        "unarchived": dg.MetadataValue.int(sum(found.unarchived or 0 for found in verified.values())),
    }
    problems = failed | before
    if not problems:
        return dg.AssetCheckResult(passed=True, check_name=verification.name, metadata=metadata)
    weeks = sorted({slice_.week for slice_ in problems})
    older = f"; {len(before)} that an older run found damaged are not mended" if before else ""
    shown = failed | dict(islice(before.items(), PREVIEW_ROWS))
    return dg.AssetCheckResult(
        passed=False,
        check_name=verification.name,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(failed)} of {len(verified)} slices failed{older}, e.g. {next(iter(problems))}: "
        "they will not be cleared. Restore the lake's files, then materialize these slices again: "
        f"in the partition filter, {' or '.join(map(str, weeks[:_NAMED]))} finds them.",
        metadata={
            "files to restore": dg.MetadataValue.text(
                "\n".join(_named(problems, lake)) or "see the problem of each slice"
            ),
            **metadata,
            "slices": table(
                [{"slice": str(slice_), "problem": unnamed(str(slice_), why)} for slice_, why in shown.items()],
                SENTENCES,
            ),
        },
    )


def _named(problems: Mapping[ArchiveSlice, str], lake: Lake) -> list[str]:
    """The files that a problem names, whole: a problem says the last part of a name alone."""
    files = lake.pin().files({slice_.week for slice_ in problems})
    return [file.url for file in files if any(file.url.rpartition("/")[2] in why for why in problems.values())]
