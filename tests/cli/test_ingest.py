"""`assess ingest` and `assess failed` on the command line."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from assess_cli import main
from assess_core.adapters.files.log_files import ENDINGS
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.events import MAX_EVENT_BYTES
from assess_core.domain.samples import sample_events
from assess_core.errors import AssessError
from assess_core.ports.log import BATCH_RECORDS
from assess_core.settings import Settings
from stream.__main__ import commands
from tests.factories import event, line, text, without
from tests.forked import Forked
from tests.properties.tables import tables
from tests.stream.processes import PATIENCE, assess, environment, wait_until

COUNTS = ("events", "stored", "repeated", "recomputed", "failed", "superseded")


def run(settings: Settings, *arguments: str | Path, given: bytes = b"") -> Result:
    """Run a command in this process. `ingest` runs as the stream command that replaces it."""
    command = commands if arguments[0] == "ingest" else main
    return CliRunner().invoke(command, [*map(str, arguments)], input=given, env=environment(settings))


def counts(settings: Settings, *arguments: str | Path, given: bytes = b"") -> tuple[int, ...]:
    """The counts that `ingest --json` prints, in the order of `COUNTS`."""
    done = run(settings, "ingest", "--json", *arguments, given=given)
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed.pop("erased") == 0
    assert tuple(printed) == COUNTS
    return tuple(printed.values())


def messages(settings: Settings, *arguments: str | Path, given: bytes = b"") -> str:
    """The messages of a command that succeeds."""
    done = run(settings, *arguments, given=given)
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    return done.stderr


def error_message(settings: Settings, *arguments: str | Path) -> str:
    """The messages of a command that fails."""
    done = run(settings, *arguments)
    if isinstance(done.exception, AssessError):
        return f"{done.stderr}{done.exception}\n"
    assert done.exit_code == 2, done.output
    return done.stderr.removeprefix("assess: ")


def put(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


# --- the reference data, whose index.md lists the expected results ---


@pytest.fixture
def facts(sunbird: Path, tmp_path: Path) -> Path:
    """Leaf nodes and question counts of the reference data, as a facts file."""
    redis = msgspec.json.decode((sunbird / "stream" / "redis.json").read_bytes())
    contents = {id_: json.loads(text) for id_, text in redis["content_cache_redis_db5"].items()}
    path = tmp_path / "facts.json"
    path.write_bytes(
        msgspec.json.encode(
            {
                "leafNodes": {key.split(":")[0]: ids for key, ids in redis["leafnodes_redis_db10"].items()},
                "questionCounts": {id_: content["totalQuestions"] for id_, content in contents.items()},
            }
        )
    )
    return path


def test_the_nine_reference_events_give_the_documented_counts(settings: Settings, sunbird: Path, facts: Path) -> None:
    names = (
        "BATCH_ASSESS_EVENT", "BATCH_ASSESS__OLDER_EVENT", "BATCH_ASSESS_FAIL_EVENT", "QUESTION_EVENT_RES_VALUES",
        "LATEST_BATCH_ASSESS_EVENT", "BATCH_DUPLICATE_QUESTION_EVENT", "INVALID_CONTENT_ID_EVENT",
        "BATCH_ASSESS_EVENT_WITHOUT_CACHE", "SECOND_ATTEMPT_BATCH_ASSESS_EVENT",
    )  # fmt: skip
    events = [sunbird / "stream" / "events" / f"{name}.json" for name in names]
    done = assess(settings, "ingest", *events, "--facts", facts)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode().splitlines() == [
        "9 events = 8 stored (2 superseded) + 0 repeated + 0 recomputed + 1 failed",
        "`assess failed list` shows why events failed; `assess failed replay` tries them again",
    ]


@pytest.mark.parametrize(
    ("options", "stored", "failed"),
    [
        # one of 15 files is a recompute and one, with its time as text, equals another; 1 and 2 are older than 5
        ((), 13, 0),
        # the content of BATCH_ASSESS_EVENT_WITHOUT_CACHE is not a leaf node of its course
        (("--facts",), 12, 1),
        # DUPLICATE_BATCH_ASSESS_EVENTS_3 answers two questions, but its content has one
        (("--check-question-count", "--facts"), 11, 2),
    ],
)
def test_the_folder_of_reference_events_is_counted(
    settings: Settings, sunbird: Path, facts: Path, options: tuple[str, ...], stored: int, failed: int
) -> None:
    arguments: list[str | Path] = [*options, facts] if options else []
    assert counts(settings, sunbird / "stream" / "events", *arguments) == (15, stored, 1, 1, failed, 2)


# --- counts ---


def test_a_second_ingest_of_a_file_counts_only_repeats(settings: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "events.jsonl", text(event()), text(event(attempt="t2")))
    assert counts(settings, path) == (2, 2, 0, 0, 0, 0)
    assert counts(settings, path) == (2, 0, 2, 0, 0, 0)


def test_standard_input_is_a_log_with_one_event_per_line(settings: Settings) -> None:
    lines = [text(event()), line(event(attempt="t2")), b"", text(event(answers=[])), b'{"cut']
    assert counts(settings, "-", given=b"\n".join(lines)) == (4, 2, 0, 1, 1, 0)
    [failed] = SqliteHot(settings.hot_store).failed()
    assert (failed.topic, failed.offset, failed.raw) == ("-", 5, b'{"cut')


def test_paths_are_relative_to_the_current_folder(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    for name in ("stream", "bytewax"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this is another program')")
    put(tmp_path / "log" / "-e.jsonl", b"nonsense")
    put(tmp_path / "-f.jsonl", b"nonsense")
    # a real start of Python, which looks for modules in this folder first
    words = [sys.executable, "-m", "assess_cli", "ingest", "log", "--", "-f.jsonl"]
    done = subprocess.run(words, cwd=tmp_path, env=environment(settings), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [failed.topic for failed in SqliteHot(settings.hot_store).failed()] == [
        str(tmp_path / "-f.jsonl"),
        str(tmp_path / "log" / "-e.jsonl"),
    ]
    again = assess(settings, "ingest", "./log/-e.jsonl", "./-f.jsonl", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(list(SqliteHot(settings.hot_store).failed())) == 2  # other spellings of the same paths
    shown = assess(settings, "failed", "show", "log/-e.jsonl", "0", "1", cwd=tmp_path)
    assert shown.stdout == b"nonsense"


@pytest.mark.long
def test_several_processes_at_the_same_time_give_the_same_tables_as_one(settings: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "events.jsonl", *sample_events(600))
    command = ["-m", "assess_cli", "ingest", str(path)]
    other = settings._replace(hot_store=f"sqlite:///{tmp_path / 'one.sqlite'}")
    processes = [
        Forked[bytes](command, env=environment(to), stderr=subprocess.DEVNULL) for to in (settings, settings, other)
    ]
    assert [process.wait(PATIENCE) for process in processes] == [0, 0, 0]
    assert tables(SqliteHot(settings.hot_store)) == tables(SqliteHot(other.hot_store))


# --- bad input: a clear message and no loss ---


def test_events_that_cannot_be_decoded_are_counted_as_failed(settings: Settings, tmp_path: Path) -> None:
    cut, wrong = text(event())[:100], text(event(user=5))
    path = put(tmp_path / 'a "b"\n😀.jsonl', b"nonsense", wrong, text(event()), cut)
    assert messages(settings, "ingest", path).splitlines() == [
        "4 events = 1 stored (0 superseded) + 0 repeated + 0 recomputed + 3 failed",
        "`assess failed list` shows why events failed; `assess failed replay` tries them again",
    ]
    failed = list(SqliteHot(settings.hot_store).failed())
    assert [(each.topic, each.offset, each.raw) for each in failed] == [
        (str(path), 1, b"nonsense"),
        (str(path), 2, wrong),
        (str(path), 4, cut),
    ]


def test_an_empty_file_and_an_empty_folder_are_reported(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert messages(settings, "ingest", path, tmp_path / "folder").splitlines() == [
        f"{str(tmp_path / 'folder')!r} has no log file ({ENDINGS}), so there are no events in it",
        f"{str(path)!r} is empty: no events in it",
        "0 events = 0 stored (0 superseded) + 0 repeated + 0 recomputed + 0 failed",
    ]


def test_a_missing_path_stops_before_anything_is_stored(settings: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "events.jsonl", text(event()))
    done = assess(settings, "ingest", path, tmp_path / "missing")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        f"assess: {str(tmp_path / 'missing')!r} cannot be read: No such file or directory; "
        "check its name and permissions\n"
    )
    assert not SqliteHot(settings.hot_store).slices()


def test_a_damaged_file_is_reported_after_the_counts_of_the_files_before_it(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", text(event()))
    put(tmp_path / "b.jsonl.gz", b"no gzip")
    first, second = error_message(settings, "ingest", tmp_path).splitlines()
    assert first == "before the error: 1 event = 1 stored (0 superseded) + 0 repeated + 0 recomputed + 0 failed"
    assert second.startswith(f"{str(tmp_path / 'b.jsonl.gz')!r} is damaged after line 0 (Not a gzipped file")


def test_a_full_disk_gives_a_message_and_a_second_ingest_loses_nothing(settings: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "events.jsonl", *sample_events(300))
    SqliteHot(settings.hot_store)
    command = f'ulimit -f 400; trap "" XFSZ; exec {sys.executable} -m assess_cli ingest {path}'
    done = subprocess.run(["bash", "-c", command], env=environment(settings), capture_output=True, check=False)
    assert done.returncode == 5
    assert done.stderr.decode().splitlines()[-1].startswith("assess: ")
    assert b"Traceback" not in done.stderr
    assert counts(settings, path)[0] == 300


def test_an_event_of_50_mb_fails_and_its_beginning_is_stored(settings: Settings, tmp_path: Path) -> None:
    large = text(event(user="x" * 50_000_000))
    path = put(tmp_path / "events.jsonl", text(event()), large, text(event(attempt="t2")))
    assert counts(settings, path) == (3, 2, 0, 0, 1, 0)
    assert run(settings, "failed", "show", path, "0", "2").stdout_bytes == large[: MAX_EVENT_BYTES + 1]


def test_an_ingest_stops_if_the_facts_cannot_be_read(settings: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "events.jsonl", text(event()))
    assert "check --facts" in error_message(settings, "ingest", path, "--facts", tmp_path / "missing.json")
    assert error_message(settings, "ingest", path, "--check-question-count") == (
        "--check-question-count needs facts; add --facts FILE\n"
    )


@contextmanager
def ingesting(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Runs `assess ingest -` until it has folded its first events and waits for more."""
    hot, pipe = SqliteHot(settings.hot_store), subprocess.PIPE
    command = ["-m", "assess_cli", "ingest", "-"]
    with Forked[bytes](command, env=environment(settings), stdin=pipe, stderr=pipe) as process:
        assert process.stdin
        process.stdin.write(b"".join(sample_events(BATCH_RECORDS)))
        process.stdin.flush()
        wait_until(lambda: bool(hot.slices()))
        yield process


