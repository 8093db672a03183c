"""The structure of the code: the imports that each layer may have, and rules for every module.

Each test checks one rule over all files and lists every offender.
"""

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.xdist_group("architecture")  # one worker parses the files, once

ROOT = Path(__file__).parents[1]
CORE = ROOT / "assess_core"
SHELLS = ("assess_cli", "stream", "assess_assets", "graphql_api")
PRODUCT = sorted(path for package in ("assess_core", *SHELLS) for path in (ROOT / package).rglob("*.py"))
ALL_CODE = [
    *PRODUCT,
    *sorted(path for folder in ("deploy", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")),
]

LAYERS = {  # layer of assess_core -> the other layers of assess_core that it may import
    "domain": {"errors"},
    "ports": {"domain", "errors"},
    "usecases": {"domain", "ports", "errors", "chunks", "retrying"},
    "adapters": {"domain", "ports", "errors", "chunks", "settings", "privacy", "retrying"},
    "settings": {"domain", "errors"},
    "wiring": {"domain", "ports", "usecases", "adapters", "settings", "privacy", "errors"},
    "errors": set(),
    "faults": set(),
    "privacy": set(),
    "chunks": set(),
    "messages": set(),
    "tracing": {"errors"},
    "retrying": set(),
}
SHELL_LIBRARIES = {"click", "rich"}
VALUES = {"msgspec"}  # allowed in every layer, because it defines values and is not a driver
READS_THE_ENVIRONMENT = {  # modules that start a process and create settings from the environment
    "assess_cli/__init__.py",
    "assess_cli/doctor.py",
    "assess_cli/erase.py",
    "assess_cli/ingest.py",
    "assess_cli/settings.py",
    "assess_cli/demo.py",
    "assess_cli/serve.py",
    "assess_assets/resources.py",
    "graphql_api/__main__.py",
    "stream/__main__.py",
}


class Import(NamedTuple):
    """One module that a file imports, at the top or inside a function."""

    module: str
    """The full name, including NAME for `from MODULE import NAME`, because NAME can be a module."""
    line: int
    at_run_time: bool
    """Whether the import is outside `if TYPE_CHECKING`."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def imports(path: Path) -> tuple[Import, ...]:
    return tuple(_imports(tree(path), True))


def _imports(node: ast.AST, at_run_time: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno, at_run_time) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        yield from (Import(f"{module}.{alias.name}", node.lineno, at_run_time) for alias in node.names)
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):  # most nodes are in expressions, which cannot import
            yield from _imports(child, at_run_time and not _only_for_types(child))


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def package(module: str) -> str:
    return module.partition(".")[0]


def layer(module: str) -> str | None:
    """`assess_core.domain.events` -> `domain`; None outside `assess_core`."""
    parts = module.split(".")
    return parts[1] if parts[0] == "assess_core" and len(parts) > 1 else None


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def offending_imports(paths: Iterable[Path], is_wrong: Callable[[Path, Import], bool]) -> list[str]:
    return [
        f"{name(path)}:{found.line} imports {found.module}"
        for path in paths
        for found in imports(path)
        if is_wrong(path, found)
    ]


def in_layer(*layers: str) -> list[Path]:
    return [path for path in PRODUCT if layer(module_of(path)) in layers]


def in_shells() -> list[Path]:
    return [path for path in PRODUCT if package(module_of(path)) in SHELLS]


# --- imports ---


def test_a_layer_of_the_core_imports_only_the_layers_below_it() -> None:
    def is_wrong(path: Path, found: Import) -> bool:
        own, other = layer(module_of(path)), layer(found.module)
        return own in LAYERS and other is not None and other != own and other not in LAYERS[own]

    assert not offending_imports([path for path in PRODUCT if layer(module_of(path))], is_wrong)


def test_the_core_imports_no_shell() -> None:
    paths = [path for path in PRODUCT if path.is_relative_to(CORE)]
    assert not offending_imports(paths, lambda _path, found: package(found.module) in SHELLS)


def test_no_shell_imports_another_shell() -> None:
    def is_wrong(path: Path, found: Import) -> bool:
        return package(found.module) in SHELLS and package(found.module) != package(module_of(path))

    assert not offending_imports(in_shells(), is_wrong)


def test_no_shell_imports_an_adapter() -> None:
    assert not offending_imports(in_shells(), lambda _path, found: layer(found.module) == "adapters")


def test_rules_ports_and_use_cases_import_no_driver() -> None:
    allowed = {*sys.stdlib_module_names, "assess_core", *VALUES}
    paths = in_layer("domain", "ports", "usecases", "errors", "settings", "wiring", "chunks")
    assert not offending_imports(paths, lambda _path, found: found.at_run_time and package(found.module) not in allowed)


def test_no_adapter_imports_the_adapter_of_another_server() -> None:
    servers = {"cassandra", "kafka", "sqlite"}

    def is_wrong(path: Path, found: Import) -> bool:
        own = module_of(path).split(".")[2:3]
        other = found.module.split(".")[2:3] if layer(found.module) == "adapters" else []
        return bool(other) and other != own and other[0] in servers

    assert not offending_imports(in_layer("adapters"), is_wrong)


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {module_of(path).removesuffix(".__init__"): path for path in PRODUCT}

    def owner(found: Import) -> str | None:
        return next((text for text in (found.module, found.module.rpartition(".")[0]) if text in modules), None)

    arrows = {
        module: {other for found in imports(path) if (other := owner(found)) and other != module}
        for module, path in modules.items()
    }
    while free := [module for module, others in arrows.items() if not others & arrows.keys()]:
        for module in free:
            del arrows[module]
    # the rest is in a circle, or imports a module of one
    circles = {
        module
        for module, others in arrows.items()
        if any(module in arrows[other] for other in others if other in arrows)
    }
    assert not arrows, f"in a circle, or importing a module of one: {sorted(circles or arrows)}"


def test_click_and_rich_are_imported_only_for_the_command_line() -> None:
    def is_wrong(path: Path, found: Import) -> bool:
        library, shell = package(found.module), package(module_of(path))
        if shell == "assess_cli" or library not in SHELL_LIBRARIES:
            return False
        return (library, path.name) != ("click", "__main__.py") and (library, shell) != ("rich", "stream")

    assert not offending_imports(PRODUCT, is_wrong)


def test_only_an_adapter_reads_the_requirements_of_packages() -> None:
    def is_wrong(path: Path, found: Import) -> bool:
        return package(found.module) == "packaging" and layer(module_of(path)) != "adapters"

    assert not offending_imports(PRODUCT, is_wrong)


def test_imports_are_absolute() -> None:
    assert not offending_imports(PRODUCT, lambda _path, found: found.module.startswith("."))


# --- rules for every module ---


def test_no_file_has_more_than_400_lines() -> None:
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in ALL_CODE}
    assert not {path: count for path, count in lines.items() if count > 400}, "split the file"


def test_no_module_has_a_vague_name() -> None:
    vague = {"utils", "util", "helpers", "common", "misc"}
    assert not [name(path) for path in ALL_CODE if vague & set(path.relative_to(ROOT).with_suffix("").parts)]


def test_the_environment_is_read_only_where_a_process_starts() -> None:
    def reads(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (node.value.id, node.attr) in {("os", "environ"), ("os", "getenv"), ("os", "environb")}
        )

    offenders = {name(path) for path in PRODUCT if any(map(reads, ast.walk(tree(path))))}
    assert not offenders - READS_THE_ENVIRONMENT, "use Settings instead"


def test_the_environment_is_not_read_at_import() -> None:
    assert not [
        f"{name(path)}:{node.lineno}"
        for path in PRODUCT
        for statement in tree(path).body
        for node in _outside_functions(statement)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    ]


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _outside_functions(child)


def test_every_module_has_a_docstring() -> None:
    assert not [name(path) for path in PRODUCT if tree(path).body and not ast.get_docstring(tree(path))]


def test_every_public_function_and_class_has_a_docstring() -> None:
    assert not [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in PRODUCT
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]


def test_no_file_has_a_mark_for_later_work() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    assert not [name(path) for path in ALL_CODE if any(mark in path.read_text(encoding="utf-8") for mark in marks)]


def test_the_tests_of_this_file_find_the_code() -> None:
    assert {name(path).partition("/")[0] for path in PRODUCT} == {"assess_core", *SHELLS}
    assert len(ALL_CODE) > len(PRODUCT) > 100
