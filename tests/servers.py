"""Real servers for tests: one instance for the whole run, and private instances that a test can kill.

The shared instance starts when the first test needs it, serves all xdist workers, and always ends with the run. If a
server cannot start, the tests that need it are skipped with a reason. With CI=true they fail.
"""

import functools
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import urlsplit

import pytest
from cassandra.cluster import Cluster

from deploy.local.processes import running

TOOL: Final = Path(__file__).parents[1] / "deploy" / "local" / "servers"
# Cassandra flushes its system tables to disk after each statement that changes a schema, so that the schema survives a
# crash. No test kills the shared node, so it saves this work.
_NEVER_KILLED: Final = {"JAVA_TOOL_OPTIONS": "-Dcassandra.unsafesystem=true"}
_PATIENCE: Final = 900.0  # seconds; the very first start downloads 260 MB


class NotUp(Exception):
    """The tool failed. The message is its last output."""


class S3(NamedTuple):
    """The object store of the run."""

    root: str
    """`s3://BUCKET`. Each test uses its own prefix."""
    env: Mapping[str, str]
    """The `AWS_...` variables for a process."""


class Instance:
    """Servers in one folder that end with the process `parent`. `env` holds the variables that the tool exports.

    `variables` are additional variables for the servers.
    """

    def __init__(self, folder: Path, parent: int, variables: Mapping[str, str] | None = None) -> None:
        self.folder, self.parent = folder.resolve(), parent
        self._variables = variables or {}
        self.env: dict[str, str] = {}

    def up(self, *names: str, nodes: int | None = None) -> None:
        """Start the named servers that do not run. Without names, start all servers that ran in this folder before.

        Raises `NotUp`.
        """
        names = names or tuple(self._known())
        options = ["--parent", str(self.parent), *(["--nodes", str(nodes)] if nodes else [])]
        self.env = exports(self.tool("up", *names, *options))

    def down(self) -> None:
        """Stop all servers. Data and addresses stay."""
        self.tool("down")

    def tool(self, command: str, *arguments: str) -> str:
        """Run a command of the tool. Returns its standard output. Raises `NotUp`."""
        # the options of the instance come first, because all arguments after `--node` are for nodetool
        words = [sys.executable, str(TOOL), command, "--data", str(self.folder), *arguments]
        env = {**os.environ, **self._variables}
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        if done.returncode:
            raise NotUp(
                re.split(r"^servers: ", done.stderr, flags=re.MULTILINE)[-1].strip()
            )  # without the progress lines
        return done.stdout

    def nodetool(self, *words: str, node: int = 1) -> str:
        """The output of nodetool for a node. Raises `NotUp`."""
        return self.tool("nodetool", "--node", str(node), *words)

    def running(self, *names: str) -> list[str]:
        """The named servers that run."""
        return [name for name in names if running(self.folder / name) is not None]

    def pid(self, name: str) -> int:
        """The process id of a running server: `cassandra-1`, `kafka`, `s3`."""
        pid = running(self.folder / name)
        assert pid is not None, f"{name} does not run in {self.folder}"
        return pid

    def kill(self, name: str) -> None:
        """Send SIGKILL and wait until the process has ended."""
        process = os.pidfd_open(self.pid(name))
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [])
        finally:
            os.close(process)

    def pause(self, name: str) -> None:
        """Send SIGSTOP, and wait until it does not answer any more. The ports of the process stay open."""
        pause(self.pid(name))

    def resume(self, name: str) -> None:
        """Continue a paused process."""
        os.kill(self.pid(name), signal.SIGCONT)

    def _known(self) -> Iterator[str]:
        return (name for name in ("cassandra", "kafka", "s3") if any(self.folder.glob(f"{name}*/pid")))


def pause(pid: int) -> None:
    """Send SIGSTOP, and wait until all threads of the process have stopped: kill returns while they still run."""
    os.kill(pid, signal.SIGSTOP)
    while not all(_is_stopped(thread) for thread in Path(f"/proc/{pid}/task").iterdir()):
        time.sleep(0.001)


def _is_stopped(thread: Path) -> bool:
    """Whether a thread is stopped by a signal, or has ended."""
    try:
        state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in ("T", "Z", "X")


def exports(printed: str) -> dict[str, str]:
    """The variables that these `export` lines set."""
    words = [shlex.split(line) for line in printed.splitlines()]
    assert all(len(line) == 2 and line[0] == "export" for line in words), printed
    return {name: value for name, _, value in (line[1].partition("=") for line in words)}


@contextmanager
def instance(folder: Path, *names: str, nodes: int | None = None) -> Iterator[Instance]:
    """Servers for one test, which can kill them. They end with the block or with this process."""
    own = Instance(folder, os.getpid())
    try:
        up_or_skip(own, *names, nodes=nodes)
        yield own
    finally:
        own.down()
        _drop_data(own.folder)


def up_or_skip(wanted: Instance, *names: str, nodes: int | None = None) -> None:
    """Start servers. If that fails, skip the test, or fail it if CI=true."""
    require_servers()
    try:
        wanted.up(*names, nodes=nodes)
        return
    except NotUp as error:
        reason = f"no {' and '.join(names)} here: {error}"
    skip_or_fail(reason)


