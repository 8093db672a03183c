"""`assess seal` on the command line, and the script in docs/seal.md that checks its proofs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from assess_core.domain.seals import parse_seal
from assess_core.ports.stores import Stores
from tests.cli.conftest import Assess
from tests.factories import version
from tests.lakes import five_versions, keep

PAGE = Path(__file__).parents[2] / "docs" / "seal.md"
MOST_LINES = 60


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert source.count("\n") <= MOST_LINES
    path = tmp_path_factory.mktemp("docs") / "prove.py"
    path.write_text(source, encoding="utf-8")
    return path


def proved(script: Path, proof: str, *seals: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, script, *seals], input=proof, capture_output=True, text=True, check=False)


def sealed(assess: Assess) -> str:
    done = assess("seal")
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.long
def test_an_outsider_checks_both_proofs_with_the_script_of_the_docs(
    assess: Assess, stores: Stores, script: Path
) -> None:
    keep(stores.hot, [*five_versions(), version(batch_id="b2"), version(batch_id="b3")])
    assess("archive", "--closed")
    old = sealed(assess)
    assess("verify", "--closed")
    middle = sealed(assess)
    assess("clear", "--closed")
    new = sealed(assess)

    inclusion = assess("seal", "--prove", "b1|2024-W05").stdout
    earlier = assess("seal", "--prove", "b1|2024-W05", "--at", old).stdout
    consistency = [(assess("seal", "--since", old, "--at", at).stdout, at) for at in (old, middle, new)]

    entry = json.loads(inclusion)["entry"]
    assert proved(script, inclusion, new).stdout == f"{entry}\n"
    assert json.loads(entry)[2:5] == ["b1", "2024-W05", "cleared"]
    assert json.loads(json.loads(earlier)["entry"])[4] == "archived"
    assert proved(script, earlier, old).returncode == 0
    assert [proved(script, proof, old, at).stdout for proof, at in consistency] == [
        f"3 of {size} entries unchanged\n" for size in (3, 6, 12)
    ]
    assert proved(script, inclusion, middle).returncode == 1
    assert proved(script, inclusion.replace("cleared", "Cleared"), new).stdout == "the proof does not hold\n"
    assert proved(script, consistency[2][0], old, middle).returncode == 1
    # whoever makes the proof does not choose what is checked
    for proof, given in (
        (inclusion, (old, new)),
        (inclusion, (new, new)),
        (consistency[2][0], (new,)),
        (inclusion, ()),
    ):
        wrong = proved(script, proof, *given)
        assert (wrong.returncode, wrong.stdout) == (1, "")
        assert wrong.stderr == "the first proof needs one seal, the second one needs two\n"
    assert proved(script, consistency[2][0], new, old).returncode == 1
    # more entries before than after, and the same root
    eight, five = (str(parse_seal(old)._replace(size=size)) for size in (8, 5))
    assert proved(script, json.dumps({"proof": "consistency", "path": []}), eight, five).returncode == 1
    assert proved(script, inclusion, new[:-1]).stderr == "this is not a seal, or a character of it was changed\n"


def test_a_check_says_what_was_sealed_and_what_is_later(assess: Assess, stores: Stores) -> None:
    keep(stores.hot, five_versions())
    assess("archive", "--closed")
    line = sealed(assess)
    assess("verify", "--closed")

    done = assess("seal", "--check", line)
    found = json.loads(assess("seal", "--check", line, "--json").stdout)

    assert done.exit_code == 0
    assert done.stdout.startswith("1 entry of 1 slice checked: nothing has changed since the seal of ")
    assert "later, and not part of this seal: 1 entry of 1 slice (verified 1)\n" in done.stderr
    assert found["unchanged"]
    assert found["later"] == {"entries": 1, "slices": 1, "verified": 1}
    assert assess("seal", "--list").stdout == f"{line}\n"


def test_each_wrong_seal_gets_its_own_sentence_and_exit_code(assess: Assess, stores: Stores) -> None:
    keep(stores.hot, five_versions())
    nothing = assess("seal")
    assess("archive", "--closed")
    line = sealed(assess)

    changed = assess("seal", "--check", line[:-1] + ("0" if line[-1] != "0" else "1"))
    unknown = assess("seal", "--prove", "b9|2024-W05", "--at", "x")
    both = assess("seal", "--list", "--check", line)

    assert (nothing.exit_code, changed.exit_code, unknown.exit_code, both.exit_code) == (3, 2, 2, 2)
    assert "nothing was archived yet" in nothing.stderr
    assert "a character of the seal was changed" in changed.stderr
    assert "is not a seal; copy the whole line" in unknown.stderr
    assert "use only one of --check" in both.stderr
