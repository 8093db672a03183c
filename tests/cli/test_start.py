"""The start of a command: it imports only the libraries that it uses, in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

from assess_cli import COMMANDS
from assess_cli.completion import VARIABLE
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from tests.factories import event
from tests.loop import put_away, take

HEAVY = ("numpy", "pyarrow", "deltalake", "duckdb", "dagster", "rich", "tenacity", "asyncio", "packaging", "PIL")
CHEAP = (
    (),
    ("--help",),
    ("completion", "zsh"),
    ("settings",),
    ("score", "--learner", "u1", "--assessment", "a1"),
    ("table", "summaries"),
    ("table", "activity", "--format", "csv"),
    ("table", "failed", "--format", "jsonl"),
    ("schema", "show"),
    ("schema", "check"),
)
_RUN = """
import json, sys
from assess_cli import main
try:
    main(sys.argv[1:], prog_name="assess")
except SystemExit as end:
    code = end.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""
_PLAIN = "from assess_cli import main; main(prog_name='assess')"


@pytest.fixture
def archived(stores: Stores, settings: Settings) -> Settings:
    """A store with an attempt that is archived and cleared, and a failed event."""
    take(stores, event(user="u1"), b"nonsense")
    put_away(stores)
    return settings


def imported_by(settings: Settings, *arguments: str) -> set[str]:
    """The libraries that a successful command imports."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _RUN, *arguments],
        env={**os.environ, **settings.env()},
        capture_output=True,
        text=True,
        check=True,
    )
    code, imported = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return set(imported)


def typed(*arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code and the output of `assess`, in a new process."""
    command = [sys.executable, "-P", "-c", _PLAIN, *arguments]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_without_a_command_the_first_commands_to_type_are_shown() -> None:
    code, printed = typed()

    assert code == 0
    named = {line.split()[1] for line in printed.splitlines() if line.startswith("  assess ")}
    assert len(named) == 3
    assert named <= COMMANDS.keys()


@pytest.mark.parametrize(
    ("wrong", "message"), [("slicse", "did you mean `assess slices`?"), ("zzz", "No such command 'zzz'")]
)
def test_a_misspelled_command_is_answered_with_the_one_that_is_spelled_alike(wrong: str, message: str) -> None:
    code, printed = typed(wrong)

    assert code == 2
    assert message in printed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_a_shell_names_the_variable_that_assess_reads(shell: str) -> None:
    code, printed = typed("completion", shell)

    assert code == 0
    assert f"{VARIABLE}={shell}_complete" in printed


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("assess sl", {"slices"}),
        ("assess request su", {"submit"}),
        ("assess exhaust --repo", {"--report"}),
        ("assess exhaust --report su", {"summary"}),
    ],
)
def test_a_shell_completes_commands_options_and_values(words: str, expected: set[str]) -> None:
    variables = {VARIABLE: "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    _, printed = typed(**variables)

    assert {line.removeprefix("plain,") for line in printed.splitlines()} == expected


@pytest.mark.parametrize("arguments", CHEAP, ids=" ".join)
def test_a_cheap_command_imports_no_library_of_the_lake(archived: Settings, arguments: tuple[str, ...]) -> None:
    assert not set(HEAVY) & imported_by(archived, *arguments)


def test_a_read_of_both_tiers_imports_no_library_that_only_some_reports_need(archived: Settings) -> None:
    assert not {"jinja2", "stream_zip", "Crypto", "PIL"} & imported_by(archived, "table", "attempts")


def test_the_list_of_slices_needs_the_manifest_but_no_query_engine(archived: Settings) -> None:
    assert set(HEAVY) & imported_by(archived, "slices") == {"numpy", "pyarrow", "deltalake"}
