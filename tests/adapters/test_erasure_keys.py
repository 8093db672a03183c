"""The ring of erasure keys: made once, readable by its owner alone, read again when it changes."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assess_core.adapters.files.erasure_keys import KeyFile
from assess_core.errors import BadSettings
from tests.erasures import KEY, OLD_KEY
from tests.forked import run_forked


def test_there_is_no_ring_until_the_first_erasure_makes_it(tmp_path: Path) -> None:
    ring = KeyFile(tmp_path / "new" / "erasure.keys")
    assert ring.all() == ()

    [key] = ring.create()

    assert len(key) == 64
    assert ring.create() == ring.all() == (key,)
    assert oct((tmp_path / "new" / "erasure.keys").stat().st_mode & 0o777) == "0o600"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["erasure.keys"]


def test_of_processes_that_make_the_ring_at_the_same_time_all_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: KeyFile(tmp_path / "erasure.keys").create(), range(32)))
    assert len(set(made)) == 1


def test_a_key_that_another_process_adds_is_seen_and_older_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "erasure.keys"
    path.write_text(f"{OLD_KEY}\n")
    ring = KeyFile(path)
    assert ring.all() == (OLD_KEY,)

    path.write_text(f"{KEY}\n{OLD_KEY}\n")

    assert ring.all() == (KEY, OLD_KEY)


@pytest.mark.parametrize("content", ["", "short\n", f"{KEY}\n{KEY[:-1]}\n", KEY.upper()])
def test_a_damaged_ring_is_never_taken_for_an_empty_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "erasure.keys"
    path.write_text(content)
    for call in (KeyFile(path).all, KeyFile(path).create):
        with pytest.raises(BadSettings, match="restore the file of ASSESS_ERASURE_KEYS from its backup"):
            call()


_MAKING = """
import os, signal, sys
from pathlib import Path
from assess_core.adapters.files.erasure_keys import KeyFile
from assess_core.adapters.files.links import SignedLinks
home = Path(sys.argv[1])
"""


@pytest.mark.parametrize(
    ("name", "make"),
    [("erasure.keys", "KeyFile(home / 'erasure.keys').create()"), ("link-secret", "SignedLinks(home).link('x', 0)")],
)
def test_a_process_that_is_killed_while_it_makes_a_secret_leaves_no_copy_of_the_one_in_use(
    name: str, make: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    kill = "Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    killed = run_forked(["-c", f"{_MAKING}{kill}{make}", home])
    assert killed.returncode == -signal.SIGKILL
    [left] = home.iterdir()
    never_used = left.read_bytes()

    run_forked(["-c", _MAKING + make, home]).check_returncode()

    [made] = home.iterdir()
    assert made.name == name
    assert made.read_bytes() != never_used


def test_a_secret_that_another_process_made_meanwhile_stays_and_what_is_left_beside_it_goes(tmp_path: Path) -> None:
    (tmp_path / "erasure.keys").write_text(f"{KEY}\n")
    (tmp_path / ".erasure.keys.new").write_text(f"{OLD_KEY}\n")

    assert KeyFile(tmp_path / "erasure.keys").create() == (KEY,)

    assert [path.name for path in tmp_path.iterdir()] == ["erasure.keys"]
