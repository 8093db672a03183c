"""The sidecar of a report says what was read. If something is missing, the report fails or is marked as partial."""

import hashlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.report_formats import ROW_FORMATS, Format, Password, partial_name
from assess_core.domain.report_spec import Report
from assess_core.domain.slices import Unread
from assess_core.errors import ReportFailed, StoreUnavailable
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.exhaust import Exhaust, write_exhaust
from assess_core.wiring import open_output
from tests.factories import RECEIVED, WEEK, version
from tests.forked import Forked
from tests.lakes import asked, keep, move, reports, stores_over
from tests.report_files import PASSWORD, csv_bytes


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """An empty hot store in memory, an empty lake."""
    return stores_over(MemoryHot(), tmp_path)


ROWS = [version(user_id=f"u{number}", received=RECEIVED + number % 2 * WEEK) for number in range(6)]


def sidecar(written: Exhaust) -> dict[str, Any]:
    """The sidecar as it is on disk."""
    assert written.sidecar_path is not None
    found: dict[str, Any] = json.loads(Path(written.sidecar_path).read_text(encoding="utf-8"))
    return found


def archived(stores: Stores, *, cleared: bool) -> None:
    keep(stores.hot, ROWS)
    slices = {row.slice for row in ROWS}
    archive(slices, stores, RECEIVED)
    verify(slices, stores, RECEIVED)
    if cleared:
        clear(slices, stores, RECEIVED)


class BrokenLog:
    """A log that cannot be reached, such as Kafka without a network."""

    def unread(self) -> Unread | None:
        raise StoreUnavailable("Kafka does not answer; try again later")


def without_log(stores: Stores) -> Stores:
    log: Any = BrokenLog()
    return stores._replace(log=log)


# --- contents ---


@pytest.mark.parametrize("format_", ROW_FORMATS)
def test_the_sidecar_names_the_digest_of_the_file_and_of_its_content(format_: Format, stores: Stores) -> None:
    keep(stores.hot, ROWS)

    written = write_exhaust(stores, asked("b1", Report.SCORE, format_))

    found, content = sidecar(written), Path(written.path).read_bytes()
    assert written.sidecar_path == f"{written.path}.json"
    assert (found["file"], found["complete"], found["problems"]) == (f"b1.{format_}", True, [])
    assert (found["rows"], found["attempts"], found["bytes"]) == (6, 6, len(content))
    assert found["sha256"] == hashlib.sha256(content).hexdigest()
    if format_ in (Format.CSV, Format.CSV_GZ, Format.ZIP):
        text = csv_bytes(Path(written.path), format_)
        assert found["content"] == {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    assert found["spec"]["report"] == "score"


def test_an_encrypted_file_has_other_bytes_each_time_and_the_same_content(stores: Stores) -> None:
    keep(stores.hot, ROWS)

    first, second = (
        sidecar(write_exhaust(stores, asked("b1", Report.SCORE, Format.ZIP), password=Password(PASSWORD)))
        for _ in range(2)
    )

    assert first["encrypted"]
    assert first["sha256"] != second["sha256"]
    assert first["content"] == second["content"]
    assert PASSWORD not in json.dumps(first)


@pytest.mark.parametrize("cleared", [False, True])
def test_the_sidecar_names_the_slices_that_were_expected_and_read(cleared: bool, stores: Stores) -> None:
    archived(stores, cleared=cleared)

    found = sidecar(write_exhaust(stores, asked("b1", Report.SCORE)))

    assert (found["slices"]["expected"], found["slices"]["read"]) == (2, 2)
    assert [(one["versions"], one["recorded_versions"], one["lake_rows"]) for one in found["slices"]["each"]] == [
        (3, 3, 3)
    ] * 2
    assert [one["hot_rows"] for one in found["slices"]["each"]] == [0 if cleared else 3] * 2
    assert found["hot_watermark"] == (None if cleared else "2024-02-06T00:01:00.000Z")
    assert found["lake_version"] >= 1


def test_the_sidecar_names_the_events_that_were_not_folded_yet(stores: Stores, tmp_path: Path) -> None:
    keep(stores.hot, ROWS)
    assert sidecar(write_exhaust(stores, asked("b1", Report.SCORE)))["log"] == {"unread": None, "since": None}

    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "events.jsonl").write_text("{}\n", encoding="utf-8")

    assert "events.jsonl" in sidecar(write_exhaust(stores, asked("b1", Report.SCORE)))["log"]["unread"]


def test_a_pipe_has_no_sidecar(stores: Stores, tmp_path: Path) -> None:
    keep(stores.hot, ROWS)
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    written = write_exhaust(stores, asked("b1", Report.SCORE), open_output(str(pipe), None))

    reader.join(20)
    assert written.sidecar_path is None
    assert [written.sidecar.sha256] == [hashlib.sha256(content).hexdigest() for content in read]
    assert list(tmp_path.glob("*.json")) == []


# --- what is missing ---


def lost_file(stores: Stores) -> Path:
    """Damages the file of one week."""
    path = Path(stores.lake.pin().files()[0].url)
    path.write_bytes(path.read_bytes()[:-50])
    return path


