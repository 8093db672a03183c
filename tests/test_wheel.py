"""The wheel holds every file that the product reads, and works where there is no checkout."""

import os
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from pathlib import Path
from typing import Final

import pytest

from assess_cli.together import HOST, free_port
from tests.cli.test_together import within

ROOT = Path(__file__).parents[1]
PACKAGES: Final = ("assess_core", "assess_cli", "stream", "assess_assets", "graphql_api")
BESIDE: Final = {"assess_cli/dagster.yaml", "assess_cli/workspace.yaml"}  # in a checkout, they are at the top


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, ROOT], check=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_files_of_the_packages_and_no_others(wheel: Path) -> None:
    files = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if ".dist-info/" not in name}

    assert held == set(files.split()) | BESIDE


@pytest.mark.long
def test_the_commands_and_pages_of_an_installed_wheel_work_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv")
    packages = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))  # ours stays out: its .pth is not read
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(packages)
    python, port = str(tmp_path / "venv" / "bin" / "python"), free_port(0)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    where = "import assess_cli, sys; sys.stdout.write(assess_cli.__file__)"
    found = subprocess.run([python, "-c", where], cwd=tmp_path, env=env, check=True, capture_output=True, text=True)
    assert Path(found.stdout).is_relative_to(packages)

    command = [python, "-m", "assess_cli", "--home", str(tmp_path / "home"), "api", "--port", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, env=env) as process:
        try:
            assert within(60, lambda: pages(port) == {"graphiql": 200, "openapi": 200, "openapi.json": 200})
        finally:
            process.terminate()


def pages(port: int) -> dict[str, int]:
    """The status of pages that read files of the package; empty while the API does not answer."""
    try:
        return {
            name: urllib.request.urlopen(f"http://{HOST}:{port}/{name}", timeout=10).status
            for name in ("graphiql", "openapi", "openapi.json")
        }
    except OSError:
        return {}
