"""Archive, verify, report and clear with the lake in S3, beside the same steps with the lake in a folder, in one run.

    eval "$(deploy/local/servers up s3)" && python -m benchmarks.lake_s3 [ATTEMPTS]

The lake is below ASSESS_LAKE, in a new prefix that is not deleted. Each round has its own processes and so its own peak
memory. The bytes of the reports are compared.
"""

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from uuid import uuid4

from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.slices import WEEK, IsoWeek
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.exhaust import write_exhaust
from assess_core.wiring import open_stores
from benchmarks.exhaust import BATCH, fill

_NOW: Final = IsoWeek(2024, 5).start + 52 * WEEK


class Took(NamedTuple):
    """A step of the loop."""

    step: str
    seconds: float
    cpu: float
    """Our processor seconds: the fairer figure on a shared machine."""
    peak: int
    """Peak memory of its process in bytes."""
    digest: str = ""


def _archive(stores: Stores) -> str:
    archive(stores.hot.slices(), stores, _NOW)
    return ""


def _verify(stores: Stores) -> str:
    assert not any(found.problem for found in verify(stores.hot.slices(), stores, _NOW).values())
    return ""


def _clear(stores: Stores) -> str:
    assert not any(found.left for found in clear(stores.hot.slices(), stores, _NOW).values())
    return ""


def _report(stores: Stores) -> str:
    digests: list[str] = []
    write_exhaust(
        stores, ReportSpec(report=Report.RESPONSE, batches=(BATCH,)), look=lambda file: digests.append(_digest(file))
    )
    return digests[0]


def _digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


_STEPS: Final[tuple[tuple[str, Callable[[Stores], str]], ...]] = (
    ("archive", _archive),
    ("verify", _verify),
    ("clear", _clear),
    ("report", _report),
)


def _measure(number: int, settings: Settings) -> Took:
    name, step = _STEPS[number]
    started, cpu = time.perf_counter(), time.process_time()
    digest = step(open_stores(settings))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Took(name, seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, digest)


def _loop(settings: Settings) -> list[Took]:
    found = []
    for number in range(len(_STEPS)):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            found.append(alone.submit(_measure, number, settings).result())
    return found


def main(attempts: int = 20_000) -> None:
    """Measure and print."""
    url = os.environ.get("ASSESS_LAKE", "")
    if not url.startswith("s3://"):
        raise SystemExit('ASSESS_LAKE names no bucket: eval "$(deploy/local/servers up s3)" first')
    prefix = f"{url}/benchmark-{uuid4().hex}"
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        in_folder = Settings.from_env({}, str(Path(folder) / "folder"))
        env = {"ASSESS_LAKE": f"{prefix}/lake", "ASSESS_EXHAUSTS": f"{prefix}/exhausts"}
        in_s3 = Settings.from_env(env, str(Path(folder) / "s3"))
        for settings in (in_folder, in_s3):
            fill(settings.home, attempts)
        beside, ours = _loop(in_folder), _loop(in_s3)
    assert beside[-1].digest == ours[-1].digest, "the reports differ"
    for one, other in zip(ours, beside, strict=True):
        print(
            f"{one.step}: S3 {one.seconds:.2f} s, folder {other.seconds:.2f} s, "
            f"ratio {other.seconds / one.seconds:.2f}; "
            f"processor {one.cpu:.2f} and {other.cpu:.2f} s; "
            f"{one.peak / 1e6:,.0f} and {other.peak / 1e6:,.0f} MB at most"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