def require_servers() -> None:
    """Skip the test if this run is without servers, as with `make test`."""
    if os.environ.get("TEST_SERVERS") == "none":
        skip_or_fail("needs a server; `make test-all` starts it")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip a test whose requirements are missing, or fail it if CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason.partition("\n")[0])


def _drop_data(folder: Path) -> None:
    """Delete the data (40 MB and more per server) but keep the logs."""
    for data in folder.glob("*/data"):
        shutil.rmtree(data)


# --- the instance of the run ---


class Run:
    """The shared instance. A pytest plugin in the workers and in the process that controls them."""

    def __init__(self, config: pytest.Config) -> None:
        given = getattr(config, "workerinput", None)
        self.controls = given is None
        folder = Path(tempfile.gettempdir(), f"assess-servers-{os.getpid()}")
        self.shared: Mapping[str, Any] = given or {"servers": str(folder), "controller": os.getpid()}
        self.instance = Instance(Path(self.shared["servers"]), self.shared["controller"], _NEVER_KILLED)
        self.killed: Instance | None = None
        """The instance whose servers tests kill, while such tests run."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker of xdist the folder of the instance."""
        node.workerinput |= self.shared

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, nextitem: pytest.Item | None) -> None:
        """Stop the servers that tests kill after the last of these tests: an idle broker needs 7 % of a core."""
        if self.killed is not None and "killed_servers" not in getattr(nextitem, "fixturenames", ()):
            self.killed.down()
            _drop_data(self.killed.folder)
            self.killed = None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Stop the servers. If the run failed, their logs stay."""
        folder = self.instance.folder
        if self.controls and folder.is_dir():
            self.instance.down()
            _drop_data(folder)
            if exitstatus == 0:
                shutil.rmtree(folder)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print each reason to skip with the number of its tests."""
        skipped = [report.longrepr for report in terminalreporter.getreports("skipped")]
        for reason, tests in Counter(text for _, _, text in skipped).items():
            terminalreporter.write_line(f"{reason.removeprefix('Skipped: ')} ({tests} skipped)")
        if self.instance.folder.is_dir():
            terminalreporter.write_line(f"the logs of the servers are in {self.instance.folder}/*/log")

    def env(self, name: str) -> Mapping[str, str]:
        """The variables of a server, which is started at the first request."""
        up_or_skip(self.instance, name)
        return self.instance.env


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Run(config), "servers of this run")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that kill servers in one worker: they share an instance, since a start of Cassandra costs 30 s."""
    for item in items:
        if "killed_servers" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("servers that are killed"))


@pytest.fixture
def killed_servers(servers_of_this_run: "Run", tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """An instance whose servers a test may pause and kill. The fixtures below start what does not run."""
    run = servers_of_this_run
    if run.killed is None:
        run.killed = Instance(tmp_path_factory.mktemp("killed"), os.getpid())
    return run.killed


@pytest.fixture
def killed_cassandra(killed_servers: Instance) -> Instance:
    """A node that the test may pause and kill."""
    up_or_skip(killed_servers, "cassandra")
    return killed_servers


@pytest.fixture
def killed_kafka(killed_servers: Instance) -> Instance:
    """A broker that the test may pause and kill."""
    up_or_skip(killed_servers, "kafka")
    return killed_servers


@pytest.fixture(scope="session")
def servers_of_this_run(pytestconfig: pytest.Config) -> Run:
    """The shared instance. Tests use the fixtures below for single servers."""
    run = pytestconfig.pluginmanager.get_plugin("servers of this run")
    assert isinstance(run, Run)
    return run


@pytest.fixture(scope="session")
def cassandra_url(servers_of_this_run: Run) -> Iterator[str]:
    """The URL of one node, `cassandra://127.a.b.1:9042`. Tests append a keyspace."""
    # Each session reads a table's schema again whenever some test creates it: thousands of times in a run. A session
    # still reads the schema when it connects, and what it creates itself.
    without_events = functools.partial(Cluster, schema_event_refresh_window=-1)
    parts = urlsplit(servers_of_this_run.env("cassandra")["ASSESS_HOT_STORE"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assess_core.adapters.cassandra.session.Cluster", without_events)
        yield f"{parts.scheme}://{parts.netloc}"


@pytest.fixture(scope="session")
def kafka_brokers(servers_of_this_run: Run) -> str:
    """The address of the broker, `127.a.b.1:9092`. Each test creates its own topics."""
    return urlsplit(servers_of_this_run.env("kafka")["ASSESS_LOG"]).netloc


@pytest.fixture(scope="session")
def s3(servers_of_this_run: Run) -> S3:
    """A bucket and its variables."""
    env = servers_of_this_run.env("s3")
    root = "s3://" + urlsplit(env["ASSESS_LAKE"]).netloc
    return S3(root, {name: value for name, value in env.items() if name.startswith("AWS_")})
