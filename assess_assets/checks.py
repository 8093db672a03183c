"""The check on verification. It blocks nothing: the manifest alone decides what may be cleared, slice by slice."""

from collections.abc import Mapping

import dagster as dg

from assess_assets.metadata import SENTENCES, table
from assess_core.archiving import Verified
from assess_core.slices import ArchiveSlice

verification = dg.AssetCheckSpec(
    "verification",
    asset="archived_attempts",
    description="The lake's files, read back, hold what the manifest says of each slice of the run.",
    blocking=False,  # a blocking one would skip all slices of a run for a single bad one
)


def verification_result(verified: Mapping[ArchiveSlice, Verified]) -> dg.AssetCheckResult:
    """Passed when every slice is; otherwise the slices that failed, why, and what to do."""
    problems = {str(slice_): found.problem for slice_, found in verified.items() if found.problem}
    metadata: dict[str, dg.MetadataValue] = {
        "verified": dg.MetadataValue.int(len(verified) - len(problems)),
        "failed": dg.MetadataValue.int(len(problems)),
        "unarchived": dg.MetadataValue.int(sum(found.unarchived or 0 for found in verified.values())),
    }
    if not problems:
        return dg.AssetCheckResult(passed=True, check_name=verification.name, metadata=metadata)
    return dg.AssetCheckResult(
        passed=False,
        check_name=verification.name,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(problems)} of {len(verified)} slices failed, e.g. {next(iter(problems))}: "
        "they will not be cleared. Restore the lake's files, then materialize these slices again.",
        metadata={
            **metadata,
            "slices": table([{"slice": key, "problem": why} for key, why in problems.items()], SENTENCES),
        },
    )
