"""`assess restore` and `assess rebuild`: from the lake back into the hot store."""

from collections.abc import Sequence
from pathlib import Path

import click

from assess_cli.ingest import facts_options, write_again
from assess_cli.output import emit_json, notify, progress
from assess_core.domain.counts import counted
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import VerifyFailed
from assess_core.settings import Settings
from assess_core.usecases import applying, restoring
from assess_core.usecases.archiving import require_known
from assess_core.usecases.corrections_in_force import all_entered
from assess_core.wiring import open_checks, open_stores
from assess_core.wiring.places import clock


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON list with an object for each slice.")
@click.argument("slices", nargs=-1, metavar="SLICE...", required=True)
@click.pass_obj
def restore(settings: Settings, slices: Sequence[str], as_json: bool) -> None:
    """Bring slices back from the lake into the hot store, for example for a program that reads only Cassandra.

    The lake keeps its rows, and no answer changes. The next `assess clear` deletes the rows from the hot store again.
    It is safe to repeat. Exit code 4 if a slice's files differ from the manifest; the others are still restored.

    \b
    Examples:
      assess restore 'BATCH|2024-W05'
      assess restore 'BATCH|2024-W05' 'BATCH|2024-W06' --json
    """
    chosen = sorted({ArchiveSlice.parse(text) for text in slices})
    stores = open_stores(settings)
    require_known(chosen, stores)
    with progress("restore", len(chosen)) as advance:
        done = restoring.restore(chosen, stores, clock(), advance)
    if as_json:
        emit_json([{"slice": str(slice_), **found._asdict()} for slice_, found in done.items()])
    refused = [found.refused for found in done.values() if found.refused]
    for why in refused:
        notify(why)
    if refused:
        raise VerifyFailed(
            f"{counted(len(done) - len(refused), 'slice')} restored, {len(refused):,} refused; resolve "
            "the problems above first"
        )
    rows = sum(found.rows for found in done.values())
    notify(
        f"in the hot store again: {counted(rows, 'row')} of {counted(len(done), 'slice')}; `assess "
        "clear` deletes them there"
    )


@click.command()
@facts_options
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON on standard output.")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.pass_obj
def rebuild(
    settings: Settings, paths: Sequence[str], facts: Path | None, check_question_count: bool, as_json: bool
) -> None:
    """Rebuild a hot store that was lost, or that was restored from an old backup.

    First it copies the decisions that the lake has, such as corrections, and adds the scores of every row in the lake;
    the rows stay there. Then it folds what the log (ASSESS_LOG, a folder or a topic) still holds, or the files of PATH,
    and writes rows that are in neither tier. At last the stored scores follow the corrections. It is safe to repeat.
    Exit code 4 if something in the lake is not as the manifest says; everything else is still rebuilt. `assess balance`
    then proves that nothing is missing.

    \b
    Examples:
      assess rebuild
      assess rebuild old-log/ --facts facts.json
    """
    checks = open_checks(settings, facts, check_question_count, notify)
    stores = open_stores(settings)
    weeks = restoring.begin_rebuild(stores)
    done: list[restoring.Rebuilt] = []
    with progress("weeks", len(weeks)) as advance:
        for week in weeks:
            done.append(restoring.rebuild(week, stores))
            advance()
    counts = {
        "weeks": len(done),
        "slices": sum(found.slices for found in done),
        "rows": sum(found.rows for found in done),
        "named": sum(found.named for found in done),
    }
    problems = [why for found in done for why in found.problems]
    for why in problems:
        notify(why)
    if not as_json:
        notify(
            f"{counted(counts['rows'], 'row')} in the lake, {counted(counts['named'], 'version')} added "
            "to the scores; reading the log"
        )
    write_again(settings, paths, checks, as_json, {**counts, "problems": problems})
    if problems:
        raise VerifyFailed(
            f"problems in {counted(len(problems), 'slice or week', 'slices or weeks')} of the lake; "
            "resolve them, then rebuild again"
        )
    if entered := all_entered(stores.hot.register):
        swept = applying.sweep(stores, entered)
        notify(
            f"{counted(len(entered), 'correction was', 'corrections were')} carried out again: "
            f"{counted(swept.scores, 'score')} changed"
        )
    notify("`assess balance` proves that nothing is missing")
