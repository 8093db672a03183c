"""Commands that only read make no folder and no file: a wrong --home shows nothing, and leaves nothing."""

from pathlib import Path

import pytest

from tests.cli.conftest import Assess

WHO = ("--by", "an office", "--reason", "a letter")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("slices",), 0),
        (("hold", "list"), 0),
        (("correct", "list"), 0),
        (("request", "list"), 0),
        (("request", "list", "t1"), 0),
        (("request", "show", "t1", "ABC"), 3),
        (("request", "download", "t1", "ABC"), 3),
        (("failed", "list"), 0),
        (("failed", "show", "log", "0", "1"), 2),
        (("table", "attempts"), 0),
        (("table", "summaries"), 0),
        (("score", "--learner", "u", "--assessment", "a"), 3),
        (("explain", "--learner", "u", "--assessment", "a"), 3),
        (("balance",), 0),
        (("exhaust", "b1", "--report", "score"), 3),
        (("diff", "20240101-0123456789ab"), 3),
        (("export-archive", "b1|2024-W05", "--to", "old"), 3),
        (("erase", "--learner", "u", *WHO, "--dry-run"), 0),
        (("ticket", "list"), 0),
        (("seal", "--list"), 0),
        (("settings",), 0),
        (("doctor",), 0),
        (("schema", "check"), 0),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else None,
)
def test_a_command_that_reads_makes_nothing(
    assess: Assess, arguments: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = assess(*arguments, home=tmp_path / "no" / "home")

    assert result.exit_code == code, result.output
    assert list(tmp_path.iterdir()) == []
