"""`assess slices`, `archive`, `verify` and `clear`: closed slices move from the hot store to the lake."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import click

from assess_cli.output import Row, emit_json, emit_rows, notify, progress
from assess_core.domain.counts import counted
from assess_core.domain.manifest import by_slice
from assess_core.domain.moments import parse_moment
from assess_core.domain.retention import Rules
from assess_core.domain.slice_status import SliceView
from assess_core.domain.slices import ArchiveSlice, Unread
from assess_core.errors import SliceNotVerified, StoreUnavailable, VerifyFailed
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import archiving
from assess_core.usecases.pending import pending
from assess_core.usecases.retaining import clearable
from assess_core.usecases.tables import slice_row
from assess_core.wiring import open_lake, open_stores, read_retention
from assess_core.wiring.places import clock

_VIEW: Final = (
    "slice", "status", "hot_rows", "lake_rows", "archived_at", "verified_at", "cleared_at", "why_open", "note"
)  # fmt: skip


class _Asked(NamedTuple):
    """The slices that a command works on, and their stores."""

    stores: Stores
    slices: list[ArchiveSlice]
    only_closed: bool
    now: int
    """The time that the manifest gets (epoch ms): the clock, never `--as-of`."""
    as_of: int
    grace: int
    unread: Unread | None
    as_json: bool


def _about_slices(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments that the four commands share."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="A JSON list with an object for each slice."),
        click.option("--as-of", metavar="TIME", help="Which slices are closed at this time, like 2025-01-06."),
        click.option("--closed", "only_closed", is_flag=True, help="All closed slices, or the closed ones of SLICE..."),
        click.argument("slices", nargs=-1, metavar="[SLICE]..."),
    ):
        command = option(command)
    return command


def _named(
    settings: Settings,
    slices: Sequence[str],
    only_closed: bool,
    as_of: str | None,
    as_json: bool,
    *,
    only_reads: bool = False,
) -> _Asked:
    """The slices that are named on the command line, maybe none. Raises `UnknownBatch`."""
    now = clock()
    moment = parse_moment(as_of) if as_of else now
    named = sorted({ArchiveSlice.parse(text) for text in slices})
    stores = open_stores(settings, only_reads=only_reads)
    unread = stores.log.unread()
    if named:
        archiving.require_known(named, stores)
    return _Asked(stores, named, only_closed, now, moment, settings.grace, unread, as_json)


def _asked(
    settings: Settings, slices: Sequence[str], only_closed: bool, as_of: str | None, as_json: bool, history: bool
) -> _Asked:
    """The named slices; if there are none, the slices of the whole history, or those that can need a step."""
    asked = _named(settings, slices, only_closed, as_of, as_json)
    chosen = asked.slices or (archiving.known(asked.stores) if history else pending(asked.stores, asked.now))
    if only_closed:
        chosen = archiving.closed(chosen, asked.as_of, asked.grace, asked.unread)
    return asked._replace(slices=chosen)


def _some(
    settings: Settings,
    slices: Sequence[str],
    only_closed: bool,
    as_of: str | None,
    as_json: bool,
    history: bool = False,
) -> _Asked:
    """Like `_asked`, for commands that change data: without arguments they must not change all slices."""
    if not slices and not only_closed:
        raise click.UsageError("name slices like 'BATCH|2024-W05' (with quotes), or write --closed")
    return _asked(settings, slices, only_closed, as_of, as_json, history)


_with_rows = click.option("--rows", "each", is_flag=True, help="Print a row for each slice, not only the totals.")


def _emit(rows: Sequence[Row], as_json: bool, each: bool, totals: Sequence[str]) -> None:
    """Print all fields of every slice as JSON, or a table with the sums of `totals`, or also a row for each slice."""
    if as_json:
        emit_json(rows)
    elif rows:
        emit_rows(("slices", *totals), [{"slices": len(rows), **{name: _sum(rows, name) for name in totals}}], "table")
        if each:
            emit_rows(("slice", *totals), rows, "table")


def _sum(rows: Sequence[Row], name: str) -> float:
    values = [value for row in rows if isinstance(value := row[name], int | float)]
    return sum(values)


@click.command()
@_about_slices
@click.pass_obj
def slices(settings: Settings, /, **arguments: Any) -> None:
    """List slices, the state of each, and why an open one is open.

    A slice is all versions of one batch that were received in one ISO week. Its status is open, planned (closed, not
    yet archived), written, verified, clearing or cleared.

    \b
    Examples:
      assess slices
      assess slices --closed --json
      assess slices 'BATCH|2024-W05' --as-of 2024-03-01
    """
    asked = _named(settings, **arguments, only_reads=True)
    rows = [_row(view) for view in _views(asked)]
    if asked.as_json:
        emit_json(rows)
    elif rows:
        emit_rows(_VIEW, rows, "table")
    if not rows:
        _notify_none(asked.only_closed, bool(asked.slices))
    if ignored := asked.stores.log.ignored():
        notify(f"warning: {ignored}")


def _views(asked: _Asked) -> list[SliceView]:
    """The named slices, or all of them, after one read of the manifest: 10,000 slices take 0.4 s."""
    about = (asked.stores, asked.as_of, asked.grace, asked.unread)
    if asked.slices:
        records = by_slice(asked.stores.lake.manifest(asked.slices))
        views = archiving.views_of(asked.slices, records, *about)
    else:
        views = archiving.slice_views(*about)
    if not asked.only_closed:
        return views
    closed = set(archiving.closed((view.slice for view in views), asked.as_of, asked.grace, asked.unread))
    return [view for view in views if view.slice in closed]


def _row(view: SliceView) -> Row:
    row = slice_row(view)
    return {name: row[name] for name in _VIEW}


@click.command()
@_with_rows
@_about_slices
@click.pass_obj
def archive(settings: Settings, /, each: bool, **arguments: Any) -> None:
    """Copy closed slices to the lake: rows that it lacks are appended; nothing is changed or deleted.

    A slice that is still open is refused. It is safe to repeat.

    \b
    Examples:
      assess archive --closed
      assess archive 'BATCH|2024-W05' 'BATCH|2024-W06'
      assess archive --closed --as-of 2024-03-01 --json
    """
    asked = _some(settings, **arguments)
    if not asked.only_closed:
        archiving.require_closed(asked.slices, asked.as_of, asked.grace, asked.unread)
    with progress("archive", len(asked.slices)) as advance:
        done = archiving.archive(asked.slices, asked.stores, asked.now, advance)
    rows = [
        {
            "slice": str(slice_),
            "appended": archived.appended,
            **archived.contents._asdict(),
            "delta_version": archived.delta_version,
        }
        for slice_, archived in done.items()
    ]
    _emit(rows, asked.as_json, each, ("appended", "rows", "versions", "attempts", "total_score"))
    appended = sum(archived.appended for archived in done.values())
    if done:
        notify(f"{_slices(done)} archived, {counted(appended, 'row')} appended; `assess verify` is next")
    else:
        _notify_none(asked.only_closed, bool(asked.slices))


@click.command()
@_with_rows
@_about_slices
@click.pass_obj
def verify(settings: Settings, /, each: bool, **arguments: Any) -> None:
    """Read the lake's files back and prove the manifest from them: every row, every content hash.

    Exit code 4 if a slice has a problem; the others are still verified. If the hot store does not answer, only the
    files and the manifest are compared.

    \b
    Examples:
      assess verify --closed
      assess verify 'BATCH|2024-W05' --json
    """
    done = _verified(settings, **arguments)
    rows = [
        {
            "slice": str(slice_),
            "verified": verified.problem is None,
            "problem": verified.problem,
            **verified.contents._asdict(),
            "delta_version": verified.delta_version,
            "unarchived": verified.unarchived,
        }
        for slice_, verified in done.items()
    ]
    _emit(rows, arguments["as_json"], each, ("verified", "rows", "versions", "attempts", "total_score", "unarchived"))
    for slice_, verified in done.items():
        if twice := verified.contents.rows - verified.contents.versions:
            notify(f"{slice_}: {counted(twice, 'row is a duplicate', 'rows are duplicates')}; each version counts once")
        if verified.unarchived:
            notify(
                f"{slice_}: not in the lake: {counted(verified.unarchived, 'row')} of the hot store; archive it again"
            )
    problems = [verified.problem for verified in done.values() if verified.problem]
    for problem in problems:
        notify(problem)
    if problems:
        raise VerifyFailed(f"{len(problems)} of {_slices(done)} could not be verified; they will not be cleared")
    if done:
        is_cleared = all(verified.is_cleared for verified in done.values())
        notify(f"{_slices(done)} verified; {'all are cleared' if is_cleared else '`assess clear` is next'}")
    else:
        _notify_none(arguments["only_closed"], bool(arguments["slices"]))


def _verified(
    settings: Settings, slices: Sequence[str], only_closed: bool, as_of: str | None, as_json: bool
) -> dict[ArchiveSlice, archiving.Verified]:
    """Verify the slices; only in the lake if the hot store or the log does not answer."""
    try:
        asked = _some(settings, slices, only_closed, as_of, as_json, history=True)
    except StoreUnavailable as error:
        lake = open_lake(settings)
        recorded = lake.recorded(None, None)
        notify(f"{error}; the lake is verified without it")
        chosen = [ArchiveSlice.parse(text) for text in slices] or recorded
        with progress("verify", len(chosen)) as advance:
            return archiving.verify_alone(chosen, lake, clock(), advance)
    with progress("verify", len(asked.slices)) as advance:
        return archiving.verify(asked.slices, asked.stores, asked.now, advance)


@click.command()
@click.option("--dry-run", is_flag=True, help="Print what would be deleted; delete nothing.")
@_with_rows
@_about_slices
@click.pass_obj
def clear(settings: Settings, /, dry_run: bool, each: bool, **arguments: Any) -> None:
    """Delete from the hot store exactly the rows that were verified in the lake.

    Rows that the lake does not hold stay; the column `left` counts them. Exit code 4 if a slice is not verified; the
    others are still cleared. `--closed` leaves out slices that a hold protects, or that a rule of ASSESS_RETENTION
    keeps longer. A slice that you name is cleared also then: the lake keeps its rows.

    \b
    Examples:
      assess clear --closed --dry-run
      assess clear 'BATCH|2024-W05'
    """
    asked = _some(settings, **arguments)
    if asked.only_closed:
        asked = _by_rule(asked, read_retention(settings) or ())
    with progress("clear", len(asked.slices)) as advance:
        done = archiving.clear(asked.slices, asked.stores, asked.now, dry_run, advance)
    rows = [{"slice": str(slice_), **cleared._asdict(), "dry_run": dry_run} for slice_, cleared in done.items()]
    _emit(rows, asked.as_json, each, ("cleared", "left"))
    for slice_, cleared in done.items():
        if cleared.why_left:
            notify(f"{slice_}: {cleared.why_left}")
    refusals = [cleared.refused for cleared in done.values() if cleared.refused]
    for refusal in refusals:
        notify(refusal)
    if refusals:
        raise SliceNotVerified(f"not cleared: {len(refusals)} of {_slices(done)}; first do what is said above")
    if not done:
        _notify_none(asked.only_closed, bool(asked.slices))
        return
    deleted = sum(cleared.cleared for cleared in done.values())
    notify(
        f"{_slices(done)}: {counted(deleted, 'row')} "
        + ("would be deleted" if dry_run else "deleted from the hot store")
    )


def _by_rule(asked: _Asked, rules: Rules) -> _Asked:
    """Those slices that a rule may clear now; says which of the verified ones are left out."""
    allowed, reasons = clearable(asked.slices, asked.stores, rules, asked.now, asked.as_of)
    held = asked.stores.hot.counts(reasons)
    for slice_, why in reasons.items():
        if held[slice_]:
            notify(f"{slice_} is not cleared: {why}")
    return asked._replace(slices=allowed)


def _slices(done: dict[ArchiveSlice, Any]) -> str:
    return counted(len(done), "slice")


def _notify_none(only_closed: bool, any_asked: bool) -> None:
    if only_closed:
        notify("no slice with rows is closed; `assess slices` shows why each one is open")
    else:
        notify(
            "there are no rows in these slices" if any_asked else "there are no slices yet; run `assess ingest` first"
        )
