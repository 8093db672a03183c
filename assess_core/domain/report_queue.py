"""Which request is served next, so that no channel waits for the whole queue of another channel. Pure rules."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from assess_core.domain.moments import DAY, iso
from assess_core.domain.report_jobs import Rules, day_of
from assess_core.errors import QueueFull


class Queued(NamedTuple):
    """A job with something to do, as the queue lists it."""

    channel: str
    created_at: int
    id: str
    tag: str
    ready_at: int
    is_processing: bool
    is_notice: bool = False
    """Whether the job is finished, and only its notice waits."""


class Usage(NamedTuple):
    """What a channel used on one day."""

    batches: int = 0
    bytes: int = 0
    served_at: int = 0
    """The last time at which a worker began a job of the channel, or wrote one of its files."""


class Charge(NamedTuple):
    """One entry of a channel's usage: the start of a job (`batch_id` is empty), or a batch of it.

    The same entry can be written again without being counted twice.
    """

    channel: str
    day: int
    job_id: str
    batch_id: str
    bytes: int
    at: int


def in_turn(queue: Iterable[Queued], usage: Mapping[str, Usage], now: int, rules: Rules) -> list[Queued]:
    """The jobs that may start now, in the order in which workers take them.

    Channels take turns: the channel with the fewest jobs in progress comes first, then the channel that was served
    least recently. The jobs of one channel keep their order. A channel that used up its day has no turn.
    """
    jobs = [job for job in queue if not job.is_notice]
    running = Counter(job.channel for job in jobs if job.is_processing and job.ready_at > now)
    ready = sorted(
        (job for job in jobs if job.ready_at <= now and not is_used_up(usage.get(job.channel, Usage()), rules)),
        key=lambda job: (job.created_at, job.id),
    )
    turns = Counter[str]()
    oldest: dict[str, int] = {}
    ranked = []
    for job in ready:
        turn = running[job.channel] + turns[job.channel]
        turns[job.channel] += 1
        first = oldest.setdefault(job.channel, job.created_at)
        ranked.append((turn, usage.get(job.channel, Usage()).served_at, first, job))
    return [job for *_, job in sorted(ranked)]


def unserved(ready: Iterable[Queued], now: int, patience: int) -> list[Queued]:
    """The jobs among those in turn that a worker could have begun at least `patience` ms ago."""
    return [job for job in ready if max(job.created_at, job.ready_at) <= now - patience]


def is_used_up(usage: Usage, rules: Rules) -> bool:
    """Whether a channel reached one of its limits for the day."""
    return usage.batches >= rules.batches_a_day or usage.bytes >= rules.bytes_a_day


def next_day(now: int) -> int:
    """The start of the next day (UTC)."""
    return (day_of(now) + 1) * DAY


def used_up_message(channel: str, now: int, rules: Rules) -> str:
    """Why a job of this channel waits."""
    return (
        f"channel {channel} reached its limit of {rules.batches_a_day:,} batches or {rules.bytes_a_day:,} bytes a day; "
        f"the request continues at {iso(next_day(now))}"
    )


def require_room(queue: Iterable[Queued], channel: str, rules: Rules) -> None:
    """Raises `QueueFull` if the channel, or all channels together, have too many open jobs."""
    jobs = [job for job in queue if not job.is_notice]
    own = sum(job.channel == channel for job in jobs)
    if own >= rules.open_of_channel:
        raise QueueFull(f"channel {channel} has {own:,} open requests, the most it may have; submit it again later")
    if len(jobs) >= rules.open_of_all:
        raise QueueFull(f"there are {len(jobs):,} open requests, the most that are queued; submit it again later")
