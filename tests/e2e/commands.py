"""The command line as a process with its own home folder, and the oracle's tables in the format of its output."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import boto3
import msgspec

from assess_core.settings import Settings
from tests import oracle
from tests.forked import Forked

ROOT: Final = Path(__file__).parents[2]
ASSESS: Final = ["-m", "assess_cli"]
_END: Final = "\x1e\n"
"""Ends the output of each of several commands."""
_IN_SEQUENCE: Final = f"""
import json, sys
from assess_cli import main
for words in json.loads(sys.argv[1]):
    if code := main(words, standalone_mode=False):
        sys.exit(code)
    print(end={_END!r}, flush=True)
"""
_JSON: Final = msgspec.json.Decoder()
LATER: Final = ("--closed", "--as-of", "2099-01-01")
"""All slices."""


class Commands:
    """`assess` with a home folder. The commands run in processes of their own, in `folder`.

    `servers` are the variables for servers. Without them everything is embedded.
    """

    def __init__(self, folder: Path, servers: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.home = folder / "home"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSESS_")}
        self.env = {**inherited, "PYTHONPATH": str(ROOT), **(servers or {})}

    @property
    def settings(self) -> Settings:
        """The environment of the commands."""
        return Settings.from_env(self.env, str(self.home))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command whose output is read after its end."""
        return self._popen([*ASSESS, "--home", str(self.home), *arguments])

    def run(self, *arguments: str) -> str:
        """Standard output of a command that must succeed."""
        return _output(self.start(*arguments), " ".join(arguments))

    def run_all(self, commands: Iterable[Sequence[str]]) -> list[str]:
        """The output of each of several commands in one process, because a start takes longer than most commands."""
        words = json.dumps([["--home", str(self.home), *command] for command in commands])
        return _output(self._popen(["-c", _IN_SEQUENCE, words]), words).split(_END)[:-1]

    def _popen(self, command: Sequence[str]) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        return Forked(command, cwd=self.folder, env=self.env, stdout=pipe, stderr=pipe, text=True, encoding="utf-8")

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def table(self, name: str, *options: str) -> list[dict[str, Any]]:
        return _rows(self.run(*_printing(name), *options))

    def put_away(self) -> list[list[dict[str, Any]]]:
        """Archive, verify and clear all slices. Returns the JSON that each command printed."""
        steps = [(command, *LATER, "--json") for command in ("archive", "verify", "clear")]
        return [json.loads(printed) for printed in self.run_all(steps)]

    def reports(self, batches: Sequence[str]) -> dict[tuple[str, str], bytes]:
        """The bytes of both reports of each batch."""
        wanted = [(batch, kind) for batch in batches for kind in ("response", "score")]
        paths = self.run_all(("exhaust", batch, "--report", kind) for batch, kind in wanted)
        return {each: self._read(path.rstrip("\n")) for each, path in zip(wanted, paths, strict=True)}

    def _read(self, url: str) -> bytes:
        """The bytes of a report, which is a file or an S3 object."""
        if not url.startswith("s3://"):
            return Path(url).read_bytes()
        bucket, _, key = url.removeprefix("s3://").partition("/")
        client = boto3.client(
            "s3",
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            region_name=self.env["AWS_REGION"],
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
            verify=self.env.get("AWS_CA_BUNDLE"),
        )
        found: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return found

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """The tables that housekeeping must not change."""
        names = ("attempts", "summaries", "activity", "failed")
        return dict(zip(names, map(_rows, self.run_all(map(_printing, names))), strict=True))


def _printing(table: str) -> Sequence[str]:
    """The command that prints a table."""
    return "table", table, "--format", "jsonl"


def _rows(printed: str) -> list[dict[str, Any]]:
    return _JSON.decode_lines(printed)  # the tables of a log have megabytes


def _output(started: "subprocess.Popen[str]", what: str) -> str:
    with started as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, f"assess {what} exited with {process.returncode}: {err}"
    return out


def iso(at: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def printed(wanted: dict[str, Any], corrections: Sequence[dict[str, Any]] = ()) -> dict[str, list[dict[str, Any]]]:
    """The oracle's tables as `assess table` must print them, without columns that the oracle does not know."""
    attempts = [
        {
            **dict(zip(("user_id", "course_id", "batch_id", "content_id", "attempt_id"), key, strict=True)),
            **{name: newest[name] for name in ("content_hash", "total_score", "total_max_score", "grand_total")},
            "year": _week(newest["received_at"])[0],
            "week": _week(newest["received_at"])[1],
            "last_attempted_on": iso(newest["last_attempted_on"]),
            "created_on": iso(newest["received_at"]),
            "updated_on": iso(newest["received_at"]),
            "question": [
                {**answer, "assess_ts": iso(answer["assess_ts"])} for answer in _JSON.decode(newest["question"])
            ],
        }
        for key, newest in oracle.newest(wanted["attempts"], corrections).items()
    ]
    of_summary: dict[tuple[str, ...], list[tuple[str, dict[str, Any]]]] = {}
    for (user, course, batch, content, attempt), versions in wanted["attempts"].items():
        of_summary.setdefault((user, content, course, batch), []).extend((attempt, version) for version in versions)
    summaries = [
        {
            **dict(zip(("user_id", "assessment_id", "course_id", "batch_id"), key, strict=True)),
            **summary,
            "updated_on": iso(summary["updated_on"]),
            "attempts": [
                {
                    "attempt_id": attempt_id,
                    "last_attempted_on": iso(version["last_attempted_on"]),
                    "content_hash": version["content_hash"],
                    "score": version["total_score"],
                    "max_score": version["total_max_score"],
                    "has_answers": True,
                    "slice": "{}|{:04}-W{:02}".format(key[3], *_week(version["received_at"])),
                    "received_at": iso(version["received_at"]),
                }
                for attempt_id, version in sorted(of_summary[key], key=_place)
            ],
        }
        for key, summary in wanted["summaries"].items()
    ]
    activity = [
        {
            "activity_type": "Course",
            "activity_id": course,
            "user_id": user,
            "context_id": f"cb:{batch}",
            **row,
            "agg_last_updated": {name: iso(at) for name, at in row["agg_last_updated"].items()},
        }
        for (user, course, batch), row in wanted["activity"].items()
    ]
    failed = [
        {"topic": topic, "partition": 0, "offset": offset, "raw": raw.decode("utf-8", "backslashreplace")}
        for topic, offset, raw in wanted["failed"]
    ]
    return {
        "attempts": _by(attempts, "batch_id", "user_id", "course_id", "content_id", "attempt_id"),
        "summaries": _by(summaries, "user_id", "assessment_id", "course_id", "batch_id"),
        "activity": _by(activity, "user_id", "activity_id", "context_id"),
        "failed": _by(failed, "topic", "offset"),
    }


def known_columns(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Printed tables without the messages of failed events, which the oracle does not know."""
    unknown = ("reason", "message", "received_at")
    failed = [{name: row[name] for name in row if name not in unknown} for row in tables["failed"]]
    return tables | {"failed": failed}


def _place(named: tuple[str, dict[str, Any]]) -> tuple[str, int, str]:
    """The place of a version in the map of its summary."""
    attempt_id, version = named
    return attempt_id, version["last_attempted_on"], version["content_hash"]


def _week(at: int) -> tuple[int, int]:
    year, week, _ = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).isocalendar()
    return year, week


def _by(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: [row[name] for name in names])
