"""The shape of the code: who may import whom, and what every module owes its reader."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "assess_core": {"assess_core"},
    "stream": {"assess_core", "stream"},
    "assess_assets": {"assess_core", "assess_assets"},
    "graphql_api": {"assess_core", "graphql_api"},
}
PRODUCT = sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))
CODE = ("deploy", "tests", "benchmarks")
ALL_CODE = [*PRODUCT, *sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))]
STORES, CLI = ROOT / "assess_core" / "stores", ROOT / "assess_core" / "cli"
PLAIN = {"msgspec"}  # what the core may lean on anywhere: values, no driver
CLI_LIBRARIES = {"click", "packaging", "rich"}
READS_THE_ENVIRONMENT = {  # where a process starts, and settings are made from the environment
    "assess_core/cli/__init__.py",
    "assess_core/cli/about.py",
    "assess_core/cli/demo.py",
    "assess_core/cli/serve.py",
    "assess_assets/resources.py",
    "graphql_api/__main__.py",
    "stream/__main__.py",
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def by_name(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=name)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def nodes_at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below this one, but for what stands under `if TYPE_CHECKING`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not _only_for_types(child):
            yield from nodes_at_run_time(child)


def imported(path: Path) -> set[str]:
    """The full names of the modules that a file imports, in functions too."""
    found: set[str] = set()
    for node in nodes_at_run_time(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: write the module's full name instead of a relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


@by_name(PRODUCT)
def test_packages_import_only_inward(path: Path) -> None:
    crossed = (packages(imported(path)) & MAY_IMPORT.keys()) - MAY_IMPORT[path.relative_to(ROOT).parts[0]]
    assert not crossed, f"{name(path)} may not import {sorted(crossed)}"


@by_name([path for path in PRODUCT if path.is_relative_to(ROOT / "assess_core") and not path.is_relative_to(STORES)])
def test_the_core_imports_no_driver_outside_its_stores(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "assess_core", *PLAIN, *(CLI_LIBRARIES if path.is_relative_to(CLI) else ())}
    foreign = packages(imported(path)) - allowed
    assert not foreign, f"{name(path)} may not import {sorted(foreign)}: put it behind a port, in assess_core/stores"


@by_name([path for path in PRODUCT if path.is_relative_to(ROOT / "assess_core") and not path.is_relative_to(CLI)])
def test_the_core_does_not_know_its_command_line(path: Path) -> None:
    modules = imported(path) if path.name != "__main__.py" else set()
    assert not any(module.startswith("assess_core.cli") for module in modules), name(path)


@by_name([path for path in PRODUCT if path.is_relative_to(ROOT / "assess_core")])
def test_only_wiring_chooses_adapters(path: Path) -> None:
    if path.is_relative_to(STORES) or path.name == "wiring.py":
        return
    adapters = {f"assess_core.stores.{adapter}" for adapter in ("memory", "sqlite", "delta", "s3", "exhausts")}
    chosen = imported(path) & adapters
    assert not chosen, f"{name(path)} imports {sorted(chosen)}: ask wiring.open_stores"


@by_name(ALL_CODE)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{name(path)} has {lines} lines; split it where two things meet"


@by_name(ALL_CODE)
def test_no_module_is_named_after_nothing(path: Path) -> None:
    assert not {"utils", "util", "helpers", "common", "misc"} & set(path.relative_to(ROOT).with_suffix("").parts)


@by_name(PRODUCT)
def test_the_environment_is_read_where_a_process_starts_and_nowhere_else(path: Path) -> None:
    reads = any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("os", "environ"), ("os", "getenv"), ("os", "environb")}
        for node in ast.walk(tree(path))
    )
    assert not reads or name(path) in READS_THE_ENVIRONMENT, f"{name(path)}: take Settings instead"


@by_name(PRODUCT)
def test_the_environment_is_not_read_at_import(path: Path) -> None:
    at_import = [node for statement in tree(path).body for node in _outside_functions(statement)]
    assert not any(isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} for node in at_import)


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _outside_functions(child)


@by_name(PRODUCT)
def test_every_module_and_every_public_name_says_what_it_is(path: Path) -> None:
    module = tree(path)
    assert ast.get_docstring(module) or not module.body, f"{name(path)} has no docstring"
    public = [
        node
        for node in module.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    silent = [node.name for node in public if not ast.get_docstring(node)]
    assert not silent, f"{name(path)}: {', '.join(silent)} say nothing of themselves"


@by_name(ALL_CODE)
def test_nothing_is_left_to_do_later(path: Path) -> None:
    later = [mark for mark in ("TO" + "DO", "FIX" + "ME", "XX" + "X") if mark in path.read_text(encoding="utf-8")]
    assert not later, f"{name(path)}: do it, or file it"


def test_the_test_finds_the_code() -> None:
    assert {name(path).partition("/")[0] for path in PRODUCT} == MAY_IMPORT.keys()
