"""The contract of every meter, and the file that processes share."""

import socket
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from assess_core.adapters.metrics.exposition import exposition
from assess_core.adapters.metrics.memory import MemoryMeter
from assess_core.adapters.metrics.server import serve
from assess_core.adapters.metrics.shared import SharedMeter
from assess_core.domain.measures import EVENTS, FOLD_SECONDS, HOT_ROWS, MEASURES, SUM, Cell, Sample, bucket
from assess_core.errors import BadSettings
from assess_core.ports.meter import Meter

STORED = Cell("assess_events", ("stored",))


@pytest.fixture(params=["memory", "shared"])
def meter(request: pytest.FixtureRequest, tmp_path: Path) -> Meter:
    return MemoryMeter() if request.param == "memory" else SharedMeter(tmp_path / "metrics.sqlite")


def test_samples_of_a_counter_are_added_and_the_last_one_of_a_gauge_counts(meter: Meter) -> None:
    assert meter.numbers() == {}
    meter.record(Sample(EVENTS, 2, ("stored",)), Sample(EVENTS, 1, ("failed",)), Sample(HOT_ROWS, 7))
    meter.record(Sample(EVENTS, 3, ("stored",)), Sample(HOT_ROWS, 4))
    assert meter.numbers() == {STORED: 5, Cell("assess_events", ("failed",)): 1, Cell("assess_hot_rows", ()): 4}


def test_samples_of_a_histogram_are_counted_by_size(meter: Meter) -> None:
    for seconds in (0.1, 0.2, 0.3, 7200):
        meter.record(Sample(FOLD_SECONDS, seconds))
    assert meter.numbers() == {
        Cell("assess_fold_seconds", (), bucket(0.1)): 1,
        Cell("assess_fold_seconds", (), bucket(0.5)): 2,
        Cell("assess_fold_seconds", (), bucket(None)): 1,
        Cell("assess_fold_seconds", (), SUM): pytest.approx(7200.6),
    }


def test_threads_lose_no_sample(meter: Meter) -> None:
    def count() -> None:
        for _ in range(50):
            meter.record(Sample(EVENTS, 1, ("stored",)))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.numbers() == {STORED: 200}


# --- the file that processes share ---


def test_processes_add_to_the_same_numbers(tmp_path: Path) -> None:
    for _ in range(2):  # the second is a process that begins after the first ended
        SharedMeter(tmp_path / "m").record(Sample(EVENTS, 1, ("stored",)), Sample(HOT_ROWS, 7))
    assert SharedMeter(tmp_path / "m").numbers() == {STORED: 2, Cell("assess_hot_rows", ()): 7}


def test_nothing_is_recorded_and_nothing_is_created_without_the_folder(tmp_path: Path) -> None:
    meter = SharedMeter(tmp_path / "home" / "m")
    meter.record(Sample(EVENTS, 1, ("stored",)))
    assert meter.numbers() == {}
    assert not list(tmp_path.iterdir())


def test_samples_that_find_the_file_locked_are_added_with_the_next_ones(tmp_path: Path) -> None:
    meter = SharedMeter(tmp_path / "m")
    meter.record(Sample(EVENTS, 1, ("stored",)))
    other = sqlite3.connect(tmp_path / "m")
    other.execute("BEGIN EXCLUSIVE")
    meter.record(Sample(EVENTS, 2, ("stored",)))
    other.rollback()
    other.close()
    meter.record(Sample(EVENTS, 4, ("stored",)))
    assert meter.numbers() == {STORED: 7}


@pytest.mark.parametrize("damage", [b"not a database at all, " * 50, b""])
def test_a_damaged_file_stops_no_work_and_is_replaced(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "m").write_bytes(damage)
    meter = SharedMeter(tmp_path / "m")
    assert meter.numbers() == {}
    for _ in range(2):
        meter.record(Sample(EVENTS, 1, ("stored",)))
    assert meter.numbers()[STORED] == 2


def test_a_file_that_cannot_be_opened_stops_no_work(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    meter = SharedMeter(tmp_path / "m")
    meter.record(Sample(EVENTS, 1, ("stored",)))
    assert meter.numbers() == {}


# --- the text for Prometheus ---


@pytest.fixture
def families(meter: Meter) -> Callable[[], dict[str, dict[str, float]]]:
    def read() -> dict[str, dict[str, float]]:
        text = exposition([meter.numbers()]).decode()
        return {
            family.name: {f"{s.name}{sorted(s.labels.items())}": s.value for s in family.samples}
            for family in text_string_to_metric_families(text)
        }

    return read


def test_prometheus_reads_every_number_and_the_buckets_are_cumulative(
    meter: Meter, families: Callable[[], dict[str, dict[str, float]]]
) -> None:
    meter.record(Sample(EVENTS, 2, ("stored",)), *(Sample(FOLD_SECONDS, seconds) for seconds in (0.1, 0.3, 7200)))
    found = families()
    assert found["assess_events"] == {"assess_events_total[('outcome', 'stored')]": 2}
    fold = found["assess_fold_seconds"]
    assert fold["assess_fold_seconds_bucket[('le', '0.1')]"] == 1
    assert fold["assess_fold_seconds_bucket[('le', '0.5')]"] == 2
    assert fold["assess_fold_seconds_bucket[('le', '3600.0')]"] == 2
    assert fold["assess_fold_seconds_bucket[('le', '+Inf')]"] == fold["assess_fold_seconds_count[]"] == 3
    assert fold["assess_fold_seconds_sum[]"] == pytest.approx(7200.4)
    assert "process_resident_memory_bytes" in found


def test_no_label_can_hold_an_id() -> None:
    ids = {"user", "learner", "batch", "course", "assessment", "attempt", "request", "slice", "caller"}
    assert not [name for name, measure in MEASURES.items() if ids & set(measure.labels)]


# --- a port of its own ---


def test_a_process_without_an_api_serves_its_numbers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    meter = serve(f"127.0.0.1:{port}")
    meter.record(Sample(EVENTS, 2, ("stored",)))
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    assert 'assess_events_total{outcome="stored"} 2.0' in text


@pytest.mark.parametrize(
    "address", ["", "9464", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "1.2.3.4:9464", "\udcff:1"]
)
def test_an_address_that_cannot_be_used_gives_a_message(address: str) -> None:
    with pytest.raises(BadSettings, match=r"^--metrics"):
        serve(address)
