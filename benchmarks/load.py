"""Requests a second of one worker of the API under load, with authorisation on, beside a bare Starlette handler.

The clients are a process of their own (`load_generator.py`) and keep their connections; each request is of another
learner with its own token. The handler reads the same bodies and answers as many bytes, from memory. All take turns.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.wiring import open_stores
from benchmarks import load_servers
from benchmarks.dagster_service import used_by
from benchmarks.data import BATCH, NOW, events, fill_all, fill_rows, settings_of
from benchmarks.load_generator import Answers, Load, send
from benchmarks.load_servers import Learner, Server
from benchmarks.measure import Latencies, Run, alone
from benchmarks.row import LATENCY, TINY, Row, Side, Size, in_turn
from benchmarks.write_api import appended

CLIENTS: Final = (1, 8, 32)
_SECONDS: Final = 3.0
_LEAST_SECONDS: Final = 0.1
_EVENTS: Final = 10_000
_LEAST_EVENTS: Final = 200
"""Forty learners: with fewer, one of them would meet the limit of requests a minute."""
_LARGE_BATCH: Final = 30_000  # attempts
_OF: Final = 10_000
"""Processor time is that of this many requests."""
_ASKING: Final = 8
"""Clients that read, and clients that ask for overviews meanwhile."""


_READS: Final[Mapping[str, Callable[[Sequence[Learner]], list[bytes]]]] = {
    "rest": load_servers.reads_of_scores,
    "graphql": load_servers.queries_of_scores,
    "page": load_servers.queries_of_pages,
}
_STORES: Final = ("memory", "sqlite", "archived")


class Homes(NamedTuple):
    """Folders with the same events: in the hot store, and archived and cleared."""

    hot: Settings
    archived: Settings


def fill(folder: Path, count: int, large: int) -> Homes:
    """Both homes with `count` events each. The first one has a large batch too, half of it in the lake."""
    homes = Homes(*(load_servers.guarded(folder / name) for name in Homes._fields))
    for settings in homes:
        fill_all(settings.home, events(count))
    stores = open_stores(homes.archived)
    _put_away(stores, stores.hot.slices())
    fill_rows(homes.hot.home, events(large, seed=6, courses=1, batches=1))
    stores = open_stores(homes.hot)
    _put_away(stores, stores.hot.slices(batch_id=BATCH)[::2])
    return homes


def _put_away(stores: Stores, slices: Sequence[ArchiveSlice]) -> None:
    archive(slices, stores, NOW)
    verify(slices, stores, NOW)
    clear(slices, stores, NOW)


def beside_row(size: Size) -> Row:
    """Only the reads beside overviews of a large batch."""
    with TemporaryDirectory(prefix="assess-benchmark-") as folder, ExitStack() as stack:
        homes = fill(Path(folder), size.of(_EVENTS, _LEAST_EVENTS), size.of(_LARGE_BATCH))
        ours = stack.enter_context(load_servers.ours(homes.hot))
        some = load_servers.learners(open_stores(homes.archived))
        return Runs(size, {"sqlite": ours}, ours, {"rest": load_servers.reads_of_scores(some)}).beside_overviews()


def load_rows(size: Size) -> list[Row]:
    """Reads, writes, and reads beside overviews of a large batch."""
    count = size.of(_EVENTS, _LEAST_EVENTS)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder, ExitStack() as stack:
        homes = fill(Path(folder), count, size.of(_LARGE_BATCH))
        ours = {
            "memory": stack.enter_context(load_servers.ours_from_memory(homes.hot, count)),
            "sqlite": stack.enter_context(load_servers.ours(homes.hot)),
            "archived": stack.enter_context(load_servers.ours(homes.archived)),
        }
        some = load_servers.learners(open_stores(homes.archived))
        requests = {kind: of(some) for kind, of in _READS.items()} | {"write": load_servers.writes(count)}
        lengths = {kind: load_servers.mean_length(ours["sqlite"], sent[:50]) for kind, sent in requests.items()}
        bare = stack.enter_context(load_servers.bare(homes.hot, lengths))
        run = Runs(size, ours, bare, requests)
        clients = CLIENTS if size.share > TINY.share else CLIENTS[1:2]
        return [
            *(row for kind in _READS for many in clients for row in run.reads(kind, many)),
            *(
                run.writes(many, count, partial(alone, appended, settings_of(Path(folder) / "log"), count, many))
                for many in clients
            ),
            run.beside_overviews(),
        ]


class Runs:
    """Measures the rows on servers that run."""

    def __init__(
        self, size: Size, ours: Mapping[str, Server], bare: Server, requests: Mapping[str, Sequence[bytes]]
    ) -> None:
        self._size, self._ours, self._bare, self._requests = size, ours, bare, requests
        self._seconds = max(_LEAST_SECONDS, _SECONDS * size.share)

    def reads(self, kind: str, many: int) -> Iterator[Row]:
        """A row for each store; the first round is not measured: it verifies tokens and opens files."""
        for store in _STORES:
            self._one(kind, many, self._ours[store])
        sides: dict[str, Callable[[], Run]] = {
            store: partial(self._one, kind, many, self._ours[store]) for store in _STORES
        }
        sides["bare"] = partial(self._one, kind, many, self._bare, bare=True)
        runs = in_turn(self._size, sides)
        for store in _STORES:
            yield Row(
                f"load-{kind}-{store}-{many}",
                "requests/s",
                Side(f"{many} clients", _OF, runs[store]),
                None,
                Side("a bare Starlette handler", _OF, runs["bare"]),
            )

    def writes(self, many: int, count: int, appending: Callable[[], Run]) -> Row:
        """Attempts, each in a request of its own; the peer appends so many events."""
        self._one("write", many, self._ours["sqlite"])
        sides: dict[str, Callable[[], Run]] = {
            "ours": partial(self._one, "write", many, self._ours["sqlite"]),
            "peer": appending,
            "limit": partial(self._one, "write", many, self._bare, bare=True),
        }
        runs = in_turn(self._size, sides)
        return Row(
            f"load-write-{many}",
            "requests/s",
            Side(f"{many} clients", _OF, runs["ours"]),
            Side("appending to the log directly", count, runs["peer"]),
            Side("a bare Starlette handler", _OF, runs["limit"]),
        )

    def beside_overviews(self) -> Row:
        """The slowest reads while other clients ask for overviews of a large batch, half of it in the lake."""
        self._p99(beside=True)
        runs = in_turn(self._size, {"ours": partial(self._p99, beside=True), "limit": partial(self._p99, beside=False)})
        return Row(
            "load-beside-overviews",
            LATENCY,
            Side(f"p99 of a score beside {_ASKING} clients who ask for overviews", 1, runs["ours"]),
            None,
            Side("p99 of a score alone", 1, runs["limit"]),
            f"a batch of {self._size.of(_LARGE_BATCH):,} attempts; processor time is that of all requests",
        )

    def _one(self, kind: str, clients: int, server: Server, *, bare: bool = False) -> Run:
        """The cost of `_OF` requests. Raises `AssertionError` if one is not answered with 200."""
        requests = self._requests[kind]
        if bare:
            requests = [load_servers.to_path(f"/{kind}", one) for one in requests]
        before = used_by(server.process).seconds
        [answers] = send(Load(server.port, requests, clients, self._seconds))
        used = used_by(server.process)
        _require_answers(answers)
        share = _OF / answers.answered
        latencies = Latencies(answers.p50, answers.p99)
        return Run(answers.seconds * share, (used.seconds - before) * share, used.peak, latencies)

    def _p99(self, *, beside: bool) -> Run:
        server = self._ours["sqlite"]
        before = used_by(server.process).seconds
        loads = [Load(server.port, self._requests["rest"], _ASKING, self._seconds)]
        loads += [Load(server.port, [load_servers.overview(BATCH)], _ASKING, self._seconds)] if beside else []
        found = send(*loads)
        _require_answers(found[0])
        # on a busy machine an overview may reach its deadline of 15 s
        assert all(answers.answered for answers in found), found
        used = used_by(server.process)
        return Run(found[0].p99, used.seconds - before, used.peak, Latencies(found[0].p50, found[0].p99))


def _require_answers(answers: Answers) -> None:
    assert not answers.errors, f"{answers.errors} of {answers.answered} requests failed: {answers.error}"
