"""`assess erase`: erase learners, and check that nothing of them is stored."""

import os
from contextlib import nullcontext
from pathlib import Path

import click

from assess_cli.learner import learner_option
from assess_cli.output import notify
from assess_core.domain.counts import counted
from assess_core.domain.erasing import Order, parse_receipt, receipt_text
from assess_core.errors import BadErasure, NotErased
from assess_core.messages import printable
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import erasing, erasure_check
from assess_core.wiring import open_besides, open_stores
from assess_core.wiring.places import clock, new_file

_MOST_BYTES = 64 * 1024 * 1024
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@learner_option("learners", multiple=True, metavar="ID", help="A learner. Can be given several times.")
@click.option("--file", "file", type=_FILE, metavar="LIST", help="A file with the id of a learner in each line.")
@click.option("--again", is_flag=True, help="Whoever was erased before and is back, because a backup was restored.")
@click.option("--by", metavar="WHO", help="Who ordered it. The receipt shows it.")
@click.option("--reason", metavar="WHY", help="Why it was ordered. The receipt shows it.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="RECEIPT", help="Write the receipt.")
@click.option("--dry-run", is_flag=True, help="Count what would be erased, and change nothing.")
@click.option("--check", "checked", type=_FILE, metavar="RECEIPT", help="Search everything for the learners.")
@click.pass_obj
def erase(
    settings: Settings,
    learners: tuple[str, ...],
    file: Path | None,
    again: bool,
    by: str | None,
    reason: str | None,
    output: Path | None,
    dry_run: bool,
    checked: Path | None,
) -> None:
    """Erase learners from hot store, lake, tickets, reports and Dagster's storage. It cannot be undone.

    A keyed hash of each id stays, so that no replay, import or backup brings a learner back; keep the file of
    ASSESS_ERASURE_KEYS in your backups. If it is killed, run it again. The receipt goes to standard output, or to
    --output. --check decodes every file, and takes exit code 1 if it finds one of the ids.

    \b
    Examples:
      assess erase --learner U --by 'data protection office' --reason 'letter of 3 May' --dry-run
      assess erase --learner U --by 'data protection office' --reason 'letter of 3 May' --output receipt.json
      assess erase --check receipt.json --learner U
      assess erase --again --by 'data protection office' --reason 'a backup was restored'
    """
    chosen = sorted({*learners, *(_lines(file) if file else ())})
    if bool(chosen) == again:
        raise click.UsageError("name a learner with --learner ID or --file LIST, or use --again alone")
    if checked is not None:
        if by or reason or output or dry_run or again:
            raise click.UsageError("--check goes with --learner and --file alone")
        _check(settings, checked, chosen)
        return
    if not by or not reason:
        raise click.UsageError("an order needs --by WHO and --reason WHY")
    order = Order(by, reason, clock())
    stores = open_stores(settings, only_reads=dry_run)
    besides = open_besides(settings, os.environ, only_reads=dry_run)
    if again and not (chosen := _again(stores)):
        return
    if dry_run:
        for place, count in erasing.count(stores, chosen, order).items():
            click.echo(f"{place}: {count:,}")
        notify("nothing was changed")
        return
    with nullcontext() if output is None else new_file(output) as file:  # before: a receipt cannot be made again
        receipt = erasing.erase(stores, besides, chosen, order, reached=lambda step: notify(f"done: {step}"))
        if file is not None:
            file.write_bytes(receipt_text(receipt))
    if output is None:
        click.echo(receipt_text(receipt), nl=False)
    for remaining in receipt.remaining:
        notify(f"not erased from here: {remaining.what}: {remaining.until}")
    notify(f"learners erased: {len(receipt.learners):,}; back up {settings.erasure_keys}, then check with the receipt")


def _again(stores: Stores) -> list[str]:
    found = sorted(erasing.remembered(stores))
    notify(f"learners that were erased before and are stored again: {len(found):,}")
    return found


def _check(settings: Settings, file: Path, learners: list[str]) -> None:
    stores, besides = open_stores(settings), open_besides(settings, os.environ)
    with file.open("rb") as opened:
        receipt = parse_receipt(opened.read(_MOST_BYTES), stores.keys.all())
    searched = 0

    def count(name: str) -> None:
        nonlocal searched
        searched += 1

    found = 0
    for sentence in erasure_check.find(stores, besides, receipt, learners, count):
        click.echo(printable(sentence))
        found += 1
    if found:
        raise NotErased(f"the learners were found in {found:,} of {searched:,} files and tables")
    notify(
        f"{counted(searched, 'file or table was', 'files and tables were')} decoded, and none holds an "
        "id of the learners"
    )


def _lines(file: Path) -> list[str]:
    """The lines of a file. Only a line feed ends a line: an id can contain the other ends that Python knows."""
    with file.open("rb") as opened:
        content = opened.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise BadErasure(f"--file: {str(file)!r} has more than {_MOST_BYTES // 1024**2} MiB; split it")
    try:
        lines = content.decode("utf-8-sig").split("\n")
        return [id_ for line in lines if (id_ := line.strip(" \t\r"))]
    except UnicodeDecodeError:
        raise BadErasure(f"--file: {str(file)!r} is not UTF-8; write an id in each line") from None
