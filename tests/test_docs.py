"""The docs match the code: all settings, commands and tables are documented, and all that is documented exists."""

import json
import re
import shlex
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import click
import pytest

from assess_cli import COMMANDS, main
from assess_cli.exhaust import PARTIAL
from assess_core import errors
from assess_core.adapters.sqlite.schema import DEFAULT_SHARDS
from assess_core.domain.reasons import Reason
from assess_core.domain.report_jobs import JobStatus
from assess_core.domain.report_spec import TABLES, Report
from assess_core.domain.retention import parse_rules
from assess_core.domain.schedules import parse_schedules
from assess_core.domain.slice_status import SliceStatus
from assess_core.ports.facts import NoFacts
from assess_core.ports.findings import Level
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import tables
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.folding import Checks, fold
from assess_core.wiring import open_output
from assess_core.wiring.names import open_names
from tests.factories import decoded
from tests.lakes import asked
from tests.reference_pages import all_errors

ROOT = Path(__file__).parents[1]
DOCS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
OPERATIONS, FORMATS = ROOT / "docs" / "operations.md", ROOT / "docs" / "formats.md"
SETTINGS, ERRORS = ROOT / "docs" / "reference-settings.md", ROOT / "docs" / "reference-errors.md"

every_page = pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def rows(page: Path) -> list[list[str]]:
    """The cells of all table rows of a page."""
    lines = (line.replace("\\|", "\0") for line in text(page).splitlines() if line.startswith("|"))
    return [[cell.strip().replace("\0", "|") for cell in line.strip("|").split("|")] for line in lines]


def first_cells(page: Path) -> dict[str, list[str]]:
    """The table rows of a page, by the text in backticks in their first cell."""
    return {found[1]: row for row in rows(page) if (found := re.match(r"`([^`]+)`", row[0]))}


@every_page
def test_no_page_was_committed_in_the_middle_of_a_merge(page: Path) -> None:
    assert not re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", text(page), re.MULTILINE)


# --- all that exists is documented ---


def test_every_setting_is_documented_with_its_default() -> None:
    documented = first_cells(SETTINGS)
    assert documented.keys() == Settings.from_env({}).env().keys()
    assert [documented[name][1] for name in ("ASSESS_HOME", "ASSESS_LAKE", "ASSESS_GRACE", "ASSESS_FACTS")] == [
        "`.assess`", "`HOME/lake`", "`1d`", ""
    ]  # fmt: skip
    assert f"(default {DEFAULT_SHARDS}, " in documented["ASSESS_HOT_STORE"][2]


def test_every_command_is_documented() -> None:
    documented = {name.split()[1] for name in first_cells(OPERATIONS) if name.startswith("assess ")}
    assert documented == set(COMMANDS)


def test_every_error_says_what_happened_and_what_to_do() -> None:
    found = all_errors()
    assert {error.__name__ for error in found} == first_cells(ERRORS).keys() & vars(errors).keys()
    assert not [error.__name__ for error in found if not error.__doc__ or "action" not in vars(error)]


def test_every_exit_code_is_documented() -> None:
    assert errors.EXIT_CODES.keys() == {error.exit_code for error in all_errors()} | {0, PARTIAL}


@pytest.mark.parametrize("values", [Reason, SliceStatus, JobStatus, Level])
def test_every_reason_and_status_is_documented(values: type[StrEnum]) -> None:
    assert set(values) <= first_cells(ERRORS).keys()


@pytest.mark.parametrize("name", list(tables.Name))
def test_every_table_is_documented_with_its_columns(name: tables.Name) -> None:
    columns = re.sub(r" \([^)]*\)", "", first_cells(FORMATS)[name][2]).split(", ")
    assert columns == list(tables.COLUMNS[name])


def test_every_column_of_the_exhausts_is_described(stores: Stores, tmp_path: Path) -> None:
    fold([decoded()], stores.hot, Checks(NoFacts()))
    files = {
        report: Path(write_exhaust(stores, asked("b1", report), output=open_output(str(tmp_path / report), None)).path)
        for report in TABLES
    }
    header = {report: file.read_text(encoding="utf-8").partition("\n")[0].split(",") for report, file in files.items()}
    pairs = [row for row in rows(FORMATS) if len(row) == 4 and row[0] != "column" and "---" not in row[0]]
    assert header[Report.RESPONSE] == [row[0] for row in pairs] + [row[2] for row in pairs]
    score = text(FORMATS).partition("One row per attempt: ")[2].partition(".")[0].replace("\n", " ")
    assert header[Report.SCORE] == re.sub(r" \([^)]*\)", "", score).split(", ")
    of_reports = text(FORMATS).partition("### Response exhaust")[2].partition("## Read API")[0]
    for columns in header.values():
        assert [name for name in columns if not re.search(rf"\b{name}\b", of_reports)] in ([], ["a1 - Score"])


