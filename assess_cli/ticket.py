"""`assess ticket` and `assess diff`: tickets, with which a report can be printed again."""

from collections.abc import Iterator
from typing import Final

import click
import msgspec

from assess_cli.output import Format, emit_json, emit_rows, format_options, notify
from assess_core.domain.moments import iso
from assess_core.domain.report_formats import Password
from assess_core.domain.ticket_diff import COLUMNS, Change, Difference
from assess_core.domain.tickets import Ticket, parse_id
from assess_core.settings import Settings
from assess_core.usecases import tickets
from assess_core.usecases.tickets import LATEST, Reprint
from assess_core.wiring import open_lake, open_output, open_stores
from assess_core.wiring.places import clock

_LISTED: Final = (
    "id",
    "status",
    "created",
    "expires",
    "report",
    "batches",
    "rows",
    "files_of_lake",
    "bytes",
    "sha256",
    "erased",
)


@click.group()
def ticket() -> None:
    """Tickets of reports: what each report read is kept, so that it can be printed again, byte for byte.

    `assess exhaust --new-ticket` makes one, and `assess exhaust --ticket ID` prints its report again.
    """


@ticket.command("list")
@format_options()
@click.pass_obj
def list_(settings: Settings, format_: Format) -> None:
    """List the tickets of the lake, oldest first.

    `files_of_lake` are the files that the ticket holds: vacuum does not delete them. `bytes` is their size and that of
    the ticket's copy of the hot rows. `erased`: when a learner was erased from its rows; its report then lacks the
    learner.

    \b
    Examples:
      assess ticket list
      assess ticket list --format jsonl
    """
    now = clock()
    emit_rows(_LISTED, (_row(found, now) for found in open_lake(settings).tickets.all()), format_)


@ticket.command()
@click.argument("id_", metavar="TICKET")
@click.pass_obj
def show(settings: Settings, id_: str) -> None:
    """Show a ticket as JSON: the report, its sidecar, and each file with its SHA-256.

    \b
    Example:
      assess ticket show 20261130-0123456789ab
    """
    found, now = open_lake(settings).tickets.read(parse_id(id_)), clock()
    more = {"status": found.state(now), "created": iso(found.created), "expires": iso(found.expires)}
    emit_json({**msgspec.to_builtins(found), **more})


@ticket.command()
@click.argument("ids", metavar="TICKET...", nargs=-1, required=True)
@click.pass_obj
def release(settings: Settings, ids: tuple[str, ...]) -> None:
    """Release tickets. Their copies of hot rows are deleted now, their files of the lake by the next vacuum.

    Their reports cannot be printed again after this. It is safe to repeat.

    \b
    Examples:
      assess ticket release 20261130-0123456789ab
      assess compact --vacuum
    """
    lake, now = open_lake(settings), clock()
    for id_ in ids:
        tickets.release(lake.tickets, id_, now)
        notify(f"ticket {id_} is released")


@click.command()
@click.argument("ticket_", metavar="TICKET")
@click.argument("other", metavar="[latest|TICKET]", default=LATEST)
@format_options()
@click.pass_obj
def diff(settings: Settings, ticket_: str, other: str, format_: Format) -> None:
    """List the attempts of a ticket's report that were added, changed or are gone: now, or in another ticket.

    The filters of the ticket's report apply to both sides. An attempt is changed if its newest version, the receipt of
    this version or the number of its versions is different.

    \b
    Examples:
      assess diff 20261130-0123456789ab
      assess diff 20261130-0123456789ab latest --format csv
    """
    counts = dict.fromkeys(Change, 0)

    def rows(found: Iterator[Difference]) -> Iterator[dict[str, object]]:
        for difference in found:
            counts[difference.change] += 1
            yield difference.row()

    with tickets.compared(open_stores(settings, only_reads=True), ticket_, other, clock()) as found:
        emit_rows(COLUMNS, rows(found), format_)
    notify("attempts " + ", ".join(f"{change}: {count:,}" for change, count in counts.items()))


def print_again(
    settings: Settings, id_: str, output: str | None, password: Password | None, *, allow_different: bool
) -> Reprint:
    """Print the report of a ticket again. Raises the errors of `usecases.tickets.reprint`."""
    stores, now = open_stores(settings, only_reads=True), clock()
    found, _ = tickets.live_ticket(stores.lake.tickets, id_, now)
    target = None if output is None else open_output(output, found.spec.format)
    return tickets.reprint(stores, id_, now, target, password=password, allow_different=allow_different)


def _row(found: Ticket, now: int) -> dict[str, object]:
    return {
        "id": found.id,
        "status": found.state(now).value,
        "created": iso(found.created),
        "expires": iso(found.expires),
        "report": found.spec.report.value,
        "batches": len(found.batches),
        "rows": found.sidecar and found.sidecar.rows,
        "files_of_lake": len(found.lake_files),
        "bytes": found.bytes,
        "sha256": found.sidecar and found.sidecar.sha256,
        "erased": iso(found.erased_at[-1]) if found.erased_at else None,
    }
