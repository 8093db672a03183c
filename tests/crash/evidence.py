"""The files after a run, read without the product. They must match the manifest, and each file must be explained."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import pyarrow.parquet as pq

from tests.crash.expectations import Bounds, Row, Wrong

_PRIME: Final = 2**256 - 189
_ATTEMPT: Final = ("user_id", "course_id", "batch_id", "content_id", "attempt_id")
_COMMIT: Final = re.compile(r"\d{20}(\.checkpoint(\.\d+\.\d+)?)?\.(json|parquet|crc)|_last_checkpoint")


class Explained(NamedTuple):
    """Files that the kills of a run explain."""

    lake: bool
    """Whether a lake writer was killed or two wrote at the same time. Their unused files remain until a vacuum."""
    temporary: int
    """The number of killed writers of reports and of records. Each can have left a temporary file."""


def check(home: Path, bounds: Bounds, explained: Explained) -> None:
    """Raises `Wrong` if the lake differs from manifest or oracle, or if a file is unexplained."""
    attempts = _Table(home / "lake" / "attempts")
    manifest, scores = _Table(home / "lake" / "archive_manifest"), _Table(home / "lake" / "scores")
    for entry in manifest.rows(manifest.newest):
        _check_entry(entry, attempts)
    _check_scores(list(manifest.rows(manifest.newest)), scores, bounds)
    copies = Counter((row["content_hash"].hex(), row["received"]) for row in attempts.rows(attempts.newest))
    if twice := [copy for copy, times in copies.items() if times > 1]:
        raise Wrong(f"the lake holds {twice[0]} {copies[twice[0]]} times")
    for key, versions in bounds.most_rows.items():
        for version in versions:
            if (version["content_hash"], version["received_at"]) not in copies:
                raise Wrong(f"the lake does not hold {version['content_hash']} of {key}")
    seals = [_Table(home / "lake" / name) for name in ("sealed_entries", "seals")]
    unexplained = list(_unexplained(home, [attempts, manifest, scores, *seals], explained))
    if unexplained:
        raise Wrong(f"the file {unexplained[0]} and {len(unexplained) - 1} more are unexplained")


class _Table:
    """A Delta table, read from its log and files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions: dict[int, frozenset[str]] = {}
        """The files of each version."""
        self.named: set[str] = set()
        files: set[str] = set()
        commits = sorted((folder / "_delta_log").glob("*.json"))
        self.is_cut = bool(commits) and int(commits[0].stem) > 0
        """Whether an erasure has deleted the log's beginning. Then the log begins with a checkpoint."""
        if self.is_cut:
            first, files = self._checkpoint(int(commits[0].stem))
            commits = [commit for commit in commits if int(commit.stem) > first]
            self.versions[first] = frozenset(files)
        for commit in commits:
            for action in map(json.loads, commit.read_text().splitlines()):
                files |= {unquote(action["add"]["path"])} if "add" in action else set()
                files -= {unquote(action["remove"]["path"])} if "remove" in action else set()
                self.named |= files
            self.versions[int(commit.stem)] = frozenset(files)
        self._read: dict[str, list[Row]] = {}

    def _checkpoint(self, least: int) -> tuple[int, set[str]]:
        """The first checkpoint of this version or a later one: its version, and its files."""
        found = sorted((self.folder / "_delta_log").glob("*.checkpoint.parquet"))
        path = next(path for path in found if int(path.name.partition(".")[0]) >= least)
        with pq.ParquetFile(path) as file:
            rows = file.read(["add", "remove"], use_threads=False).to_pylist()
        files = {unquote(row["add"]["path"]) for row in rows if row["add"]}
        self.named |= files | {unquote(row["remove"]["path"]) for row in rows if row["remove"]}
        return int(path.name.partition(".")[0]), files

    @property
    def newest(self) -> int:
        return max(self.versions, default=-1)

    def rows(self, version: int) -> Iterator[Row]:
        """All rows of a table version, with `received` in epoch ms. Raises `FileNotFoundError`."""
        for name in sorted(self.versions.get(version, ())):
            if name not in self._read:
                with pq.ParquetFile(self.folder / name) as file:
                    self._read[name] = [_timed(row) for row in file.read(use_threads=False).to_pylist()]
            yield from self._read[name]


