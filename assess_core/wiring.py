"""Opens the stores that the settings name. Only this module chooses adapters, by the scheme of the URL."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from assess_core.domain.report_formats import Format
from assess_core.domain.report_jobs import Rules
from assess_core.errors import BadArchives, BadSettings
from assess_core.ports.archive_files import ArchiveFiles
from assess_core.ports.facts import Facts, NoFacts
from assess_core.ports.hot_store import HotStore, Schema
from assess_core.ports.lake import Lake
from assess_core.ports.links import Links
from assess_core.ports.log import EventFiles, Log, Notify, Positions
from assess_core.ports.reports import Exhausts, ReportOutput, WeeklyTable
from assess_core.ports.requests import Requests
from assess_core.ports.stores import Stores
from assess_core.ports.tokens import Tokens
from assess_core.privacy import hidden
from assess_core.settings import Settings

if TYPE_CHECKING:
    from assess_core.adapters.cassandra.archives import SunbirdTable
    from assess_core.adapters.duckdb.location import Location
    from assess_core.adapters.files.journal import Journal
    from assess_core.domain.archive_files import ArchiveFile
    from assess_core.domain.archive_rows import Refusal
    from assess_core.domain.report_spec import Versions
    from assess_core.domain.slices import ArchiveSlice
    from assess_core.ports.ledger import Ledger
    from assess_core.usecases.exporting import Exported
    from assess_core.usecases.folding import Checks
    from assess_core.usecases.importing import Import
    from assess_core.usecases.queries import Queries
    from assess_core.usecases.report_work import Work
    from assess_core.usecases.requesting import Requesting

_S3: Final = "s3://"


def open_stores(settings: Settings) -> Stores:
    """Open every store that the settings name. Raises `BadSettings`, `StoreUnavailable`, `NotOurTable`."""
    hot, positions = open_hot(settings)
    return stores_of(hot, open_log(settings, positions), open_lake(settings), open_exhausts(settings))


def stores_of(hot: HotStore, log: Log, lake: Lake, exhausts: Exhausts) -> Stores:
    """Combine stores that were opened separately, and add the union of hot store and lake."""
    from assess_core.adapters.duckdb.unions import DuckUnions

    return Stores(hot, log, lake, DuckUnions(hot, lake), exhausts)


def open_hot(settings: Settings) -> tuple[HotStore, Positions]:
    """Open the hot store and the positions in it. The stream needs no lake, so it runs while the lake is unavailable.

    Raises `BadSettings`, `StoreUnavailable`, `NotOurTable`.
    """
    scheme = _hot_scheme(settings)
    if scheme == "cassandra":
        with _servers_extra("ASSESS_HOT_STORE"):
            from assess_core.adapters.cassandra.hot_store import CassandraHot

        keyspace = CassandraHot(settings.hot_store)
        return keyspace, keyspace
    from assess_core.adapters.sqlite.hot_store import SqliteHot

    file = SqliteHot(settings.hot_store)
    return file, file


def open_lake(settings: Settings) -> Lake:
    """Open the lake without the hot store, so that it can be verified while the hot store is unavailable.

    Raises `BadSettings`.
    """
    from assess_core.adapters.lake.delta import DeltaLake

    if settings.memory is not None:
        from assess_core.adapters.duckdb.memory import BUDGET, for_duckdb

        BUDGET.resize(for_duckdb(settings.memory))
    return DeltaLake(_location("ASSESS_LAKE", settings.lake))


def hot_schema(settings: Settings) -> Schema:
    """The tables of the hot store, without opening it. Raises `BadSettings`."""
    if _hot_scheme(settings) == "cassandra":
        with _servers_extra("ASSESS_HOT_STORE"):
            from assess_core.adapters.cassandra.schema import CassandraSchema

        return CassandraSchema(settings.hot_store)
    from assess_core.adapters.sqlite.schema import SqliteSchema

    return SqliteSchema(settings.hot_store)


def _hot_scheme(settings: Settings) -> str:
    scheme = settings.hot_store.partition("://")[0] if "://" in settings.hot_store else ""
    if scheme not in ("sqlite", "cassandra"):
        # only the scheme is shown, because the rest of the URL can contain a password
        raise BadSettings(
            f"ASSESS_HOT_STORE: {scheme!r} is not a store; write sqlite:///PATH or cassandra://HOST/KEYSPACE"
        )
    return scheme


def open_ledger(batch_ids: Collection[str] = ()) -> AbstractContextManager["Ledger"]:
    """A ledger for the balance sheets of these batches; of all batches if none is given. Raises `StoreUnavailable`."""
    from assess_core.adapters.duckdb.ledger import open_ledger as opened

    return opened(batch_ids)


def empty_hot() -> HotStore:
    """An empty hot store in memory, from which rows can be archived."""
    from assess_core.adapters.memory import MemoryHot

    return MemoryHot(shards=1)


def open_weekly(settings: Settings) -> WeeklyTable:
    """The table of weekly activity, which is stored beside the other tables of the lake. Raises `BadSettings`."""
    from assess_core.adapters.lake.weekly import DeltaWeekly

    return DeltaWeekly(_location("ASSESS_LAKE", settings.lake).within("weekly_activity"))


def attempt_columns() -> list[tuple[str, str]]:
    """Name and Arrow type of each column of the lake's `attempts`."""
    from assess_core.adapters.arrow.rows import LAKE_SCHEMA

    return [(field.name, str(field.type)) for field in LAKE_SCHEMA]


