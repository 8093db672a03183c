"""An error that no code expected: people get a sentence, and those who mend it a file."""

import errno
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from assess_cli import main
from assess_core.faults import fault_of
from stream import __main__ as stream


def broken(*_: object) -> None:
    raise ZeroDivisionError("answers of u1")


def named_file(sentence: str) -> Path:
    found = re.search(r"with the file (\S+), ", sentence)
    assert found is not None, sentence
    return Path(found[1])


def test_a_fault_of_a_command_is_a_sentence_that_names_a_private_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("assess_cli.tables._scores", broken)

    done = CliRunner().invoke(
        main, ["--home", str(tmp_path / "home"), "score", "--learner", "u1", "--assessment", "a1"]
    )

    assert done.exit_code == 1
    assert done.stderr.startswith("assess: this program has a fault (ZeroDivisionError); report it with the file ")
    assert "u1" not in done.stderr
    file = named_file(done.stderr)
    assert "answers of u1" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_a_sentence_with_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/a/file")

    monkeypatch.setattr("assess_cli.tables._scores", full)

    done = CliRunner().invoke(
        main, ["--home", str(tmp_path / "home"), "score", "--learner", "u1", "--assessment", "a1"]
    )

    assert (done.exit_code, done.stderr) == (
        5,
        f"assess: '/a/file': {os.strerror(number)}; free some space and run it again\n",
    )


def test_the_help_on_a_full_disk_is_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("click.decorators.echo", full)

    done = CliRunner().invoke(main, ["slices", "--help"])

    assert (done.exit_code, done.stderr) == (
        5,
        "assess: No space left on device; free some space and run it again\n",
    )


def test_an_option_that_names_a_file_on_a_full_disk_is_no_wrong_use() -> None:
    done = CliRunner().invoke(main, ["sample-events", "--events", "10", "--output", "/dev/full"])
    assert (done.exit_code, done.stderr) == (
        5,
        "assess: No space left on device; free some space and run it again\n",
    )


def test_a_fault_of_the_stream_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stream, "commands", broken)

    with pytest.raises(SystemExit, match="1"):
        stream.main()

    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1
    named_file(sentence).unlink()


def test_the_trace_is_shown_if_no_file_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("tempfile.mkstemp", full)

    assert "ZeroDivisionError: division by zero" in fault_of(ZeroDivisionError("division by zero"))
