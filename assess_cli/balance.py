"""`assess balance`: compare summaries, hot store, lake and log of each batch."""

from collections.abc import Iterable, Sequence
from typing import Final

import click

from assess_cli.output import Row, emit_json, emit_rows, notify
from assess_core.domain.counts import counted
from assess_core.errors import Unbalanced, UnknownBatch
from assess_core.ports.ledger import NUMBERS, Difference, Fault, Sheet
from assess_core.settings import Settings
from assess_core.usecases.balance import Balance, advice, require_known
from assess_core.usecases.balance import balance as draw_up
from assess_core.usecases.measuring import balance_samples
from assess_core.wiring import open_ledger, open_meter, open_stores
from assess_core.wiring.places import clock

_NAMED: Final = 10
"""The number of differences of each kind that are printed without --json."""


@click.command()
@click.argument("batches", nargs=-1, metavar="[BATCH]...")
@click.option("--log", "against_log", is_flag=True, help="Also compare with the events that the log still holds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all differences.")
@click.pass_obj
def balance(settings: Settings, batches: Sequence[str], against_log: bool, as_json: bool) -> None:
    """Compare the versions that summaries name with those in hot store and lake, key by key; all batches, or BATCH.

    In each row, named = hot_only + lake_only + both + dropped + missing. If versions are missing, the command lists
    them, shows the command to type and exits with code 1. A running stream, archive or clear causes no false alarm.

    \b
    Examples:
      assess balance
      assess balance 0130929928739635202 --json
      assess balance --log
    """
    if odd := [batch for batch in batches if batch.encode(errors="replace").decode() != batch]:
        raise UnknownBatch(f"no store knows {odd[0]!r}, which is not UTF-8; `assess slices` lists the batches")
    stores = open_stores(settings, only_reads=True)
    with open_ledger(batches) as ledger:
        found = draw_up(stores, ledger, against_log=against_log)
        require_known(found, stores)
        open_meter(settings).record(*balance_samples(found, clock()))
        if as_json:
            emit_json({**_summary(found), "differences": list(map(_row, ledger.differences()))})
        else:
            _print(found, ledger.differences(first=_NAMED))
    if not found.balanced:
        raise Unbalanced("; ".join([*found.unreadable, *advice(found.total)]))


def _summary(found: Balance) -> Row:
    return {
        "balanced": found.balanced,
        "unreadable": found.unreadable,
        "batches": [{**_numbers(sheet), "balanced": sheet.balanced} for sheet in found.sheets],
    }


def _print(found: Balance, differences: Iterable[Difference]) -> None:
    rows = [_numbers(sheet) for sheet in found.sheets]
    if not rows:
        notify("there is nothing to compare yet; run `assess ingest` first")
        return
    total = [{**_numbers(found.total), "batch": "(all)"}] if len(rows) > 1 else []
    emit_rows(tuple(rows[0]), [*rows, *total], "table")
    counts = dict.fromkeys(Fault, 0)
    for difference in differences:
        counts[difference.what] += 1
        notify(_sentence(difference))
    for what, of in found.total.wrong.items():
        if of > counts[what]:
            notify(f"... and {of - counts[what]:,} more {what.value}; --json names all of them")
    failed = sum(sheet.failed for sheet in found.sheets)
    if failed:
        notify(f"{counted(failed, 'failed event waits', 'failed events wait')}: `assess failed list`")


def _numbers(sheet: Sheet) -> dict[str, object]:
    log = sheet.log._asdict() if sheet.log is not None else {}
    return {"batch": sheet.batch_id, **{name: getattr(sheet, name) for name in NUMBERS}, **log}


def _row(difference: Difference) -> Row:
    key, place = difference.key, difference.place
    return {
        "what": difference.what.value,
        "batch_id": difference.batch_id,
        "slice": None if difference.slice is None else str(difference.slice),
        **{name: key and getattr(key, name) for name in ("user_id", "course_id", "content_id", "attempt_id")},
        "content_hash": difference.content_hash and difference.content_hash.hex(),
        "tiers": difference.tiers,
        **{name: place and getattr(place, name) for name in ("topic", "partition", "offset")},
    }


_MEANS: Final = {
    Fault.MISSING: "named, in neither tier",
    Fault.UNNAMED: "written, not yet named",
    Fault.NOT_STORED: "in the log, neither stored nor failed",
    Fault.TOO_MANY: "not in the log",
}


def _sentence(difference: Difference) -> str:
    key, place = difference.key, difference.place
    parts = [f"{_MEANS[difference.what]}:"]
    if key is not None:
        parts.append(
            f"slice {str(difference.slice)!r}, learner {key.user_id!r}, assessment {key.content_id!r}, "
            f"attempt {key.attempt_id!r}"
        )
    else:
        parts.append(f"an event of batch {difference.batch_id!r}," if difference.batch_id else "an event of no batch,")
    if difference.tiers:
        parts.append(f"(in {' and '.join(_TIERS[tier] for tier in difference.tiers)})")
    if place is not None:
        parts.append(f"at {place.topic} {place.partition} {place.offset}")
    return " ".join(parts)


_TIERS: Final = {"hot": "the hot store", "lake": "the lake"}