def weekly_columns() -> list[tuple[str, str]]:
    """Name and Arrow type of each column of the table of weekly activity."""
    from assess_core.adapters.lake.weekly import WEEKLY_SCHEMA

    return [(field.name, str(field.type)) for field in WEEKLY_SCHEMA]


def open_exhausts(settings: Settings) -> Exhausts:
    """The folder or bucket for reports. Raises `BadSettings`."""
    return _reports("ASSESS_EXHAUSTS", settings.exhausts)


def _reports(name: str, text: str) -> Exhausts:
    if text.startswith(_S3):
        with _servers_extra(name):
            from assess_core.adapters.s3.bucket import Bucket, BucketExhausts

        return BucketExhausts(Bucket.of(name, text))
    from assess_core.adapters.files.exhausts import FolderExhausts

    return FolderExhausts(_folder(name, text))


def open_output(text: str, format: Format | None) -> ReportOutput:
    """The output that `--output` names, for a report of this format. Raises `BadSettings`, `ReportFailed`."""
    from assess_core.adapters.files.outputs import open_output as opened

    return opened(text, format)


def open_log(settings: Settings, positions: Positions) -> Log:
    """The log that the stream follows. A folder needs `positions`, Kafka stores its own. Raises `BadSettings`."""
    if settings.log.startswith("kafka://"):
        with _servers_extra("ASSESS_LOG"):
            from assess_core.adapters.kafka.log import KafkaLog

        return KafkaLog(settings.log)
    from assess_core.adapters.files.log import FolderLog

    return FolderLog(_folder("ASSESS_LOG", settings.log), positions)


def open_files(paths: Iterable[str], notify: Notify) -> EventFiles:
    """The event files and folders that a user named. Raises `BadLog`."""
    from assess_core.adapters.files.named_files import NamedFiles

    return NamedFiles(paths, notify)


def open_archives(paths: Sequence[str]) -> list[ArchiveFiles]:
    """Old archives that a user named: files, folders, and s3:// URLs. Raises `BadArchives`, `StoreUnavailable`."""
    from assess_core.adapters.files.archive_paths import ArchivePaths

    opened: list[ArchiveFiles] = []
    local = [path for path in paths if "://" not in path]
    if local:
        opened.append(ArchivePaths(local))
    for url in (path for path in paths if "://" in path):
        if not url.startswith(_S3):
            raise BadArchives(f"{hidden(url)!r} cannot be read; name a file, a folder or s3://BUCKET/PREFIX")
        with _servers_extra(url):
            from assess_core.adapters.s3.archives import BucketArchives
            from assess_core.adapters.s3.bucket import Bucket
        opened.append(BucketArchives(Bucket.of("PATH", url)))
    return opened


def open_sunbird_table(url: str, table: str, rows_per_second: int) -> "SunbirdTable":
    """A live table of Sunbird. Raises `BadArchives`, `BadSettings`, `StoreUnavailable`."""
    if not url.startswith("cassandra://"):
        raise BadSettings(f"--cassandra: {hidden(url)!r} is not an address; write cassandra://HOST/KEYSPACE")
    with _servers_extra("--cassandra"):
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

    return Import(stores, to_batch, _now(), settings.grace, refused=refused, finished=finished)


def open_facts(where: str, notify: Notify) -> Facts | None:
    """Facts about courses, assessments and batches; None if `where` is empty.

    `notify` gets a message if a changed file cannot be read. Raises `BadFacts`, `BadSettings`, `StoreUnavailable`.
    """
    if not where:
        return None
    if where.startswith("cassandra://"):
        with _servers_extra("ASSESS_FACTS"):
            from assess_core.adapters.cassandra.facts import CassandraFacts

        return CassandraFacts(where)
    if "://" in where:
        raise BadSettings(
            f"ASSESS_FACTS: {hidden(where)!r} is not a source of facts; use a file or cassandra://HOST/KEYSPACE"
        )
    from assess_core.adapters.files.facts import FactsFile

    return FactsFile(Path(where), notify)


