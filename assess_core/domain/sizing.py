"""How large an installation has to be: the arithmetic from learners to bytes, processor cores, nodes and cost.

The constants are figures of the benchmarks and of 20,000 sample attempts of 10 answers; docs/sizing.md says how.
They are averages of one kind of question on one machine, so a result is right within a factor of two, not of 1.1.
"""

from collections.abc import Iterator
from math import ceil
from typing import Final, NamedTuple

EVENT: Final = 7_700
"""Bytes of an event with 10 answers in the log."""
HOT_ROW: Final = 1_950
"""Bytes of an attempt of 10 answers on disk in Cassandra, compressed."""
KEPT_ROW: Final = 250
"""Bytes of an attempt that stay in Cassandra after clear: its map entry, and its share of summary and activity."""
LAKE_ROW: Final = 500
"""Bytes of an attempt of 10 answers in the lake; its questions repeat."""
STREAM: Final = 600e-6
"""Processor seconds of an event with 10 answers in the stream."""
SERVER: Final = 800e-6
"""Processor seconds of the same event on each node of Cassandra that holds a copy."""
ATTEMPT: Final = 150e-6
"""Processor seconds of an attempt of 10 answers in archive, verify and clear."""
SLICE: Final = 70e-3
"""Processor seconds of a slice in archive, verify and clear, however few attempts it has."""
BUSY: Final = 0.5
"""The share of a core that is planned for; the rest is for reads, compaction, repairs and a node that is down."""
HEADROOM: Final = 2
"""Cassandra needs free space for compaction: plan twice the bytes."""
NODE_DISK: Final = 1e12
"""Bytes on a node that can still be repaired and replaced within hours."""
NODE_CORES: Final = 8
HOT_WEEKS: Final = 3
"""Weeks of attempts in the hot store: the current one, the one that waits for its archive, and one of late data."""
LOG_DAYS: Final = 7
PEAK: Final = 10
"""The busiest hour has ten times as many attempts as an average one: schools work at the same hours."""
_YEAR: Final = 365 * 86_400
_ANSWERS: Final = 10  # of the measured attempts


class Platform(NamedTuple):
    """What is planned for."""

    learners: int
    attempts: float = 20
    """Of a learner in a year."""
    answers: float = 10
    """Of an attempt."""
    years: int = 5
    copies: int = 3
    """Of each row in Cassandra, and of each record in Kafka."""
    batch: int = 1_000
    """Learners of a batch that is active in a week."""


class Prices(NamedTuple):
    """Of a month, in any currency."""

    core: float
    """One processor core with its memory."""
    disk: float
    """One GB on a disk of Cassandra or Kafka."""
    object: float
    """One GB of object storage for the lake."""


class Line(NamedTuple):
    """One figure of a plan."""

    what: str
    value: float
    unit: str
    how: str
    """The arithmetic."""


def plan(platform: Platform, prices: Prices | None = None) -> Iterator[Line]:
    """The figures, each computed from those before it and from the constants above."""
    share = platform.answers / _ANSWERS  # sizes and times grow with the answers
    yearly = platform.learners * platform.attempts
    yield Line("attempts a year", yearly, "", "learners x attempts")
    rate = yearly / _YEAR
    yield Line("events, average", rate, "/s", "attempts a year / seconds of a year")
    yield Line("events, busiest hour", rate * PEAK, "/s", f"x {PEAK}")
    log = yearly / 365 * LOG_DAYS * EVENT * share * platform.copies
    yield Line("Kafka, disk", log / 1e9, "GB", f"{LOG_DAYS} days x {EVENT / 1e3} kB x copies")

    streaming = rate * PEAK * STREAM * share / BUSY
    yield Line("stream, cores", streaming, "", f"busiest hour x {STREAM * 1e6:.0f} us / {BUSY:.0%}")
    serving = rate * PEAK * SERVER * share * platform.copies / BUSY
    yield Line("Cassandra, cores", serving, "", f"busiest hour x {SERVER * 1e6:.0f} us x copies / {BUSY:.0%}")
    hot = yearly / 52 * HOT_WEEKS * HOT_ROW * share * platform.copies
    yield Line("Cassandra, attempts", hot / 1e9, "GB", f"{HOT_WEEKS} weeks x {HOT_ROW / 1e3} kB x copies")
    kept = yearly * platform.years * KEPT_ROW * platform.copies
    yield Line("Cassandra, scores of all years", kept / 1e9, "GB", f"years x {KEPT_ROW / 1e3} kB x copies")
    nodes = max(platform.copies, ceil((hot + kept) * HEADROOM / NODE_DISK), ceil(serving / NODE_CORES))
    yield Line(
        "Cassandra, nodes",
        nodes,
        "",
        f"at least copies, {HEADROOM} x bytes / {NODE_DISK / 1e12:.0f} TB, cores / {NODE_CORES}",
    )
    never = yearly * platform.years * HOT_ROW * share * platform.copies + kept
    yield Line("Cassandra without the lake", never / 1e9, "GB", "all years of attempts and scores x copies")

    lake = yearly * platform.years * LAKE_ROW * share
    yield Line("lake, all years", lake / 1e9, "GB", f"years x {LAKE_ROW / 1e3} kB")
    slices = platform.learners / platform.batch * 52
    yield Line("slices a year", slices, "", f"learners / {platform.batch} of a batch x 52 weeks")
    weekly = yearly / 52 * ATTEMPT * share + slices / 52 * SLICE
    how = f"of one core: {ATTEMPT * 1e6:.0f} us an attempt, {SLICE * 1e3:.0f} ms a slice"
    yield Line("archive, verify and clear a week", weekly / 60, "min", how)
    if prices is not None:
        disk = (log + (hot + kept) * HEADROOM) / 1e9
        cost = nodes * NODE_CORES * prices.core + disk * prices.disk + lake / 1e9 * prices.object
        yield Line(
            "cost a month, last year", cost, "", f"nodes x {NODE_CORES} cores, disks of Cassandra and Kafka, lake"
        )
