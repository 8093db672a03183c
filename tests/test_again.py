"""Which tests run again."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.again import FAILED, ids

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("recorded", "id_"),
    [
        ("tests/test_a.py::test_x", "tests/test_a.py::test_x"),
        ("tests/test_a.py::test_x@servers that are killed", "tests/test_a.py::test_x"),
        ("tests/test_a.py::test_x[a@b]", "tests/test_a.py::test_x[a@b]"),
        ("tests/test_a.py::test_x[a@b]@readme", "tests/test_a.py::test_x[a@b]"),
        ("tests/test_a.py", "tests/test_a.py"),
    ],
)
def test_the_id_of_a_test_has_no_name_of_a_group(recorded: str, id_: str) -> None:
    assert ids([recorded]) == [id_]


@pytest.mark.parametrize(
    ("tests", "code", "said"),
    [
        (["def test_it(): assert True"], 0, "passed alone, so they have a fault to mend"),
        (["def test_it(): assert False"], 1, "tests failed again"),
        (
            ["def test_it(): assert True\ndef test_2(): assert True"] * 3,
            0,
            "passed alone, so they have a fault to mend",
        ),
        (["def test_it(): assert True"] * 4, 1, "tests of 4 files failed; only those of 1 to 3 run again"),
        ([], 1, "tests of 0 files failed"),
    ],
)
def test_only_tests_of_a_few_files_that_pass_alone_are_forgiven(
    tmp_path: Path, tests: list[str], code: int, said: str
) -> None:
    for number, text in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(text)
    functions = [
        f"test_{number}.py::{name}" for number, text in enumerate(tests) for name in re.findall(r"test_\w+", text)
    ]
    (tmp_path / FAILED).parent.mkdir(parents=True)
    (tmp_path / FAILED).write_text(json.dumps(dict.fromkeys(functions, True)))

    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "again.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, said in done.stdout + done.stderr) == (code, True)
