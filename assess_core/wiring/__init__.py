"""Opens the stores that the settings name. Only this module chooses adapters, by the scheme of the URL."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from assess_core.domain.report_formats import Format
from assess_core.domain.report_jobs import Rules as RequestRules
from assess_core.domain.retention import Rules
from assess_core.domain.schedules import Schedules
from assess_core.errors import BadSettings
from assess_core.ports.erasures import Besides, Keys
from assess_core.ports.facts import Facts, NoFacts
from assess_core.ports.hot_store import HotStore, Schema
from assess_core.ports.lake import Lake
from assess_core.ports.links import Links
from assess_core.ports.log import EventFiles, Log, Notify, Positions
from assess_core.ports.meter import Meter, Meters
from assess_core.ports.reports import Exhausts, ReportOutput, WeeklyTable
from assess_core.ports.requests import Requests
from assess_core.ports.stores import Stores
from assess_core.ports.tokens import Tokens
from assess_core.privacy import hidden
from assess_core.settings import Settings
from assess_core.wiring.names import open_names
from assess_core.wiring.notify import open_notifier
from assess_core.wiring.places import S3, clock, folder, location, reports_at, servers_extra

if TYPE_CHECKING:
    from assess_core.adapters.files.outputs import MemoryOutput
    from assess_core.ports.ledger import Ledger
    from assess_core.usecases.folding import Checks
    from assess_core.usecases.queries import Queries
    from assess_core.usecases.report_work import Work
    from assess_core.usecases.requesting import Requesting
    from assess_core.usecases.sealing import NewTicket


def open_stores(settings: Settings, *, only_reads: bool = False) -> Stores:
    """Open every store that the settings name; `only_reads` as in `open_hot`.

    Raises `BadSettings`, `StoreUnavailable`, `NotOurTable`.
    """
    hot, positions = open_hot(settings, only_reads=only_reads)
    stores = stores_of(hot, open_log(settings, positions), open_lake(settings), open_exhausts(settings))
    return stores._replace(names=open_names(settings), keys=open_keys(settings))


def open_keys(settings: Settings) -> Keys:
    """The ring of keys of orders to erase learners. Nothing is read yet."""
    from assess_core.adapters.files.erasure_keys import KeyFile

    return KeyFile(Path(settings.erasure_keys or settings.home / "erasure.keys"))


def open_besides(settings: Settings, env: Mapping[str, str], *, only_reads: bool = False) -> Besides:
    """What can mention learners besides the stores; Dagster's storage is where this environment says."""
    from assess_core.adapters.dagster.storage import DagsterStorage

    folders = [Path(named)] if (named := env.get("DAGSTER_HOME")) else []
    return Besides(open_requests(settings, only_reads=only_reads), DagsterStorage(*folders, settings.home / "dagster"))


def stores_of(hot: HotStore, log: Log, lake: Lake, exhausts: Exhausts) -> Stores:
    """Combine stores that were opened separately, and add the union of hot store and lake."""
    from assess_core.adapters.duckdb.unions import DuckUnions

    return Stores(hot, log, lake, DuckUnions(hot, lake), exhausts)


def open_hot(settings: Settings, *, only_reads: bool = False) -> tuple[HotStore, Positions]:
    """Open the hot store and the positions in it. The stream needs no lake, so it runs while the lake is unavailable.

    If the caller only reads, an embedded store that does not exist is empty, and is not made.
    Raises `BadSettings`, `StoreUnavailable`, `NotOurTable`.
    """
    if not is_embedded(settings):
        with servers_extra("ASSESS_HOT_STORE"):
            from assess_core.adapters.cassandra.hot_store import CassandraHot

        keyspace = CassandraHot(settings.hot_store)
        return keyspace, keyspace
    if only_reads and _is_missing(settings):
        from assess_core.adapters.memory import MemoryHot

        memory = MemoryHot(shards=1)
        return memory, memory
    from assess_core.adapters.sqlite.hot_store import SqliteHot

    file = SqliteHot(settings.hot_store)
    return file, file


