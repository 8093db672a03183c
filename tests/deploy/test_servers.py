"""`deploy/local/servers`: it starts servers, prints their variables for a shell, and stops them completely."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from deploy.local.errors import CannotServe
from deploy.local.packages import cached
from tests.servers import TOOL, Instance, exports, instance

pytestmark = pytest.mark.xdist_group("deploy/local")  # one worker starts the servers, once

WAIT = 60.0  # seconds; usually a few are enough


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """S3 alone: it starts in 3 s."""
    with instance(tmp_path_factory.mktemp("light"), "s3") as own:
        yield own


def tool(*words: str | Path, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the tool as a command."""
    command = [sys.executable, str(TOOL), *map(str, words)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)


def bucket(env: Mapping[str, str]) -> Any:
    """An S3 client with only the exported variables."""
    session = boto3.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=env["AWS_REGION"])
    return session.client("s3", endpoint_url=env["AWS_ENDPOINT_URL"])


# --- up ---


def test_standard_output_is_only_for_the_shell(light: Instance) -> None:
    done = tool("up", "s3", "--data", light.folder)
    assert exports(done.stdout) == light.env
    assert all(line.startswith("servers: ") for line in done.stderr.splitlines())


def test_data_and_addresses_survive_down(light: Instance) -> None:
    before = light.env
    bucket(before).put_object(Bucket="assess", Key="kept", Body=b"1")
    light.down()
    assert not light.running("s3")
    light.up()
    assert light.env == before
    assert bucket(before).get_object(Bucket="assess", Key="kept")["Body"].read() == b"1"


# --- up that fails ---


def test_without_java_an_error_says_what_to_install(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    done = tool("up", "--data", tmp_path / "own", env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("servers: Cassandra and Kafka need Java 17, and there is no java in PATH: install it")


def test_another_version_of_java_is_refused(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\" 2023-10-17' >&2\n", encoding="utf-8")
    java.chmod(0o755)
    done = tool("up", "kafka", "--data", tmp_path / "own", env={**os.environ, "JAVA_HOME": str(tmp_path)})
    assert done.returncode == 1
    assert f"need Java 17, and {java} is 21" in done.stderr


def test_without_maven_an_error_says_what_to_install(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\" 2021-10-19' >&2\n", encoding="utf-8")
    java.chmod(0o755)
    done = tool("up", "kafka", "--data", tmp_path / "own", env={"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert done.returncode == 1
    assert "kafka comes from Maven Central, and there is no mvn in PATH: install it" in done.stderr
    assert not list((tmp_path / ".cache" / "assessment-lakehouse").glob("kafka-*[0-9]"))


def test_the_log_of_a_server_that_does_not_start_is_shown_and_the_others_run_on(light: Instance) -> None:
    broken = light.folder / "kafka" / "data"
    broken.mkdir(parents=True)
    (broken / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n", encoding="ascii")
    done = tool("up", "kafka", "s3", "--data", light.folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "servers: kafka ended with exit code 1; the end of its log" in done.stderr
    assert "Stored node id 7 doesn't match" in done.stderr.partition("the end of its log")[2]
    assert light.running("kafka", "s3") == ["s3"], "S3 ran before this call, so the call must not stop it"
    shutil.rmtree(light.folder / "kafka")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_stops_the_servers_that_it_started(tmp_path: Path, number: int) -> None:
    own = Instance(tmp_path / "own", os.getpid())
    command = [sys.executable, str(TOOL), "up", "cassandra", "--data", str(own.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("servers: starting cassandra-1")
        assert own.running("cassandra-1")
        process.send_signal(number)
        out, errors = process.communicate(timeout=WAIT)
    assert (process.returncode, out, errors) == (128 + number, "", "servers: stopped cassandra-1\n")
    assert not own.running("cassandra-1")


# --- down and status ---


def test_status_distinguishes_servers_that_answer_hang_or_are_down(light: Instance) -> None:
    def status() -> tuple[str, int]:
        done = tool("status", "--data", light.folder)
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("s3 ")]
        return line[13:27].strip(), done.returncode

    assert status() == ("up", 0)
    light.pause("s3")
    try:
        assert status() == ("not answering", 1)
    finally:
        light.resume("s3")
    light.kill("s3")
    assert status() == ("down", 1)
    light.up("s3")


def test_a_second_down_does_nothing(tmp_path: Path) -> None:
    with instance(tmp_path / "own", "s3") as own:
        own.down()
        done = tool("down", "--data", own.folder)
        assert (done.returncode, done.stderr) == (0, f"servers: nothing runs in {own.folder}\n")


def test_a_process_that_reused_the_pid_of_a_server_is_not_stopped(tmp_path: Path) -> None:
    with instance(tmp_path / "own", "s3") as own, subprocess.Popen(["sleep", "60"]) as other:
        own.kill("s3")
        (own.folder / "s3" / "pid").write_text(f"{other.pid}\n", encoding="ascii")
        own.down()
        assert other.poll() is None
        assert tool("status", "--data", own.folder).stdout.splitlines()[1].split()[1] == "down"
        other.kill()


def test_a_server_that_hangs_is_stopped_too(light: Instance) -> None:
    light.pause("s3")
    light.down()
    assert not light.running("s3")
    light.up("s3")


@pytest.mark.parametrize("state", ["runs", "was stopped and started again", "hangs"])
def test_servers_stop_when_their_parent_process_is_killed(light: Instance, tmp_path: Path, state: str) -> None:
    assert light.running("s3"), "S3 must be able to run here"
    with subprocess.Popen(["sleep", "60"]) as parent:
        own = Instance(tmp_path / "own", parent.pid)
        own.up("s3")
        if state == "was stopped and started again":
            own.down()
            own.up("s3")
        if state == "hangs":
            own.pause("s3")
        parent.kill()
    until = time.monotonic() + WAIT
    while left := own.running("s3", "watcher"):
        assert time.monotonic() < until, f"{left} still run"
        time.sleep(0.05)


# --- the cache ---


def test_concurrent_starts_download_a_program_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fetched: list[Path] = []

    def fetch(folder: Path) -> None:
        fetched.append(folder)
        time.sleep(0.2)
        (folder / "jar").write_text("whole", encoding="utf-8")

    def want() -> None:
        assert (cached("thing-1", fetch, lambda _: None) / "jar").read_text(encoding="utf-8") == "whole"

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1
    assert sorted(path.name for path in (tmp_path / "assessment-lakehouse").iterdir()) == ["thing-1", "thing-1.lock"]


def test_a_failed_download_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fetch(folder: Path) -> None:
        (folder / "half").touch()
        raise CannotServe("no network")

    with pytest.raises(CannotServe):
        cached("thing-1", fetch, lambda _: None)
    assert [path.name for path in (tmp_path / "assessment-lakehouse").iterdir()] == ["thing-1.lock"]