def test_with_an_unreadable_file_the_report_fails_or_has_the_rest_and_says_so(stores: Stores) -> None:
    archived(stores, cleared=True)
    lost = lost_file(stores)

    with pytest.raises(ReportFailed, match=lost.name):
        write_exhaust(stores, asked("b1", Report.SCORE))
    assert not list(reports(stores).rglob("*.*"))

    written = write_exhaust(stores, asked("b1", Report.SCORE), allow_partial=True)
    found = sidecar(written)
    assert Path(written.path).name == "b1.partial.csv"
    assert (found["rows"], found["complete"]) == (3, False)
    assert lost.name in found["problems"][0]
    assert "only 0 of 3 versions of slice b1|" in found["problems"][1]
    assert (found["slices"]["expected"], found["slices"]["read"]) == (2, 1)


def test_a_lake_without_rows_that_the_manifest_recorded_fails_the_report(stores: Stores, tmp_path: Path) -> None:
    """As after a restore of only a part of the lake."""
    archived(stores, cleared=True)
    lost = ROWS[::2]
    partial = stores_over(MemoryHot(), tmp_path / "other")
    move(partial.hot, partial.lake, ROWS[1::2])
    for _ in range(2):  # so that the lake's version is not lower
        move(partial.hot, partial.lake, [version(batch_id="b2")])
    partial.lake.record(stores.lake.manifest())

    with pytest.raises(ReportFailed, match=rf"only 0 of 3 versions of slice {lost[0].slice.batch_id}\|.*were read"):
        write_exhaust(partial, asked("b1", Report.SCORE))
    written = write_exhaust(partial, asked("b1", Report.SCORE), allow_partial=True)
    assert (written.rows, written.sidecar.complete) == (3, False)


def test_without_the_log_the_report_fails_or_says_that_the_lag_is_unknown(stores: Stores, tmp_path: Path) -> None:
    keep(stores.hot, ROWS)
    output = open_output(str(tmp_path / "x.csv.gz"), Format.CSV_GZ)

    with pytest.raises(StoreUnavailable, match="Kafka does not answer"):
        write_exhaust(without_log(stores), asked("b1", Report.SCORE))
    written = write_exhaust(without_log(stores), asked("b1", Report.SCORE, Format.CSV_GZ), output, allow_partial=True)

    assert written.path == str(tmp_path / "x.partial.csv.gz")
    [problem] = written.sidecar.problems
    assert problem == "the unread events of the log are unknown: Kafka does not answer; try again later"


def test_a_pipe_gets_no_partial_report(stores: Stores) -> None:
    keep(stores.hot, ROWS)

    with pytest.raises(ReportFailed, match="cannot say that the report is not complete; name a file"):
        write_exhaust(without_log(stores), asked("b1", Report.SCORE), open_output("-", None), allow_partial=True)


def test_with_nothing_missing_a_report_that_may_be_partial_is_complete(stores: Stores) -> None:
    archived(stores, cleared=True)

    written = write_exhaust(stores, asked("b1", Report.SCORE), allow_partial=True)

    assert (Path(written.path).name, written.sidecar.complete) == ("b1.csv", True)


def test_the_name_of_a_partial_file_keeps_its_ending() -> None:
    names = {"b1.csv": "b1.partial.csv", "a.b.csv.gz": "a.b.partial.csv.gz", "report": "report.partial"}
    assert {name: partial_name(name) for name in names} == names


# --- order and crashes ---


def test_the_sidecar_appears_after_the_report(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(stores.hot, ROWS)
    appeared = []
    replace = Path.replace

    def noted(path: Path, target: Path) -> Path:
        appeared.append(target.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", noted)
    write_exhaust(stores, asked("b1", Report.SCORE))

    assert appeared == ["b1.csv", "b1.csv.json"]


@contextmanager
def a_process_that_writes(output: Path, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that stops after a part of the report was written."""
    program = f"""
import sys, time
from assess_core.adapters.files import packing
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report
from assess_core.usecases.exhaust import write_exhaust
from assess_core.wiring import open_output
from pathlib import Path
from tests.factories import version
from tests.lakes import asked, keep, stores_over

def slow(target, chunks, write=packing._write):
    def stopping():
        for number, chunk in enumerate(chunks):
            yield chunk
            print("written", flush=True)
            time.sleep(60)
    write(target, stopping())

packing._write = slow
stores = stores_over(MemoryHot(), Path({str(home)!r}))
keep(stores.hot, [version(user_id=f"u{{number}}") for number in range(50)])
write_exhaust(stores, asked("b1", Report.RESPONSE, Format.ZIP), open_output({str(output)!r}, None))
"""
    with Forked[bytes](["-c", program], stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_process_that_is_killed_while_it_writes_leaves_the_previous_report(tmp_path: Path) -> None:
    output = tmp_path / "out" / "report.zip"
    output.parent.mkdir()
    output.write_text("the previous report")

    with a_process_that_writes(output, tmp_path / "home") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert output.read_text() == "the previous report"
    assert not list(output.parent.glob("*.json"))
    assert all(path.name.startswith(".exhaust-") for path in output.parent.iterdir() if path != output)