def start_lake_threads() -> None:
    """Start the threads of the lake's library now, with the priority of the current thread."""
    from assess_core.adapters.lake.learner_rows import start_threads

    start_threads()


def open_lake(settings: Settings) -> Lake:
    """Open the lake without the hot store, so that it can be verified while the hot store is unavailable.

    Raises `BadSettings`.
    """
    from assess_core.adapters.lake.delta import DeltaLake

    if settings.memory is not None:
        from assess_core.adapters.duckdb.memory import BUDGET, for_duckdb

        BUDGET.resize(for_duckdb(settings.memory))
    return DeltaLake(location("ASSESS_LAKE", settings.lake))


def hot_schema(settings: Settings) -> Schema:
    """The tables of the hot store, without opening it. Raises `BadSettings`."""
    if not is_embedded(settings):
        with servers_extra("ASSESS_HOT_STORE"):
            from assess_core.adapters.cassandra.schema import CassandraSchema

        return CassandraSchema(settings.hot_store)
    from assess_core.adapters.sqlite.schema import SqliteSchema

    return SqliteSchema(settings.hot_store)


def _is_missing(settings: Settings) -> bool:
    from assess_core.adapters.sqlite.url import parse_sqlite_url

    return not parse_sqlite_url(settings.hot_store).path.exists()


def is_embedded(settings: Settings) -> bool:
    """Whether the hot store is a file of this machine. Raises `BadSettings`."""
    return _hot_scheme(settings) == "sqlite"


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

    return DeltaWeekly(location("ASSESS_LAKE", settings.lake).within("weekly_activity"))


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
    return reports_at("ASSESS_EXHAUSTS", settings.exhausts)


def open_output(text: str, format: Format | None) -> ReportOutput:
    """The output that `--output` names, for a report of this format. Raises `BadSettings`, `ReportFailed`."""
    from assess_core.adapters.files.outputs import open_output as opened

    return opened(text, format)


def memory_output() -> "MemoryOutput":
    """An output in memory, for a report that a client waits for."""
    from assess_core.adapters.files.outputs import MemoryOutput

    return MemoryOutput()


def open_log(settings: Settings, positions: Positions) -> Log:
    """The log that the stream follows. A folder needs `positions`, Kafka stores its own. Raises `BadSettings`."""
    if settings.log.startswith("kafka://"):
        with servers_extra("ASSESS_LOG"):
            from assess_core.adapters.kafka.log import KafkaLog

        return KafkaLog(settings.log)
    from assess_core.adapters.files.log import FolderLog

    return FolderLog(folder("ASSESS_LOG", settings.log), positions)


def open_files(paths: Iterable[str], notify: Notify) -> EventFiles:
    """The event files and folders that a user named. Raises `BadLog`."""
    from assess_core.adapters.files.named_files import NamedFiles

    return NamedFiles(paths, notify)


def open_facts(where: str, notify: Notify) -> Facts | None:
    """Facts about courses, assessments and batches; None if `where` is empty.

    `notify` gets a message if a changed file cannot be read. Raises `BadFacts`, `BadSettings`, `StoreUnavailable`.
    """
    if not where:
        return None
    if where.startswith("cassandra://"):
        with servers_extra("ASSESS_FACTS"):
            from assess_core.adapters.cassandra.facts import CassandraFacts

        return CassandraFacts(where)
    if "://" in where:
        raise BadSettings(
            f"ASSESS_FACTS: {hidden(where)!r} is not a source of facts; use a file or cassandra://HOST/KEYSPACE"
        )
    from assess_core.adapters.files.facts import FactsFile

    return FactsFile(Path(where), notify)


def read_schedules(settings: Settings) -> Schedules | None:
    """The scheduled reports; None if the settings name no file. Raises `BadSettings` if it cannot be read."""
    from assess_core.adapters.files.schedules import read_schedules as read

    return read(Path(settings.schedules)) if settings.schedules else None


def read_retention(settings: Settings) -> Rules | None:
    """The rules of retention; None if the settings name no file. Raises `BadSettings` if one cannot be used."""
    from assess_core.adapters.files.retention import read_retention as read

    return read(Path(settings.retention)) if settings.retention else None


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
    return Checks(known or NoFacts(), question_count, open_keys(settings))


