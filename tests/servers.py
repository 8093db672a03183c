"""Real servers for tests: one instance for the whole run, and instances of a test's own that may be killed.

The instance of the run starts when a test asks first, for all workers of xdist at once, and ends with the run, however
that ends. A server that cannot start here skips the tests that need it, by name; with CI=true it fails them.
"""

import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import urlsplit

import pytest

from deploy.local.processes import running

TOOL: Final = Path(__file__).parents[1] / "deploy" / "local" / "servers"
_PATIENCE: Final = 900.0  # seconds; the first start of all fetches 260 MB


class NotUp(Exception):
    """The tool could not do it; the message is what it said last."""


class S3(NamedTuple):
    """The object store of the run."""

    root: str
    """`s3://BUCKET`: take a prefix of your own below it."""
    env: Mapping[str, str]
    """`AWS_...`, for the environment of a process."""


class Instance:
    """Servers in a folder of their own, that end with a process; `env` is what the tool exports for `assess`."""

    def __init__(self, folder: Path, parent: int) -> None:
        self.folder, self.parent = folder.resolve(), parent
        self.env: dict[str, str] = {}

    def up(self, *names: str, nodes: int | None = None) -> None:
        """Start what does not run: of the servers that are named, or else of those that were started here before.

        Raises `NotUp`.
        """
        names = names or tuple(self._known())
        options = ["--parent", str(self.parent), *(["--nodes", str(nodes)] if nodes else [])]
        self.env = exports(self.tool("up", *names, *options))

    def down(self) -> None:
        """Stop all of them; data and addresses stay."""
        self.tool("down")

    def tool(self, command: str, *arguments: str) -> str:
        """Standard output of a command of the tool at this instance. Raises `NotUp`."""
        # the instance before what follows: nodetool takes all that stands behind its own options
        words = [sys.executable, str(TOOL), command, "--data", str(self.folder), *arguments]
        done = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        if done.returncode:
            raise NotUp(re.split(r"^servers: ", done.stderr, flags=re.MULTILINE)[-1].strip())  # after the progress
        return done.stdout

    def nodetool(self, *words: str, node: int = 1) -> str:
        """What nodetool prints of a node. Raises `NotUp`."""
        return self.tool("nodetool", "--node", str(node), *words)

    def running(self, *names: str) -> list[str]:
        """Those of the servers that run."""
        return [name for name in names if running(self.folder / name) is not None]

    def pid(self, name: str) -> int:
        """The process of a server that runs: `cassandra-1`, `kafka`, `s3`."""
        pid = running(self.folder / name)
        assert pid is not None, f"{name} does not run in {self.folder}"
        return pid

    def kill(self, name: str) -> None:
        """kill -9, and wait until it is gone."""
        process = os.pidfd_open(self.pid(name))
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [])
        finally:
            os.close(process)

    def pause(self, name: str) -> None:
        """It is there and answers nothing any more."""
        os.kill(self.pid(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """It goes on where it was."""
        os.kill(self.pid(name), signal.SIGCONT)

    def _known(self) -> Iterator[str]:
        return (name for name in ("cassandra", "kafka", "s3") if any(self.folder.glob(f"{name}*/pid")))


def exports(printed: str) -> dict[str, str]:
    """The variables that a shell would have after it evaluated these lines."""
    words = [shlex.split(line) for line in printed.splitlines()]
    assert all(len(line) == 2 and line[0] == "export" for line in words), printed
    return {name: value for name, _, value in (line[1].partition("=") for line in words)}


@contextmanager
def instance(folder: Path, *names: str, nodes: int | None = None) -> Iterator[Instance]:
    """Servers of a test's own, of which it may kill what it likes; they end with it, or with this process."""
    own = Instance(folder, os.getpid())
    try:
        up_or_skip(own, *names, nodes=nodes)
        yield own
    finally:
        own.down()
        _drop_data(own.folder)


def up_or_skip(wanted: Instance, *names: str, nodes: int | None = None) -> None:
    """Start servers, or skip the test: with CI=true, fail it."""
    try:
        wanted.up(*names, nodes=nodes)
        return
    except NotUp as error:
        reason = f"no {' and '.join(names)} here: {error}"
    skip_or_fail(reason)


def skip_or_fail(reason: str) -> NoReturn:
    """A test needs what cannot be here: it is skipped, and with CI=true it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason.partition("\n")[0])


def _drop_data(folder: Path) -> None:
    """Keep what the servers said; their data take 40 MB and more each."""
    for data in folder.glob("*/data"):
        shutil.rmtree(data)


# --- the instance of the run ---


class Run:
    """The instance that all workers share; a plugin of pytest, in the workers and in the process that controls them."""

    def __init__(self, config: pytest.Config) -> None:
        given = getattr(config, "workerinput", None)
        self.controls = given is None
        folder = Path(tempfile.gettempdir(), f"assess-servers-{os.getpid()}")
        self.shared: Mapping[str, Any] = given or {"servers": str(folder), "controller": os.getpid()}
        self.instance = Instance(Path(self.shared["servers"]), self.shared["controller"])

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of xdist where the instance is."""
        node.workerinput |= self.shared

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Stop the servers; of a run that failed, what they said is kept."""
        folder = self.instance.folder
        if self.controls and folder.is_dir():
            self.instance.down()
            _drop_data(folder)
            if exitstatus == 0:
                shutil.rmtree(folder)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """A line for each reason to skip, whatever the number of tests that it skips."""
        skipped = [report.longrepr for report in terminalreporter.getreports("skipped")]
        for reason, tests in Counter(text for _, _, text in skipped).items():
            terminalreporter.write_line(f"{reason.removeprefix('Skipped: ')} ({tests} skipped)")
        if self.instance.folder.is_dir():
            terminalreporter.write_line(f"what the servers said is in {self.instance.folder}/*/log")

    def env(self, name: str) -> Mapping[str, str]:
        """What a server of the run exports; started when it is asked for first."""
        up_or_skip(self.instance, name)
        return self.instance.env


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Run(config), "servers of this run")


@pytest.fixture(scope="session")
def servers_of_this_run(pytestconfig: pytest.Config) -> Run:
    """The instance that all tests share; ask for the servers themselves by the fixtures below."""
    run = pytestconfig.pluginmanager.get_plugin("servers of this run")
    assert isinstance(run, Run)
    return run


@pytest.fixture(scope="session")
def cassandra_url(servers_of_this_run: Run) -> str:
    """`cassandra://127.a.b.1:9042`, one node; append a keyspace of your own."""
    parts = urlsplit(servers_of_this_run.env("cassandra")["ASSESS_HOT_STORE"])
    return f"{parts.scheme}://{parts.netloc}"


@pytest.fixture(scope="session")
def kafka_brokers(servers_of_this_run: Run) -> str:
    """`127.a.b.1:9092`; make topics of your own."""
    return urlsplit(servers_of_this_run.env("kafka")["ASSESS_LOG"]).netloc


@pytest.fixture(scope="session")
def s3(servers_of_this_run: Run) -> S3:
    """A bucket, and what leads to it."""
    env = servers_of_this_run.env("s3")
    root = "s3://" + urlsplit(env["ASSESS_LAKE"]).netloc
    return S3(root, {name: value for name, value in env.items() if name.startswith("AWS_")})
