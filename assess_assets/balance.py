"""The balance sheet of each batch, and the check that names what is missing."""

from collections.abc import Iterator

import dagster as dg

from assess_assets.archive import archived_attempts
from assess_assets.metadata import Metadata, Row, table
from assess_assets.outcomes import NOTHING, conclude
from assess_assets.partitions import batches, everything
from assess_assets.resources import RETRY, Lakehouse
from assess_core.ports.ledger import NUMBERS, Difference, Sheet
from assess_core.usecases.balance import Balance, advice, balance, unknown
from assess_core.usecases.measuring import balance_samples
from assess_core.wiring import open_ledger

Event = dg.AssetCheckResult | dg.AssetMaterialization
NAMED = 20  # differences of each kind that the check lists; `assess balance --json` lists all

balanced = dg.AssetCheckSpec(
    "balanced",
    asset="balance_sheet",
    description="For each batch of the run, the summaries name exactly the versions that hot store and lake hold.",
    blocking=False,  # no asset depends on it
)


@dg.asset(
    partitions_def=batches,
    deps=["hot_attempts", dg.AssetDep(archived_attempts, partition_mapping=everything)],
    backfill_policy=dg.BackfillPolicy.single_run(),  # the maps are read once for all batches
    retry_policy=RETRY,
    check_specs=[balanced],
    group_name="attempts",
    owners=["team:assessment"],
    kinds={"duckdb"},
    dagster_type=NOTHING,
)
def balance_sheet(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Iterator[Event]:
    """How many versions of a batch are in summaries, hot store and lake, and how many are missing on either side."""
    with lakehouse.open("balance") as opened, open_ledger(context.partition_keys) as ledger:
        found = balance(opened.stores, ledger)
        opened.meter.record(*balance_samples(found, opened.now))
        yield _result(found, list(ledger.differences(first=NAMED)))
        strangers = unknown(found, opened.stores)
        done = {
            str(sheet.batch_id): _shown(sheet, opened.seconds)
            for sheet in found.sheets
            if sheet.batch_id not in strangers
        }
        yield from conclude(context, done, dict.fromkeys(strangers, "no store knows this batch"))


def _result(found: Balance, differences: list[Difference]) -> dg.AssetCheckResult:
    """Passes if every batch of the run balances. Otherwise it names what is missing and the command to type."""
    total = found.total
    wrong = [sheet for sheet in found.sheets if not sheet.balanced]
    metadata = {name: dg.MetadataValue.int(getattr(total, name)) for name in NUMBERS}
    if found.balanced:
        return dg.AssetCheckResult(passed=True, check_name=balanced.name, metadata=metadata)
    sentences = [*found.unreadable, *advice(total)]
    return dg.AssetCheckResult(
        passed=False,
        check_name=balanced.name,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(wrong)} of {len(found.sheets)} batches do not balance. "
        + " ".join(map(_full_stop, sentences)),
        metadata={
            **metadata,
            "batches": table([{"batch": sheet.batch_id, **_numbers(sheet)} for sheet in wrong[:NAMED]]),
            "differences": table([_row(difference) for difference in differences]),
            "what to type": dg.MetadataValue.md("\n".join(f"* {sentence}" for sentence in sentences)),
        },
    )


def _full_stop(sentence: str) -> str:
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _shown(sheet: Sheet, seconds: float) -> Metadata:
    """The metadata of a batch's balance sheet."""
    return {
        "balanced": dg.MetadataValue.bool(sheet.balanced),
        **{name: dg.MetadataValue.int(number) for name, number in _numbers(sheet).items()},
        "dagster/partition_row_count": dg.MetadataValue.int(sheet.named),
        "seconds": dg.MetadataValue.float(round(seconds, 3)),
        **({} if sheet.balanced else {"what to type": dg.MetadataValue.text("; ".join(advice(sheet)))}),
    }


def _numbers(sheet: Sheet) -> dict[str, int]:
    return {name: getattr(sheet, name) for name in NUMBERS}


def _row(difference: Difference) -> Row:
    key = difference.key
    return {
        "what": difference.what.value,
        "batch": difference.batch_id,
        "slice": str(difference.slice),
        "learner": key and key.user_id,
        "assessment": key and key.content_id,
        "attempt": key and key.attempt_id,
        "in": " and ".join(difference.tiers),
    }