def _timed(row: Row) -> Row:
    at = row.get("updated_on")
    return row if at is None else {**row, "received": round(at.timestamp() * 1000), "week": at.isocalendar()[:2]}


def _check_scores(entries: list[Row], scores: _Table, bounds: Bounds) -> None:
    """Check that kept scores are those of the newest entries, have no answers, and lack nothing that was dropped."""
    rows = list(scores.rows(scores.newest))
    kept = {
        (entry["batch_id"], (entry["year"], entry["week"])): entry["rows"]
        for entry in sorted(entries, key=lambda entry: entry["number"])
        if entry["action"] == "kept"
    }
    found = Counter((row["batch_id"], row["week"]) for row in rows)
    if found != {slice_: count for slice_, count in kept.items() if count}:
        raise Wrong(f"the lake has the scores {dict(found)}, and the manifest says {kept}")
    if answers := [row for row in rows if row["question"] is not None]:
        raise Wrong(f"a kept score has answers: {answers[0]}")
    copies = {(row["content_hash"].hex(), row["received"]) for row in rows}
    for key, versions in bounds.most_scores.items():
        for version in versions:
            if key not in bounds.most_rows and (version["content_hash"], version["received_at"]) not in copies:
                raise Wrong(f"the lake does not have the score of {version['content_hash']} of {key}")


def _check_entry(entry: Row, attempts: _Table) -> None:
    """Check that a manifest entry matches the files of its version."""
    if entry["action"] in ("erased", "kept") or (attempts.is_cut and entry["delta_version"] not in attempts.versions):
        return  # an erased entry precedes its files, and a kept one is about another table
    slice_ = (entry["batch_id"], (entry["year"], entry["week"]))
    try:
        rows = [row for row in attempts.rows(entry["delta_version"]) if (row["batch_id"], row["week"]) == slice_]
    except FileNotFoundError:
        return  # a vacuum has deleted files of this version
    copies = {(row["content_hash"].hex(), row["received"]): row for row in rows}
    digest = sum(int(hashlib.sha256(f"{hash_}@{at}".encode()).hexdigest(), 16) for hash_, at in copies) % _PRIME
    found: dict[str, Any] = {
        "rows": len(rows),
        "versions": len({hash_ for hash_, _ in copies}),
        "attempts": len({tuple(row[name] for name in _ATTEMPT) for row in rows}),
        "digest": f"{digest:064x}",
    }
    recorded = {name: entry[name] for name in found}
    if recorded != found and not entry.get("problem"):
        what = f"{entry['action']} entry of {entry['batch_id']}|{entry['year']}-W{entry['week']:02}"
        raise Wrong(f"the {what} records {recorded} for version {entry['delta_version']}, but its files hold {found}")


def _unexplained(home: Path, tables: list[_Table], explained: Explained) -> Iterator[Path]:
    temporary = 0
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        table = next((table for table in tables if path.is_relative_to(table.folder)), None)
        if table is not None:
            name = str(path.relative_to(table.folder))
            known = name in table.named or _COMMIT.fullmatch(path.name)
            if not known and not explained.lake:
                yield path
        elif path.name.startswith(".exhaust-"):
            temporary += 1
            if temporary > explained.temporary:
                yield path
        elif not re.fullmatch(
            r"hot\.sqlite(-wal|-shm)?|erasure\.keys|metrics\.sqlite(-journal)?|.*\.jsonl|.*-exhaust.*\.csv", path.name
        ) and path.parent.parent.name not in ("exhausts", "register"):
            yield path
