"""The private names of Dagster that the code uses, and the release that they were tried with."""

from importlib.metadata import version
from pathlib import Path

from assess_assets import dagster_internals

ROOT = Path(__file__).parents[2]
PACKAGES = ("assess_assets", "assess_cli", "assess_core", "benchmarks", "deploy", "graphql_api", "stream", "tests")
UNPUBLISHED = "dagster" + "._"


def test_the_private_names_of_dagster_were_tried_with_the_installed_release() -> None:
    assert version("dagster") == dagster_internals.TRIED_WITH, (
        "Dagster was upgraded. Run tests/assets; if all pass, set TRIED_WITH in assess_assets/dagster_internals.py"
    )


def test_private_names_of_dagster_are_imported_in_one_module_of_the_product_and_one_of_the_tests() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]

    users = {str(path.relative_to(ROOT)) for path in files if UNPUBLISHED in path.read_text(encoding="utf-8")}

    assert users == {"assess_assets/dagster_internals.py", "tests/assets/dagster_internals.py"}
