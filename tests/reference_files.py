"""What each file of a home folder is: the reference page of files, and the patterns that a real home must match."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NamedTuple


class HomeFile(NamedTuple):
    """A kind of file below the home folder."""

    pattern: str
    """Its path; `*` stands for any text, also with slashes."""
    meaning: str
    copied: str
    """Whether a backup needs it."""


HOME_FILES: Final = (
    HomeFile("hot.sqlite", "the hot store, with the requests, failed events, positions and decisions", "yes"),
    HomeFile("hot.sqlite-*", "what SQLite has not written into the hot store yet", "with the hot store"),
    HomeFile(
        "log/*", "the log of events. The API appends to its own `api-*.jsonl` and begins a new one at 64 MiB", "yes"
    ),
    HomeFile("lake/attempts/*", "archived attempts, as a Delta table", "yes"),
    HomeFile("lake/scores/*", "scores that retention kept without answers, as a Delta table", "yes"),
    HomeFile("lake/archive_manifest/*", "what was archived, verified and cleared, as a Delta table", "yes"),
    HomeFile("lake/imports/*", "which rows of old archives were imported, as a Delta table", "yes"),
    HomeFile("lake/weekly_activity/*", "activity by batch and week, as a Delta table", "no: Dagster computes it"),
    HomeFile("lake/seals/*", "the seals, as a Delta table", "yes"),
    HomeFile("lake/sealed_entries/*", "which entries of the manifest the seals contain, as a Delta table", "yes"),
    HomeFile("lake/register/*/*.json", "decisions: corrections, holds, orders to erase", "yes"),
    HomeFile("lake/tickets/*/ticket.json", "a ticket: the question of a report, and the lake's version", "yes"),
    HomeFile("lake/tickets/*.parquet", "the hot rows that the report of a ticket read", "yes"),
    HomeFile(
        "exhausts/*",
        "reports, with a sidecar `.json` beside each. Those of requests expire",
        "no: ask again",
    ),
    HomeFile("erasure.keys", "the secret keys under which erased learners are remembered", "yes, at another place"),
    HomeFile("link-secret", "the secret of the links to reports", "no: old links end"),
    HomeFile("metrics.sqlite*", "numbers of the stream, runs and commands, which every API shows", "no"),
    HomeFile("dagster/dagster.yaml", "Dagster's settings, written at each start of `assess up`", "no"),
    HomeFile("dagster/workspace.yaml", "where Dagster finds the assets, written at each start of `assess up`", "no"),
    HomeFile("dagster/*", "Dagster's runs, events and schedules", "only for the history of runs"),
    HomeFile("demo/*", "a home folder of its own, which `assess demo` makes", "no"),
    HomeFile("servers/*", "Cassandra, Kafka and S3 of `deploy/local/servers`", "no: they are for trying"),
)


def files() -> Iterator[str]:
    """The lines of the page."""
    yield "`HOME` is `.assess`, or the folder of `--home` or `ASSESS_HOME`. Files have the mode 0600 and folders 0700,"
    yield "so only the user who runs the program can read them. `*` stands for any text, also with slashes.\n"
    yield "| below `HOME` | what it is | in a backup |\n|---|---|---|"
    yield from (f"| `{one.pattern}` | {one.meaning} | {one.copied} |" for one in HOME_FILES)
    yield "\nWith Cassandra, Kafka or S3, the hot store, the log, the lake and the reports are not below `HOME`."
    yield "[Back up](restore.md#back-up) says in which order to copy. Temporary files are in `TMPDIR`."


def unknown(home: Path) -> list[str]:
    """The files below this home folder that the page does not have."""
    found = (path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())
    return sorted(name for name in found if not any(fnmatchcase(name, one.pattern) for one in HOME_FILES))
