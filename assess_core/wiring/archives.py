"""Opens old archives of Sunbird, for reading and for writing."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from assess_core.domain.report_formats import Format
from assess_core.errors import BadArchives, BadSettings
from assess_core.ports.archive_files import ArchiveFiles
from assess_core.ports.stores import Stores
from assess_core.privacy import hidden
from assess_core.settings import Settings
from assess_core.wiring.places import S3, clock, reports_at, servers_extra

if TYPE_CHECKING:
    from assess_core.adapters.cassandra.archives import SunbirdTable
    from assess_core.adapters.files.journal import Journal
    from assess_core.domain.archive_files import ArchiveFile
    from assess_core.domain.archive_rows import Refusal
    from assess_core.domain.report_spec import Versions
    from assess_core.domain.slices import ArchiveSlice
    from assess_core.usecases.exporting import Exported
    from assess_core.usecases.importing import Import


def open_archives(paths: Sequence[str]) -> list[ArchiveFiles]:
    """Old archives that a user named: files, folders, and s3:// URLs. Raises `BadArchives`, `StoreUnavailable`."""
    from assess_core.adapters.files.archive_paths import ArchivePaths

    opened: list[ArchiveFiles] = []
    local = [path for path in paths if "://" not in path]
    if local:
        opened.append(ArchivePaths(local))
    for url in (path for path in paths if "://" in path):
        if not url.startswith(S3):
            raise BadArchives(f"{hidden(url)!r} cannot be read; name a file, a folder or s3://BUCKET/PREFIX")
        with servers_extra(url):
            from assess_core.adapters.s3.archives import BucketArchives
            from assess_core.adapters.s3.bucket import Bucket
        opened.append(BucketArchives(Bucket.of("PATH", url)))
    return opened


def open_sunbird_table(url: str, table: str, rows_per_second: int) -> "SunbirdTable":
    """A live table of Sunbird. Raises `BadArchives`, `BadSettings`, `StoreUnavailable`."""
    if not url.startswith("cassandra://"):
        raise BadSettings(f"--cassandra: {hidden(url)!r} is not an address; write cassandra://HOST/KEYSPACE")
    with servers_extra("--cassandra"):
        from assess_core.adapters.cassandra.archives import SunbirdTable

    return SunbirdTable(url, table, rows_per_second)


def open_journal(path: Path) -> "Journal":
    """The journal of an import. Raises `BadArchives`."""
    from assess_core.adapters.files.journal import Journal

    return Journal(path)


def open_import(
    settings: Settings,
    stores: Stores,
    refused: Callable[["Refusal"], None],
    finished: Callable[[Sequence["ArchiveFile"]], None],
) -> "Import":
    """An import into these stores, with this machine's clock."""
    from assess_core.adapters.arrow.rows import to_batch
    from assess_core.usecases.importing import Import

    return Import(stores, to_batch, clock(), settings.grace, refused=refused, finished=finished)


def export_archives(
    slices: Sequence["ArchiveSlice"], stores: Stores, prefix: str, versions: "Versions"
) -> "Iterator[Exported]":
    """Write slices as archive files of Sunbird below a folder or an s3:// URL. Raises `BadSettings`."""
    from assess_core.adapters.files.packing import write_packed
    from assess_core.usecases.exporting import export_slices

    target = reports_at("--to", prefix)
    pack = partial(write_packed, format=Format.CSV_GZ, member="")
    return export_slices(slices, stores, target, pack, versions)
