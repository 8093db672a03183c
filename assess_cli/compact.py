"""`assess compact`: merge small files of the lake, and delete files that no version needs."""

from collections.abc import Sequence

import click

from assess_cli.output import emit_json, emit_rows, notify, progress
from assess_core.domain.counts import counted
from assess_core.domain.moments import duration_text, parse_duration
from assess_core.domain.slices import IsoWeek
from assess_core.errors import VerifyFailed
from assess_core.settings import Settings
from assess_core.usecases import compacting
from assess_core.wiring import open_lake
from assess_core.wiring.places import clock

_NOTHING = compacting.Vacuumed([], [], False, [])
_COLUMNS = ("week", "files_before", "files", "rows_before", "rows", "delta_version", "refused")


@click.command()
@click.argument("weeks", nargs=-1, metavar="[WEEK]...")
@click.option("--vacuum", is_flag=True, help="Also delete files that neither a table nor a ticket needs.")
@click.option(
    "--retain",
    default=duration_text(compacting.RETAIN),
    show_default=True,
    help="With --vacuum: keep files that left the table more recently; a report may still read them.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be rewritten and deleted; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def compact(settings: Settings, weeks: Sequence[str], vacuum: bool, retain: str, dry_run: bool, as_json: bool) -> None:
    """Rewrite weeks of the lake that have small files or duplicate rows: each version once, in large files.

    The rows are proved before and after, then verified again; superseded versions stay. Without WEEK, it rewrites every
    week with such files or rows. It is safe to repeat. Exit code 4 if a week was not rewritten.

    \b
    Examples:
      assess compact
      assess compact 2024-W05 2024-W06 --json
      assess compact --vacuum --retain 14d
    """
    kept = parse_duration(retain, "--retain")
    compacting.whole_hours(kept)  # refuses a wrong --retain before weeks are rewritten
    lake, now = open_lake(settings), clock()
    chosen = sorted(map(IsoWeek.parse, weeks)) or compacting.weeks_worth_it(lake)
    if dry_run:
        vacuumed = compacting.vacuum(lake, now, kept, dry_run=True) if vacuum else _NOTHING
        if as_json:
            emit_json({"weeks": list(map(str, chosen)), **_summary(vacuumed), "dry_run": True})
        else:
            deleted = len(vacuumed.deleted)
            notify(f"would rewrite {', '.join(map(str, chosen)) or 'no week'}, and delete {counted(deleted, 'file')}")
            if vacuumed.held:
                notify(
                    f"tickets hold {counted(len(vacuumed.held), 'more file')}; `assess ticket list` lists the tickets"
                )
        return
    with progress("weeks", len(chosen)) as advance:
        done = compacting.compact(chosen, lake, now, advance)
    lake.compact_small_tables()
    vacuumed = compacting.vacuum(lake, now, kept) if vacuum else _NOTHING
    rows = [{"week": str(week), **compacted._asdict()} for week, compacted in done.items()]
    if as_json:
        emit_json({"weeks": rows, **_summary(vacuumed), "dry_run": False})
    elif rows:
        emit_rows(_COLUMNS, rows, "table")
    refusals = [compacted.refused for compacted in done.values() if compacted.refused]
    for refusal in refusals:
        notify(refusal)
    if refusals:
        raise VerifyFailed(f"{len(refusals)} of {len(done)} weeks were not rewritten; resolve the problems above first")
    removed = sum(compacted.files_before - compacted.files for compacted in done.values())
    notify(
        f"{counted(len(done), 'week')} compacted, {counted(removed, 'file')} fewer; "
        f"{counted(len(vacuumed.deleted), 'file')} deleted"
    )
    for notice in vacuumed.notices():
        notify(notice)


def _summary(vacuumed: compacting.Vacuumed) -> dict[str, object]:
    return {"deleted": vacuumed.deleted, "held": vacuumed.held, "tickets_deleted": vacuumed.tickets}
