"""`assess import` and `export-archive`: a platform moves in with its old archives, and can move out."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import click
import msgspec

from assess_cli.output import emit_json, emit_rows, notify, progress
from assess_core.domain.archive_files import ArchiveFile
from assess_core.domain.archive_rows import Refusal
from assess_core.domain.counts import counted
from assess_core.domain.report_spec import Versions
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadArchives, ImportIncomplete, is_full
from assess_core.ports.archive_files import ArchiveFiles
from assess_core.settings import Settings
from assess_core.usecases.archiving import require_known
from assess_core.usecases.importing import Counts
from assess_core.wiring import open_stores
from assess_core.wiring.archives import export_archives, open_archives, open_import, open_journal, open_sunbird_table

_MOST_ADDRESS: Final = 4096  # bytes
_NAMED: Final = 20
"""The number of refusals that are printed; `--refused` writes all of them."""


@click.command(name="import")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--cassandra", metavar="URL", help="Also a live table of Sunbird: cassandra://HOST/KEYSPACE, or @FILE with that."
)
@click.option("--copy-to", type=click.Path(path_type=Path), help="The folder for the rows of --cassandra, by week.")
@click.option("--table", default="assessment_aggregator", show_default=True, help="The table of --cassandra.")
@click.option(
    "--rows-per-second",
    type=click.IntRange(1, 1_000_000),
    default=2_000,
    show_default=True,
    help="How fast --cassandra is read.",
)
@click.option("--refused", type=click.Path(path_type=Path), help="Write every refused row or file here, as JSON lines.")
@click.option("--journal", type=click.Path(path_type=Path), help="Remember finished files here, and skip them.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as a JSON object.")
@click.pass_obj
def import_(
    settings: Settings,
    paths: Sequence[str],
    cassandra: str | None,
    copy_to: Path | None,
    table: str,
    rows_per_second: int,
    refused: Path | None,
    journal: Path | None,
    as_json: bool,
) -> None:
    """Import old archives of Sunbird: their rows go to the lake, and scores, balance and reports know them.

    PATH is a .csv or .csv.gz file, a folder with such files in it or in its subfolders, or s3://BUCKET/PREFIX. All
    layouts and times that Sunbird's archivers wrote are read. Weeks come from `updated_on`.

    It is safe to repeat, also after a kill: rows that are known count as `there`, and nothing is written twice. With
    --journal, finished files are not even read again. Rows and files that cannot be read are named, and the others are
    imported; the exit code is then 4.

    --cassandra reads a live table of Sunbird. It copies the table to files in the folder --copy-to and imports them. If
    it is killed, it continues after the last block that is in the folder.

    \b
    Examples:
      assess import archived-data/
      assess import s3://reports/archived-data --journal import.journal
      assess import batch-1-2021-22-1626351011290.csv --refused refused.jsonl --json
      assess import --cassandra cassandra://10.0.0.5/sunbird_courses?protocol=4 --copy-to table/
    """
    if not paths and cassandra is None:
        raise click.UsageError("name files, folders or s3:// URLs, or a table with --cassandra URL")
    if (cassandra is None) != (copy_to is None):
        raise click.UsageError("--cassandra and --copy-to belong together: the rows of the table are copied first")
    stores = open_stores(settings)
    sources = open_archives(paths)
    if cassandra is not None and copy_to is not None:
        live = open_sunbird_table(_address(cassandra), table, rows_per_second)
        with progress("blocks") as advance:
            live.copy_to(copy_to, advance)
        sources += open_archives([str(copy_to)])
    for option, target in (("--refused", refused), ("--journal", journal)):
        _require_other(option, target, sources)
    known = open_journal(journal) if journal else None
    with _refusals(refused) as refuse, progress("files", sum(len(source.files) for source in sources)) as advance:

        def finish(files: Sequence[ArchiveFile]) -> None:
            if known is not None:
                known.add(files)

        run, skipped = open_import(settings, stores, refuse, finish), 0
        for source in sources:
            new = [file for file in source.files if known is None or not known.has(file)]
            skipped += len(source.files) - len(new)
            run.run(source, _counted(new, advance))
    counts = run.counts
    _print(counts, len(run.slices), skipped, as_json)
    if not counts.complete:
        raise ImportIncomplete(_incomplete(counts, refused))


def _require_other(option: str, target: Path | None, sources: Sequence[ArchiveFiles]) -> None:
    """Raise `BadArchives` if a file that will be written is one of the archives."""
    if target is not None and os.path.realpath(target) in {file.url for source in sources for file in source.files}:
        raise BadArchives(f"{option}: {str(target)!r} is one of the archives; name a new file")


def _address(text: str) -> str:
    """The URL of --cassandra, which may be in a file, because other users see the arguments of a process."""
    if not text.startswith("@"):
        return text
    try:
        with Path(text[1:]).open("rb") as file:
            return file.read(_MOST_ADDRESS).decode().strip()
    except (OSError, UnicodeDecodeError):
        raise BadArchives(
            f"--cassandra: the file {text[1:]!r} cannot be read; check its name and permissions"
        ) from None


def _counted(files: Sequence[ArchiveFile], advance: Callable[[], None]) -> Iterator[ArchiveFile]:
    for file in files:
        yield file
        advance()


def _print(counts: Counts, slices: int, skipped: int, as_json: bool) -> None:
    row = {**counts._asdict(), "slices": slices, "skipped_files": skipped}
    if as_json:
        emit_json(row)
    else:
        emit_rows(tuple(row), [row], "table")
    if counts.imported:
        rows, of = counted(counts.imported, "row"), counted(slices, "slice")
        notify(f"{rows} of {of} imported and verified; `assess slices` lists them")


def _incomplete(counts: Counts, refused: Path | None) -> str:
    parts = [counted(number, what) for number, what in ((counts.refused, "row"), (counts.bad_files, "file")) if number]
    where = f"{str(refused)!r} has the reasons" if refused else "--refused FILE writes all reasons"
    return f"{' and '.join(parts)} cannot be imported; the rest is; {where}; correct them and import them again"


def _opened(target: Path) -> BinaryIO:
    try:
        return target.open("wb")
    except OSError as error:
        if is_full(error):
            raise
        raise BadArchives(
            f"--refused: {str(target)!r} cannot be written: {error.strerror}; name a file in a folder that exists"
        ) from error


@contextmanager
def _refusals(target: Path | None) -> Iterator[Callable[[Refusal], None]]:
    """Prints the first refusals, and writes all of them to a file if one is named."""
    count = 0
    file = _opened(target) if target else None

    def refuse(refusal: Refusal) -> None:
        nonlocal count
        count += 1
        if count <= _NAMED:
            line = "" if refusal.line is None else f" line {refusal.line}"
            notify(f"{refusal.file}{line}: {refusal.reason}")
        if file is not None:
            file.write(msgspec.json.encode(refusal._asdict()) + b"\n")

    try:
        yield refuse
    finally:
        if file is not None:
            file.close()
    if count > _NAMED:
        notify(f"... and {count - _NAMED:,} more")


@click.command()
@click.argument("slices", nargs=-1, required=True, metavar="SLICE...")
@click.option("--to", "prefix", required=True, metavar="PREFIX", help="A folder, or s3://BUCKET/PREFIX.")
@click.option(
    "--versions",
    type=click.Choice([versions.value for versions in Versions]),
    default=Versions.NEWEST.value,
    show_default=True,
    help="The newest version of each attempt in the slice, as Sunbird has it, or all of them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list with an object for each slice.")
@click.pass_obj
def export_archive(settings: Settings, slices: Sequence[str], prefix: str, versions: str, as_json: bool) -> None:
    """Write slices as archive files of Sunbird: PREFIX/archived-batches/assessment/BATCH-YEAR-WEEK-TIME.csv.gz.

    The rows come from both tiers, so a slice need not be archived. A file is replaced if it exists. `assess import`
    reads the files back.

    \b
    Examples:
      assess export-archive 'BATCH|2024-W05' --to old-format/
      assess export-archive 'BATCH|2024-W05' 'BATCH|2024-W06' --to s3://reports/old --versions all
    """
    asked = sorted({ArchiveSlice.parse(text) for text in slices})
    stores = open_stores(settings, only_reads=True)
    require_known(asked, stores)
    rows = []
    with progress("slices", len(asked)) as advance:
        for done in export_archives(asked, stores, prefix, Versions(versions)):
            rows.append({**done._asdict(), "slice": str(done.slice)})
            advance()
    if as_json:
        emit_json(rows)
    else:
        emit_rows(tuple(rows[0]), rows, "table")
