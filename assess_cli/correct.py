"""`assess correct`: what corrections of wrong questions would change."""

from collections.abc import Iterator
from pathlib import Path

import click

from assess_cli.output import Format, emit_rows, notify
from assess_core.domain.corrections import MOST_BYTES, parse_correction
from assess_core.domain.regrading import COLUMNS, Regraded
from assess_core.settings import Settings
from assess_core.usecases.correcting import NamedCorrection, regraded
from assess_core.wiring import open_stores


@click.group()
def correct() -> None:
    """Corrections of wrong questions: full marks, another maximum, another key, drop, scale.

    A dry run lists what they would change. They cannot be applied to scores yet.
    """


@correct.command("dry-run")
@click.argument(
    "files",
    metavar="RULE.json...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--pass-mark",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Show whose best score crosses this share of its maximum.",
)
@click.option("--format", "format_", type=click.Choice(["table", "jsonl", "csv"]), default="csv", show_default=True)
@click.pass_obj
def dry_run(settings: Settings, files: tuple[Path, ...], pass_mark: float | None, format_: Format) -> None:
    """List whose scores corrections would change, and by how much. Nothing is changed.

    Each file has one correction of one question (docs/corrections.md). Several files apply in the given order. A row
    per learner and assessment: the best and the last score now, and as they would be. Hot store and lake are read, so
    archived attempts are included. If a correction matches nothing or cannot be applied, nothing is listed.

    \b
    Examples:
      assess correct dry-run full-marks-q3.json > changes.csv
      assess correct dry-run drop-q3.json key-q7.json --pass-mark 40 --format table
    """
    named = [NamedCorrection(str(file), parse_correction(_read(file), str(file))) for file in files]
    scores = gained = lost = 0

    def rows(found: Iterator[Regraded]) -> Iterator[dict[str, object]]:
        nonlocal scores, gained, lost
        for each in found:
            row = each.row(pass_mark)
            scores += 1
            gained += row["pass"] == "gained"
            lost += row["pass"] == "lost"
            yield row

    with regraded(open_stores(settings), named) as found:
        emit_rows(COLUMNS, rows(found), format_)
    crossing = "" if pass_mark is None else f"; would pass: {gained:,}, would no longer pass: {lost:,}"
    notify(f"scores that would change: {scores:,}{crossing}; nothing was changed")


def _read(file: Path) -> bytes:
    """The beginning of a file: one byte more than a correction may have."""
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES + 1)
