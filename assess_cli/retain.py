"""`assess retain`: clear and drop what the rules of retention say."""

import click

from assess_cli.output import emit_json, emit_rows, notify
from assess_core.domain.counts import counted
from assess_core.domain.moments import iso
from assess_core.domain.retention import Deed, Planned
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadSettings, VerifyFailed
from assess_core.settings import Settings
from assess_core.usecases import retaining
from assess_core.usecases.retaining import foresee_retention
from assess_core.wiring import open_stores, read_retention
from assess_core.wiring.places import clock

_COLUMNS = ("slice", "action", "rows", "due", "rule", "stopped")


@click.command()
@click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list with an object for each slice and action.")
@click.pass_obj
def retain(settings: Settings, dry_run: bool, as_json: bool) -> None:
    """Clear and drop what the rules in the file of ASSESS_RETENTION say (docs/retention.md).

    A rule can clear slices from the hot store, keep only the scores of old slices, or drop them.
    Nothing is dropped that was not verified, that has rows in the hot store, or that a hold protects. Files that left
    the lake a week ago are deleted. It is safe to repeat. Exit code 4 if a slice was refused.

    \b
    Examples:
      assess retain --dry-run
      assess retain
    """
    rules = read_retention(settings)
    if rules is None:
        raise BadSettings("ASSESS_RETENTION is not set; set it to the TOML file of your rules (docs/retention.md)")
    stores = open_stores(settings, only_reads=dry_run)
    about = (stores, rules, clock(), settings.grace, stores.log.unread())
    if dry_run:
        planned = foresee_retention(*about)
        _emit([_row(each) for each in planned], as_json)
        due = sum(not each.stopped for each in planned)
        notify(f"would be done: {due}, stopped: {len(planned) - due}; nothing was changed")
        return
    done = retaining.retain(*about)
    rows = [
        *(_done(*deed) for deed in done.deeds()),
        *(_row(each) for each in done.stopped),
    ]
    _emit(rows, as_json)
    for notice in done.vacuumed.notices():
        notify(notice)
    stopped = sum(row["stopped"] is not None for row in rows)
    notify(f"done: {len(rows) - stopped}, stopped: {stopped}")
    if done.refused:
        raise VerifyFailed(
            f"{counted(len(done.refused), 'slice was', 'slices were')} refused; resolve what the column "
            "stopped says first"
        )


def _emit(rows: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        emit_json(rows)
    elif rows:
        emit_rows(_COLUMNS, rows, "table")


def _done(slice_: ArchiveSlice, deed: Deed, rows: int, why: str | None) -> dict[str, object]:
    return {"slice": str(slice_), "action": deed, "rows": rows, "due": None, "rule": None, "stopped": why}


def _row(planned: Planned) -> dict[str, object]:
    return {
        "slice": str(planned.slice),
        "action": planned.deed,
        "rows": planned.rows,
        "due": iso(planned.due),
        "rule": None if planned.rule is None else str(planned.rule),
        "stopped": planned.stopped,
    }