def open_queries(settings: Settings, *, only_reads: bool = False) -> "Queries":
    """Queries over the stores that the settings name, with this machine's clock; `only_reads` as in `open_hot`."""
    from assess_core.usecases.queries import Queries

    return Queries(open_stores(settings, only_reads=only_reads), settings.grace, clock)


def open_requests(settings: Settings, *, only_reads: bool = False) -> Requests:
    """The store of requests for reports, in the hot store; `only_reads` and errors as in `open_hot`."""
    if not is_embedded(settings):
        with servers_extra("ASSESS_HOT_STORE"):
            from assess_core.adapters.cassandra.report_requests import CassandraRequests

        return CassandraRequests(settings.hot_store)
    if only_reads and _is_missing(settings):
        from assess_core.adapters.memory_requests import MemoryRequests

        return MemoryRequests()
    from assess_core.adapters.sqlite.report_requests import SqliteRequests

    return SqliteRequests(settings.hot_store)


def open_requesting(settings: Settings, *, only_reads: bool = False) -> "Requesting":
    """The use cases of requests for reports, with this machine's clock; `only_reads` and errors as in `open_hot`."""
    from assess_core.usecases.requesting import Requesting

    requests = open_requests(settings, only_reads=only_reads)
    return Requesting(requests, open_links(settings), request_rules(settings), clock)


def open_work(settings: Settings, stores: Stores | None = None) -> "Work":
    """What a worker of requests needs, with stores that are open already or not. Raises the errors of `open_stores`."""
    from assess_core.usecases.report_work import Work, report_writer

    if settings.request_tickets and settings.names:
        raise BadSettings(
            "ASSESS_REQUEST_TICKETS: a ticket does not keep names, and ASSESS_NAMES is set; leave one of the two out"
        )
    stores, rules = stores or open_stores(settings), request_rules(settings)
    ticket = new_ticket(settings) if settings.request_tickets else None
    writer = report_writer(stores, open_meter(settings), ticket)
    return Work(open_requests(settings), stores.exhausts, writer, rules, clock, open_notifier(settings))


def new_ticket(settings: Settings) -> "NewTicket":
    """The wish for a ticket that is kept as long as the settings say."""
    from assess_core.usecases.sealing import NewTicket

    return NewTicket(settings.keep_tickets, clock)


def open_links(settings: Settings) -> Links:
    """Links to reports: of the bucket if they are in one, otherwise of the API. Raises `BadSettings`."""
    name, text = "ASSESS_EXHAUSTS", settings.exhausts
    if text.startswith(S3):
        with servers_extra(name):
            from assess_core.adapters.s3.bucket import Bucket, BucketLinks

        return BucketLinks(Bucket.of(name, text))
    from assess_core.adapters.files.links import SignedLinks

    return SignedLinks(settings.home)


def open_meter(settings: Settings) -> Meter:
    """Where processes record what `/metrics` shows: a file in the home folder. Nothing is recorded without a folder."""
    from assess_core.adapters.metrics.shared import SharedMeter

    return SharedMeter(settings.home / "metrics.sqlite")


def open_meters(settings: Settings) -> Meters:
    """The meters of a process that shows metrics."""
    from assess_core.adapters.metrics.exposition import exposition
    from assess_core.adapters.metrics.memory import MemoryMeter

    return Meters(MemoryMeter(), open_meter(settings), exposition)


def serve_metrics(address: str) -> Meter:
    """Serve the metrics of this process at `HOST:PORT`; returns where they are recorded. Raises `BadSettings`."""
    from assess_core.adapters.metrics.server import serve

    return serve(address)


def request_rules(settings: Settings) -> RequestRules:
    """The limits of requests that the settings name."""
    return RequestRules(
        batches_a_day=settings.channel_batches,
        bytes_a_day=settings.channel_bytes,
        keep_files=settings.keep_reports,
        notices=bool(settings.notify),
    )