def test_a_kill_of_the_command_also_kills_the_job(settings: Settings) -> None:
    with ingesting(settings) as process:
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL
        assert process.stdin
        with pytest.raises(BrokenPipeError):  # the reader has ended
            os.write(process.stdin.fileno(), b"\n")


def test_an_interrupted_ingest_stops_in_order_and_prints_its_counts(settings: Settings) -> None:
    with ingesting(settings) as process:
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(b"one more line, so that the read returns\n", timeout=PATIENCE)
    assert process.returncode == 1
    # an interrupt while it waits for a line takes effect after that line is folded
    assert re.match("interrupted after 4,00[01] events = 3,760 stored", error.decode())
    assert error.decode().endswith("; run it again to fold the rest: stored events count as repeated\n")


# --- failed events ---


def test_failed_events_are_listed_with_their_reasons(settings: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "events.jsonl", b"nonsense", line(event(attempt=7)))
    run(settings, "ingest", path)
    done = run(settings, "failed", "list", "--format", "jsonl")
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["topic"], first["partition"], first["offset"], first["reason"]) == (str(path), 0, 1, "not_json")
    assert (second["offset"], second["reason"], "attemptId" in second["message"]) == (2, "bad_shape", True)


def test_a_failed_event_is_shown_with_its_exact_bytes(settings: Settings, tmp_path: Path) -> None:
    raw = b"\xff\x00 not utf-8"
    path = put(tmp_path / "events.jsonl", b"", raw)
    run(settings, "ingest", path)
    done = run(settings, "failed", "show", path, "0", "2")
    assert (done.exit_code, done.stdout_bytes) == (0, raw)
    assert error_message(settings, "failed", "show", "other", "0", "2") == (
        "there is no failed event at 'other' 0 2; see `assess failed list`\n"
    )


