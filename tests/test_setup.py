"""`make setup` installs locked packages with their hashes, with or without uv, and prints what it does."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with only the programs that the target needs, without uv."""
    for name in ("bash", "sh", "grep", "sed", "touch", "python3", "make"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    return tmp_path


def setup_commands(tools: Path) -> str:
    """The commands that `make setup` would run."""
    env = {"PATH": str(tools), "HOME": os.environ["HOME"]}
    command = ["make", "-n", "-B", "setup", "PYTHON=python3"]
    return subprocess.run(command, check=True, cwd=ROOT, env=env, capture_output=True, text=True).stdout


def test_without_uv_pip_installs_the_locked_packages(tools: Path) -> None:
    commands = setup_commands(tools)
    assert ".venv/bin/pip install --disable-pip-version-check" in commands
    assert "--require-hashes -r requirements.lock" in commands
    assert "--quiet" not in commands


def test_with_uv_uv_installs_the_locked_packages(tools: Path) -> None:
    (tools / "uv").write_text("#!/bin/sh\necho uv 0.13.9\n")
    (tools / "uv").chmod(0o755)
    commands = setup_commands(tools)
    assert (
        "uv pip install --compile-bytecode --python .venv/bin/python --require-hashes -r requirements.lock" in commands
    )
    assert "bin/pip install" not in commands


def test_pip_is_used_if_uv_does_not_run(tools: Path) -> None:
    (tools / "uv").write_text("#!/bin/sh\nexit 1\n")
    (tools / "uv").chmod(0o755)
    assert ".venv/bin/pip install" in setup_commands(tools)


def test_setup_prints_what_it_does_and_the_next_command(tools: Path) -> None:
    commands = setup_commands(tools)
    assert "packages into .venv" in commands
    assert ". .venv/bin/activate" in commands


@pytest.mark.xdist_group("a group")
def test_the_tests_of_a_group_run_in_one_worker(worker_id: str, request: pytest.FixtureRequest) -> None:
    """pytest-xdist groups tests by an ending of their id. Without it, each worker starts the servers of each group."""
    if worker_id == "master":
        pytest.skip("one process runs all tests")
    assert request.node.nodeid.endswith("@a group")
