"""The adapter uses some names of cassandra-driver that its documentation does not mention."""

import ast
from pathlib import Path

import cassandra

from assess_core.adapters.cassandra import driver

ADAPTER = Path(driver.__file__).parent
DOCUMENTED = {"cassandra", "cassandra.auth", "cassandra.cluster", "cassandra.policies", "cassandra.query"}


def test_undocumented_names_were_tried_with_the_installed_version() -> None:
    assert cassandra.__version__ == driver.TRIED_WITH, (
        "run tests/adapters/test_cassandra*.py with the new driver; then write its version into "
        "assess_core/adapters/cassandra/driver.py"
    )


def test_only_one_module_imports_undocumented_names() -> None:
    found = {
        (file.name, node.module)
        for file in ADAPTER.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "cassandra"
    }

    assert {file for file, module in found if module not in DOCUMENTED} == {"driver.py"}