def test_the_sample_event_of_the_formats_is_a_scored_attempt(stores: Stores) -> None:
    sample = json.loads(text(FORMATS).partition("```json\n")[2].partition("```")[0])
    fold([decoded(sample["value"], received=sample["receivedAt"])], stores.hot, Checks(NoFacts()))
    [(_, learner)] = stores.hot.all_learners()
    [entry] = learner.entries
    assert (entry.score, entry.max_score, entry.version.has_answers) == (2, 2, True)


def test_the_examples_of_schedules_rules_and_names_are_valid(tmp_path: Path) -> None:
    schedules = re.findall(r"```toml\n(.*?)```", text(ROOT / "docs" / "schedules.md"), re.DOTALL)
    parsed = [parse_schedules(example.encode(), "schedules.toml") for example in schedules]
    assert [(len(each.entries), each.problems) for each in parsed] == [(2, ())]
    [rules] = re.findall(r"```toml\n(.*?)```", text(ROOT / "docs" / "retention.md"), re.DOTALL)
    assert [rule.batches for rule in parse_rules(rules.encode(), "retention.toml")] == ["exam-*", "2024-*", "*"]
    [names] = re.findall(r"```csv\n(.*?)```", text(ROOT / "docs" / "names.md"), re.DOTALL)
    (tmp_path / "names.csv").write_text(names)
    found = open_names(Settings.from_env({"ASSESS_NAMES": str(tmp_path / "names.csv")}))
    assert found is not None
    assert [finding.level for finding in found.examine()] == [Level.OK]


def test_decisions_are_numbered() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert pages
    for n, page in enumerate(pages, start=1):
        assert page.name.startswith(f"{n:04d}-"), page.name
        assert text(page).startswith(f"# {n}. "), page.name


# --- all that is documented exists ---


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_the_targets_of_links_and_images_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            found = page.parent / path if path else page
            assert found.exists(), f"{target} does not exist"
            assert not anchor or anchor in anchors(found), f"{target} does not exist"


@every_page
def test_the_files_of_tests_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)", text(page))
    assert [name for name in named if not (ROOT / name).is_file()] == []


@every_page
def test_no_path_of_a_developer_s_machine_is_mentioned(page: Path) -> None:
    assert not re.search(r"/(?:home|root|Users|work)/", text(page))


def make_targets(page: Path) -> set[str]:
    """The targets of every `make ...` in backticks or in a line of its own, without variables."""
    calls = re.findall(r"`make ([^`]+)`|^ *make ([^#\n]+?)(?:  .*)?$", text(page), re.MULTILINE)
    return {word for call in calls for word in "".join(call).split() if "=" not in word}


def test_every_make_target_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    for page in DOCS:
        assert make_targets(page) <= targets, page.name
    assert make_targets(ROOT / "README.md") >= {"demo"}
    assert make_targets(ROOT / "CONTRIBUTING.md") >= {"setup", "check", "test", "crash", "format"}


def help_examples() -> Iterator[str]:
    """The example lines in the help of every command."""
    for command in [main, *(main.get_command(click.Context(main), name) for name in COMMANDS)]:
        assert command is not None
        for line in (command.help or "").splitlines():
            if "assess " in line and not line.endswith((".", ":")):
                yield line.strip()


def mentioned() -> list[str]:
    """Every `assess ...` command in a page or a help text."""
    spans = [span for page in DOCS for span in re.findall(r"`(assess [^`]+)`", text(page).replace("\n", " "))]
    shown = [line for page in DOCS for line in re.findall(r"^\$ (.+)$", text(page), re.MULTILINE)]
    shown += re.findall(r"^assess .+$", text(ROOT / "README.md"), re.MULTILINE)  # tests/test_readme.py runs them
    return sorted({*spans, *shown, *help_examples()})


def calls(line: str) -> Iterator[list[str]]:
    """The words of each `assess` call in a shell line."""
    words = shlex.split(line.replace(">", " > ").partition("   ")[0], comments=True)
    call: list[str] | None = None
    begins = True  # elsewhere `assess` is an argument, e.g. the name of a topic
    for word in [*words, "|"]:
        if word in ("|", "&&", ">", ";"):
            if call is not None:
                yield call
            call, begins = None, True
        elif word == "assess" and begins:
            call = []
        elif call is not None:
            call.append(word)
        begins = begins and (word in ("|", "&&", ">", ";") or re.match(r"\w+=", word) is not None)


@pytest.mark.parametrize("line", mentioned())
def test_every_command_in_the_docs_exists_with_its_options(line: str) -> None:
    for words in calls(line):
        context, command = click.Context(main), main
        rest = list(words)
        if rest[:1] == ["--home"]:
            del rest[:2]
        found = command.get_command(context, rest[0]) if rest and not rest[0].isupper() else None
        assert found is not None or not rest or rest[0].isupper(), f"{rest[0]} is not a command"
        if isinstance(found, click.Group) and len(rest) > 1:
            found = found.get_command(context, rest[1])
            assert found is not None, f"{rest[1]} is not a command of {rest[0]}"
        known = {option for parameter in (found.params if found else []) for option in parameter.opts} | {"--help"}
        assert {word for word in rest if word.startswith("--")} <= known
