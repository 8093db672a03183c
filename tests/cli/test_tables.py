"""`assess table` and `assess score` on the command line."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

from assess_cli import main
from assess_core.domain.moments import iso
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.tables import COLUMNS, Name
from tests.cli.conftest import Assess
from tests.factories import ATTEMPTED, RECEIVED, event, failed_event, wire_answer
from tests.loop import put_away, take


@pytest.mark.parametrize("name", Name)
@pytest.mark.parametrize("format_", ["table", "jsonl", "csv", "json"])
def test_an_empty_table_has_only_a_header_or_nothing(assess: Assess, name: Name, format_: str) -> None:
    result = assess("table", name.value, "--format", format_)

    assert (result.exit_code, result.stderr) == (0, "")
    expected = {"json": "[]\n", "jsonl": "", "csv": ",".join(COLUMNS[name]) + "\n"}
    if format_ == "table":
        assert result.stdout.split("\n")[1].replace("┃", " ").split() == list(COLUMNS[name])
    else:
        assert result.stdout == expected[format_]


def test_json_is_one_list_of_the_same_rows(stores: Stores, assess: Assess) -> None:
    take(stores, event(user="u1"), event(user="u2"), b"{")

    for table in (("table", "attempts"), ("failed", "list")):
        lines = [json.loads(line) for line in assess(*table, "--format", "jsonl").stdout.splitlines()]
        assert json.loads(assess(*table, "--json").stdout) == lines != []


def test_json_lines_hold_the_answers_as_a_list(stores: Stores, assess: Assess) -> None:
    take(stores, event(user="u1"), event(user="u2"))

    rows = [json.loads(line) for line in assess("table", "attempts", "--format", "jsonl").stdout.splitlines()]

    assert [row["user_id"] for row in rows] == ["u1", "u2"]
    assert list(rows[0]) == list(COLUMNS[Name.ATTEMPTS])
    assert rows[0]["last_attempted_on"] == iso(ATTEMPTED)
    assert [answer["id"] for answer in rows[0]["question"]] == ["q1"]


def test_csv_can_hold_any_text(stores: Stores, assess: Assess) -> None:
    name = 'it\'s "a",\nb\r; नमस्ते'
    take(stores, event(user=name))

    [row] = csv.DictReader(io.StringIO(assess("table", "attempts", "--format", "csv").stdout, newline=""))

    assert row["user_id"] == name
    assert json.loads(row["question"])[0]["description"] is None


def test_a_table_prints_no_control_characters(stores: Stores, assess: Assess) -> None:
    stores.hot.add_failed([failed_event(raw=b"\x1b[31mred\nline\x9b", topic="[bold]x[/bold]\x07")])

    printed = assess("table", "failed").stdout

    assert "\x1b" not in printed
    assert "\\x1b[31mred\\nline\\x9b" in printed
    assert "[bold]x[/bold]\\x07" in printed


def test_rows_are_shown_as_records_if_the_terminal_is_too_narrow_for_the_table(
    stores: Stores, assess: Assess, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(stores, event(user="u1"), event(user="u2"))
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)

    lines = assess("table", "attempts", env={"COLUMNS": "60"}).stdout.splitlines()

    assert [line for line in lines if line.startswith("--")] == ["-- 1 ".ljust(60, "-"), "-- 2 ".ljust(60, "-")]
    assert "user_id            u1" in lines
    assert max(map(len, lines)) == 60
    assert next(line for line in lines if line.startswith("question")).endswith("…")
    assert assess("table", "attempts", env={"COLUMNS": "2000"}).stdout.count("u1") == 1


def test_a_table_has_plain_edges_if_the_output_is_not_utf_8(settings: Settings) -> None:
    printed = CliRunner(charset="latin-1").invoke(main, ["--home", str(settings.home), "settings"]).output

    assert printed.splitlines()[1].split() == ["|", "setting", "|", "value", "|", "from", "|"]
    assert printed.isascii()


@pytest.mark.parametrize("charset", ["ascii", "iso-8859-1"])
def test_any_id_can_be_printed_in_any_locale(stores: Stores, settings: Settings, charset: str) -> None:
    take(stores, event(user="தமிழ்"))
    runner = CliRunner(charset=charset)

    def printed(*arguments: str) -> bytes:
        done = runner.invoke(main, ["--home", str(settings.home), *arguments], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout_bytes

    assert {"தமிழ்".encode(), ascii("தமிழ்")[1:-1].encode()} & set(printed("table", "attempts").split())
    for data in (("table", "attempts", "--format", "csv"), ("table", "attempts", "--format", "jsonl")):
        assert "தமிழ்".encode() in printed(*data)
    assert json.loads(printed("slices", "--json"))


def test_a_tier_a_batch_and_a_format_can_be_combined(stores: Stores, assess: Assess) -> None:
    take(stores, event(batch="b1"), event(batch="b2"))
    put_away(stores)

    def users(*options: str) -> int:
        return len(assess("table", "attempts", "--format", "jsonl", *options).stdout.splitlines())

    assert users() == users("--tier", "all") == users("--tier", "lake") == 2
    assert users("--tier", "hot") == 0
    assert users("--tier", "lake", "--batch", "b2") == 1
    unknown = assess("table", "attempts", "--batch", "b9")
    assert (unknown.exit_code, unknown.stderr) == (
        3, "assess: no store knows the batch 'b9'; `assess slices` lists the batches\n"
    )  # fmt: skip
    nothing = assess("table", "attempts", "--batch", "b2", "--tier", "hot", "--format", "jsonl")
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", "batch 'b2' has no rows in this table\n")


@pytest.mark.parametrize(
    "arguments",
    [("nothing",), ("attempts", "--tier", "cold"), ("attempts", "--format", "xml"), ("summaries", "--tier", "lake"),
     ("failed", "--batch", "b1"), ("attempts", "--batch", "\udcff")],
    ids=str,
)  # fmt: skip
def test_options_that_a_table_does_not_have_are_a_usage_error(assess: Assess, arguments: tuple[str, ...]) -> None:
    result = assess("table", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


def test_a_score_is_the_result_of_the_read_api(stores: Stores, assess: Assess) -> None:
    take(stores, event(answers=[wire_answer(score=8)]), event(batch="b2", answers=[wire_answer(score=3)]))

    result = json.loads(assess("score", "--learner", "u1", "--assessment", "a1", "--json").stdout)

    assert (result["bestScore"], result["batchId"], result["updated_on"]) == (8, "b1", ATTEMPTED)
    assert [one["batchId"] for one in result["assessments"]] == ["b1", "b2"]
    one = json.loads(assess("score", "--learner", "u1", "--assessment", "a1", "--batch", "b2", "--json").stdout)
    assert (one["bestScore"], "assessments" in one) == (3, False)
    none = assess("score", "--learner", "u1", "--assessment", "a1", "--course", "c9", "--json")
    assert (none.exit_code, none.stdout) == (3, "{}\n")
    assert "learner 'u1' has no attempt at assessment 'a1' in course 'c9'" in none.stderr


def test_a_score_is_shown_as_text_for_people(stores: Stores, assess: Assess) -> None:
    take(stores, event(answers=[wire_answer(score=8)]), received=RECEIVED)

    assert iso(ATTEMPTED) in assess("score", "--learner", "u1", "--assessment", "a1").stdout
    none = assess("score", "--learner", "u2", "--assessment", "a1")
    assert (none.exit_code, none.stdout) == (3, "")
    assert none.stderr == (
        "assess: learner 'u2' has no attempt at assessment 'a1'; check the ids: `assess table summaries` lists them\n"
    )


def test_a_table_rounds_sums_of_decimals_and_the_other_formats_are_exact(stores: Stores, assess: Assess) -> None:
    take(stores, event(answers=[wire_answer(f"q{n}", score=0.1, maxscore=1) for n in range(3)]))

    assert 0.1 + 0.1 + 0.1 != 0.3
    assert "0.30000000000000004" not in (table := assess("table", "attempts").stdout)
    assert "│ 0.3 " in table
    assert "0.30000000000000004" in assess("table", "attempts", "--format", "csv").stdout


def test_a_score_without_a_learner_or_an_assessment_is_a_usage_error(assess: Assess) -> None:
    assert assess("score", "--learner", "", "--assessment", "a1").exit_code == 2
    assert assess("score", "--learner", "u1").exit_code == 2


@pytest.mark.parametrize("command", ["score", "explain", "erase"])
def test_a_learner_is_named_with_learner_and_scripts_may_still_write_user(assess: Assess, command: str) -> None:
    shown = assess(command, "--help").stdout
    assert "--learner" in shown
    assert "--user" not in shown
    given = ("--assessment", "a1") if command != "erase" else ("--by", "an office", "--reason", "a letter", "--dry-run")
    new, old = (assess(command, name, "u9", *given) for name in ("--learner", "--user"))
    assert (new.exit_code, new.stdout, new.stderr) == (old.exit_code, old.stdout, old.stderr)
