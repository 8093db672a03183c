"""Archive, verify, report and clear with the lake in S3, beside the same steps with the lake in a folder.

    eval "$(deploy/local/servers up s3)" && make bench ROW=s3

The lake is below ASSESS_LAKE, in a new prefix that is not deleted. The bytes of the reports are compared.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.exhaust import write_exhaust
from assess_core.wiring import open_stores
from benchmarks.data import BATCH, NOW, events, fill_rows
from benchmarks.measure import Run, Work, alone
from benchmarks.row import Missing, Row, Side, Size

_ATTEMPTS: Final = 20_000


def _archive(stores: Stores) -> object:
    return archive(stores.hot.slices(), stores, NOW) and None


def _verify(stores: Stores) -> None:
    assert not any(found.problem for found in verify(stores.hot.slices(), stores, NOW).values())


def _clear(stores: Stores) -> None:
    assert not any(found.left for found in clear(stores.hot.slices(), stores, NOW).values())


def _report(stores: Stores) -> str:
    digests: list[str] = []
    write_exhaust(
        stores, ReportSpec(report=Report.RESPONSE, batches=(BATCH,)), look=lambda file: digests.append(_digest(file))
    )
    return digests[0]


def _digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


_STEPS: Final[Mapping[str, Callable[[Stores], object]]] = {
    "archive": _archive,
    "verify": _verify,
    "clear": _clear,
    "report": _report,
}


@contextmanager
def _step(name: str, settings: Settings) -> Iterator[Work]:
    stores = open_stores(settings)
    yield lambda: _STEPS[name](stores)


def _loop(home: Path, lake: Mapping[str, str], attempts: int) -> dict[str, Run]:
    settings = Settings.from_env(lake, str(home))
    fill_rows(home, events(attempts, courses=1, batches=1))
    return {name: alone(_step, name, settings) for name in _STEPS}


def s3_rows(size: Size) -> list[Row]:
    """The four steps. Raises `Missing`."""
    url = os.environ.get("ASSESS_LAKE", "")
    if not url.startswith("s3://"):
        raise Missing('ASSESS_LAKE names no bucket: eval "$(deploy/local/servers up s3)"')
    attempts, rounds = size.of(_ATTEMPTS), []
    for _ in range(size.rounds):
        prefix = f"{url}/benchmark-{uuid4().hex}"
        in_s3 = {"ASSESS_LAKE": f"{prefix}/lake", "ASSESS_EXHAUSTS": f"{prefix}/exhausts"}
        with TemporaryDirectory(prefix="assess-benchmark-") as folder:
            rounds.append((_loop(Path(folder, "s3"), in_s3, attempts), _loop(Path(folder, "local"), {}, attempts)))
    assert len({found["report"].result for both in rounds for found in both}) == 1, "the reports differ"
    return [
        Row(
            f"s3-{name}",
            "attempts/s",
            Side("lake in S3", attempts, [s3[name] for s3, _ in rounds]),
            None,
            Side("lake in a folder", attempts, [local[name] for _, local in rounds]),
        )
        for name in _STEPS
    ]
