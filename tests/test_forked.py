"""A forked process prints and ends like one that was started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import Forked, run_forked

SHOWN = "print(sys.argv, os.getcwd(), dict(os.environ) | {'LC_CTYPE': ''}, sys.stdin.read())"
EXECUTOR = """
import concurrent.futures, time
concurrent.futures.ThreadPoolExecutor(1).submit(lambda: (time.sleep(0.1), print("submitted")))
"""


@pytest.mark.parametrize(
    "code",
    [
        SHOWN,
        "sys.exit(7)",
        "sys.exit('the reason')",
        "print(1 / 0)",
        "os.kill(os.getpid(), 9)",
        "atexit.register(print, 'at exit')",
        EXECUTOR,
        "sys.stdout.reconfigure(errors='backslashreplace'); print('\\udcff')",
    ],
)
def test_output_and_exit_code_are_those_of_a_started_process(code: str, tmp_path: Path) -> None:
    words: list[str | bytes | Path] = ["-c", f"import atexit, os, sys\n{code}", "argument", b"\xff"]
    env = {"GIVEN": "1", "LANG": "C.UTF-8"}

    started = subprocess.run(
        [sys.executable, *words], input=b"input", cwd=tmp_path, env=env, capture_output=True, check=False
    )
    forked = run_forked(words, b"input", cwd=tmp_path, env=env)

    assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
    assert forked.stderr.splitlines()[-1:] == started.stderr.splitlines()[-1:]


def test_a_forked_process_can_be_waited_for_and_killed() -> None:
    with Forked[bytes](["-c", "import time; print(flush=True); time.sleep(60)"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        assert os.getpgid(process.pid) == os.getpgid(0)
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    assert process.poll() == -signal.SIGKILL