def open_tokens(settings: Settings, notify: Notify) -> Tokens | None:
    """The verification of the API's tokens; None if no keys are set, which lets every client do everything.

    `notify` gets a message if the keys cannot be read now, or later. Raises `BadSettings`.
    """
    if not settings.api.keys and not settings.api.secret:
        return None
    from assess_core.adapters.tokens.opening import open_tokens as opened

    return opened(settings.api, notify)


def days_left(certificate: str) -> int:
    """The days until a certificate expires; negative if it has. Raises `BadSettings`."""
    from assess_core.adapters.tokens.certificates import days_left as read

    return read(certificate)


def open_checks(settings: Settings, facts: Path | None, question_count: bool, notify: Notify) -> "Checks":
    """The checks of events against facts, from the file `facts` if given, else from the settings.

    Raises `BadFacts`, `BadSettings`, `StoreUnavailable`.
    """
    from assess_core.usecases.folding import Checks

    known = open_facts(str(facts) if facts else settings.facts, notify)
    if question_count and known is None:
        raise BadSettings("--check-question-count needs facts; add --facts FILE")
    return Checks(known or NoFacts(), question_count)


def open_queries(settings: Settings) -> "Queries":
    """Queries over the stores that the settings name, with this machine's clock. Raises the errors of `open_stores`."""
    from assess_core.usecases.queries import Queries

    return Queries(open_stores(settings), settings.grace, _now)


def open_requests(settings: Settings) -> Requests:
    """The store of requests for reports, in the hot store. Raises the errors of `open_hot`."""
    if _hot_scheme(settings) == "cassandra":
        with _servers_extra("ASSESS_HOT_STORE"):
            from assess_core.adapters.cassandra.report_requests import CassandraRequests

        return CassandraRequests(settings.hot_store)
    from assess_core.adapters.sqlite.report_requests import SqliteRequests

    return SqliteRequests(settings.hot_store)


def open_requesting(settings: Settings) -> "Requesting":
    """The use cases of requests for reports, with this machine's clock. Raises the errors of `open_hot`."""
    from assess_core.usecases.requesting import Requesting

    return Requesting(open_requests(settings), open_links(settings), request_rules(settings), _now)


def open_work(settings: Settings, stores: Stores | None = None) -> "Work":
    """What a worker of requests needs, with stores that are open already or not. Raises the errors of `open_stores`."""
    from assess_core.usecases.report_work import Work, report_writer

    stores, rules = stores or open_stores(settings), request_rules(settings)
    return Work(open_requests(settings), stores.exhausts, report_writer(stores), rules, _now)


def export_archives(
    slices: Sequence["ArchiveSlice"], stores: Stores, prefix: str, versions: "Versions"
) -> "Iterator[Exported]":
    """Write slices as archive files of Sunbird below a folder or an s3:// URL. Raises `BadSettings`."""
    from assess_core.adapters.files.packing import write_packed
    from assess_core.usecases.exporting import export_slices

    target = _reports("--to", prefix)
    pack = partial(write_packed, format=Format.CSV_GZ, member="")
    return export_slices(slices, stores, target, pack, versions)


def open_links(settings: Settings) -> Links:
    """Links to reports: of the bucket if they are in one, otherwise of the API. Raises `BadSettings`."""
    name, text = "ASSESS_EXHAUSTS", settings.exhausts
    if text.startswith(_S3):
        with _servers_extra(name):
            from assess_core.adapters.s3.bucket import Bucket, BucketLinks

        return BucketLinks(Bucket.of(name, text))
    from assess_core.adapters.files.links import SignedLinks

    return SignedLinks(settings.home)


def request_rules(settings: Settings) -> Rules:
    """The limits of requests that the settings name."""
    return Rules(
        batches_a_day=settings.channel_batches,
        bytes_a_day=settings.channel_bytes,
        keep_files=settings.keep_reports,
    )


def _now() -> int:
    return time.time_ns() // 1_000_000


def _location(name: str, text: str) -> "Location":
    if text.startswith(_S3):
        with _servers_extra(name):
            from assess_core.adapters.s3.bucket import Bucket

        return Bucket.of(name, text)
    from assess_core.adapters.lake.locations import Folder

    return Folder.of(name, _folder(name, text))


@contextmanager
def _servers_extra(name: str) -> Iterator[None]:
    """Raise `BadSettings` if a package for servers is not installed: these packages are an optional extra."""
    try:
        yield
    except ImportError as error:
        raise BadSettings(
            f"{name}: {error.name} is not installed; pip install 'assessment-lakehouse[servers]'"
        ) from error


def _folder(name: str, text: str) -> Path:
    if "://" in text:
        other = " or s3://BUCKET/PREFIX" if name in ("ASSESS_LAKE", "ASSESS_EXHAUSTS", "--to") else ""
        raise BadSettings(f"{name}: {text!r} is not a path; use a folder{other}")
    return Path(text).absolute()
