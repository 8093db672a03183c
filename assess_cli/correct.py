"""`assess correct`: corrections of wrong questions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from assess_cli.numbers import FiniteRange
from assess_cli.output import Format, emit_json, emit_rows, format_options, notify
from assess_core.domain.correction_records import Entered, decision
from assess_core.domain.corrections import MOST_BYTES, correction_text, read_correction, rule_text
from assess_core.domain.counts import counted
from assess_core.domain.moments import iso
from assess_core.domain.regrading import COLUMNS, Regraded
from assess_core.settings import Settings
from assess_core.usecases.applying import Swept, apply, revert, unfinished
from assess_core.usecases.correcting import NamedCorrection, regraded
from assess_core.usecases.corrections_in_force import all_entered
from assess_core.wiring import open_hot, open_stores
from assess_core.wiring.places import clock


@click.group()
def correct() -> None:
    """Corrections of wrong questions: full marks, another maximum, another key, drop, scale.

    Apply puts a correction in force: from then on every score, report and answer counts with it, also those of attempts
    that arrive later. No stored attempt changes, so revert brings the old scores back. A dry run lists what would
    change.
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
    type=FiniteRange(0, 100),
    metavar="PERCENT",
    help="Show whose best score crosses this share of its maximum.",
)
@format_options("csv")
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
    named = [NamedCorrection(str(file), read_correction(_read(file), str(file))) for file in files]
    scores = gained = lost = 0

    def rows(found: Iterator[Regraded]) -> Iterator[dict[str, object]]:
        nonlocal scores, gained, lost
        for each in found:
            row = each.row(pass_mark)
            scores += 1
            gained += row["pass"] == "gained"
            lost += row["pass"] == "lost"
            yield row

    with regraded(open_stores(settings, only_reads=True), named) as found:
        emit_rows(COLUMNS, rows(found), format_)
    crossing = "" if pass_mark is None else f"; would pass: {gained:,}, would no longer pass: {lost:,}"
    notify(f"scores that would change: {scores:,}{crossing}; nothing was changed")


_by = click.option("--by", required=True, metavar="WHO", help="Who decided it.")
_reason = click.option(
    "--reason", required=True, metavar="WHY", help="Why, in a sentence. It is shown with the scores."
)


@correct.command("apply")
@click.argument("file", metavar="RULE.json", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_by
@_reason
@click.pass_obj
def apply_(settings: Settings, file: Path, by: str, reason: str) -> None:
    """Put a correction in force, and write the scores that follow from it.

    It prints the id of the correction. A correction that matches nothing or cannot be applied is refused, and nothing
    is changed. A correction that is in force already stays as it is: only the scores are written again. Do that if the
    command was interrupted.

    \b
    Examples:
      assess correct apply full-marks-q3.json --by 'examinations office' --reason 'Two options were right.'
    """
    named = NamedCorrection(str(file), read_correction(_read(file), str(file)))
    done = apply(open_stores(settings), named, decision(by, reason, clock()))
    click.echo(done.id)
    notify("it is in force" if done.is_new else "it was in force already")
    notify(_swept(done.swept))


@correct.command("revert")
@click.argument("id_", metavar="ID")
@_by
@_reason
@click.pass_obj
def revert_(settings: Settings, id_: str, by: str, reason: str) -> None:
    """End a correction: every score, report and answer is again as without it.

    If the command was interrupted, type it again. An unknown id gives exit code 3.

    \b
    Examples:
      assess correct revert 3f2a9c41b07d-1 --by 'examinations office' --reason 'It was for another quiz.'
    """
    done = revert(open_stores(settings), id_, decision(by, reason, clock()))
    notify("it is reverted" if done.is_new else "it was reverted already")
    notify(_swept(done.swept))


@correct.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON list with an object for each correction.")
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """List all corrections that were ever applied, in the order in which they apply, and who reverted which.

    \b
    Examples:
      assess correct list
      assess correct list --json | jq '.[].correction'
    """
    hot, _ = open_hot(settings, only_reads=True)
    waiting = {one.decided.id for one in unfinished(hot)}
    rows = [_row(one, one.decided.id in waiting) for one in all_entered(hot.register)]
    if as_json:
        emit_json(rows)
    else:
        emit_rows(_COLUMNS, rows, "table")  # the text of a correction would be the widest column


_COLUMNS: Final = (
    *("id", "status", "scores_written", "assessment", "question", "rule", "by", "reason", "at"),
    *("reverted_by", "reverted_reason", "reverted_at"),
)


def _row(one: Entered, is_waiting: bool) -> dict[str, object]:
    id_, correction, decided = one.decided
    reverted = one.reverted
    return {
        "id": id_,
        "status": "in force" if reverted is None else "reverted",
        "scores_written": not is_waiting,
        "assessment": correction.assessment,
        "question": correction.question,
        "rule": rule_text(correction.rule),
        "by": decided.by,
        "reason": decided.reason,
        "at": iso(decided.at),
        "reverted_by": None if reverted is None else reverted.by,
        "reverted_reason": None if reverted is None else reverted.reason,
        "reverted_at": None if reverted is None else iso(reverted.at),
        "correction": msgspec.Raw(correction_text(correction)),
    }


def _swept(swept: Swept) -> str:
    return (
        f"{counted(swept.attempts, 'version of an attempt is', 'versions of attempts are')} in its "
        f"scope; {counted(swept.scores, 'score')} changed"
    )


def _read(file: Path) -> bytes:
    """The beginning of a file: one byte more than a correction may have."""
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES + 1)