def test_a_replay_with_new_facts_resolves_the_events_that_they_accept(settings: Settings, tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text('{"leafNodes": {"c1": ["other"]}}')
    path = put(tmp_path / "events.jsonl", text(event()), b"nonsense", text(without(event(), "userId")))
    assert counts(settings, path, "--facts", facts) == (3, 0, 0, 0, 3, 0)
    assert messages(settings, "failed", "replay", "--facts", facts) == "0 resolved, 3 still failed\n"
    facts.write_text('{"leafNodes": {"c1": ["other", "a1"]}}')
    assert messages(settings, "failed", "replay", "--facts", facts) == "1 resolved, 2 still failed\n"
    assert len(run(settings, "failed", "list", "--format", "jsonl").stdout.splitlines()) == 2
    assert counts(settings, path) == (3, 0, 1, 0, 2, 0)


def test_sample_events_can_be_ingested_as_a_log(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert messages(settings, "sample-events", "--events", "100", "--seed", "3", "--output", path) == (
        f"100 events in {str(path)!r}\n"
    )
    assert path.read_bytes() == b"".join(sample_events(100, 3))
    assert run(settings, "sample-events", "--events", "100", "--seed", "3").stdout_bytes == path.read_bytes()
    assert counts(settings, path)[0] == 100
    assert "No such file or directory; name another file" in error_message(
        settings, "sample-events", "--output", tmp_path / "missing" / "events.jsonl"
    )
