"""Seals the manifest. It runs only when a person starts it, or a schedule of yours."""

import dagster as dg

from assess_assets.archive import archived_attempts
from assess_assets.partitions import everything
from assess_assets.resources import RETRY, Lakehouse
from assess_core.usecases.seals import seal


@dg.asset(
    deps=[dg.AssetDep(archived_attempts, partition_mapping=everything)],
    group_name="attempts",
    owners=["team:assessment"],
    kinds={"deltalake"},
    retry_policy=RETRY,
)
def seals(lakehouse: Lakehouse) -> dg.MaterializeResult[None]:
    """A line that commits to every manifest entry: publish it where nobody here can change it (docs/seal.md).

    Without new entries, the last seal is shown again.
    """
    with lakehouse.open("seal") as opened:
        made = seal(opened.stores.lake, opened.now)
        return dg.MaterializeResult(
            metadata={
                "seal": dg.MetadataValue.text(str(made)),
                "entries": dg.MetadataValue.int(made.size),
                "sealed at": dg.MetadataValue.timestamp(made.at / 1000),
                "seconds": dg.MetadataValue.float(round(opened.seconds, 3)),
            }
        )
