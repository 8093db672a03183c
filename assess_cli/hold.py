"""`assess hold`: what must not be deleted by a rule or an erasure."""

import click

from assess_cli.output import emit_json, emit_rows, notify
from assess_core.domain.holds import HoldState, Target
from assess_core.domain.moments import iso, parse_moment
from assess_core.settings import Settings
from assess_core.usecases.holds import add_hold, all_holds, release_hold
from assess_core.wiring import open_hot, open_stores
from assess_core.wiring.places import clock

_COLUMNS = (
    "hold",
    "status",
    "target",
    "of",
    "by",
    "reason",
    "at",
    "until",
    "released_by",
    "released_at",
    "released_why",
)
_by = click.option("--by", required=True, metavar="NAME", help="Who decided it.")
_reason = click.option("--reason", required=True, metavar="TEXT", help="Why, for example the number of a case.")


@click.group()
def hold() -> None:
    """Holds: while one is in force, no rule clears or drops what it names, and no erasure deletes it.

    \b
    Examples:
      assess hold add --batch 2024-MATH --by "examinations office" --reason "case 12/2025" --until 2026-01-01
      assess hold list
      assess hold release 3f9a12c07b44 --by "examinations office" --reason "case closed"
    """


@hold.command()
@click.option("--batch", metavar="ID", help="Hold everything of this batch.")
@click.option("--learner", metavar="ID", help="Hold every slice with attempts of this learner.")
@click.option("--assessment", metavar="ID", help="Hold every slice with attempts at this assessment.")
@_by
@_reason
@click.option("--until", metavar="TIME", help="When it ends by itself, like 2026-01-01; default: when it is released.")
@click.pass_obj
def add(
    settings: Settings,
    batch: str | None,
    learner: str | None,
    assessment: str | None,
    by: str,
    reason: str,
    until: str | None,
) -> None:
    """Enter a hold, and print its id. The id that it names need not have attempts yet.

    \b
    Example:
      assess hold add --learner U --by "examinations office" --reason "complaint 7"
    """
    named = [(target, of) for target, of in zip(Target, (batch, learner, assessment), strict=True) if of is not None]
    if len(named) != 1:
        raise click.UsageError("name one of --batch, --learner and --assessment")
    [(target, of)] = named
    end = None if until is None else parse_moment(until, "--until")
    entered = add_hold(open_stores(settings), target, of, by, reason, clock(), end)
    click.echo(entered.id)
    notify(f"in force: {entered}")


@hold.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that were released or are over.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list with an object for each hold.")
@click.pass_obj
def list_(settings: Settings, everything: bool, as_json: bool) -> None:
    """List the holds that are in force.

    \b
    Examples:
      assess hold list
      assess hold list --all --json
    """
    now = clock()
    hot, _ = open_hot(settings, only_reads=True)
    rows = [_row(state, now) for state in all_holds(hot) if everything or state.is_in_force(now)]
    if as_json:
        emit_json(rows)
        return
    columns = _COLUMNS if everything else _COLUMNS[:8]
    emit_rows(columns, rows, "table")
    if not rows:
        notify("there are no holds" if everything else "no hold is in force; `--all` also lists those that ended")


@hold.command()
@click.argument("id_", metavar="ID")
@_by
@_reason
@click.pass_obj
def release(settings: Settings, id_: str, by: str, reason: str) -> None:
    """End a hold. Its record stays, with who ended it and why. It is safe to repeat.

    \b
    Example:
      assess hold release 3f9a12c07b44 --by "examinations office" --reason "case closed"
    """
    ended = release_hold(open_stores(settings), id_, by, reason, clock())
    notify(f"not in force any more: {ended}")


def _row(state: HoldState, now: int) -> dict[str, object]:
    held, ended = state
    return {
        "hold": held.id,
        "status": state.status(now),
        "target": held.target,
        "of": held.of,
        "by": held.by,
        "reason": held.reason,
        "at": iso(held.at),
        "until": None if held.until is None else iso(held.until),
        "released_by": ended and ended.by,
        "released_at": ended and iso(ended.at),
        "released_why": ended and ended.reason,
    }
