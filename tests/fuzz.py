"""`python -m tests.fuzz --seconds 60 --seed 1` decodes mutated events and stops at the first broken rule.

The rules: `decode` raises nothing, takes time linear in the size of the event, and gives the same result at every
depth of the caller's stack. The event that breaks a rule is written to a file, and its path is printed.
"""

import argparse
import faulthandler
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from assess_core.domain.events import Accepted, Decoded, FailedEvent, Record, RecordKind, decode
from assess_core.domain.json_text import MAX_DEPTH
from assess_core.domain.samples import sample_events
from tests.factories import RECEIVED, event, line, text, wire_answer

_SAMPLES: Final = 500
_CALLER_DEPTH: Final = 500  # of the 1,000 frames that Python allows
_SECONDS_AT_LEAST: Final = 0.05  # a busy machine can pause a process for this long
_SECONDS_A_BYTE: Final = 2e-6  # the slowest mutated events take a quarter of this
_TRIES: Final = 5  # a busy machine slows down one measurement, but not five
_HANG_AFTER: Final = 60.0  # seconds after the planned end until the process prints its stack and exits

_TOKENS: Final = (
    b'"', b"\\", b"[", b"]", b"{", b"}", b":", b",", b"\x00", b"\xff", b"\xed\xa0\x80", b"null", b"true", b"-",
    b"1e999", b"9" * 5000, b'"' + b"1" * 2000 + b'x"',
    rb'"\ud83d"', rb"\ud83d\ude00", rb"\udc00", b'"receivedAt":1,"value":{}',
    b"[" * (MAX_DEPTH + 1), b"[" * 150 + b"]" * 150, b'{"a":' * 120 + b"1" + b"}" * 120,
)  # fmt: skip
_VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1.5, -0.0, 1e300, 10**30, "", " ", "1", "-1.5e3", "1" * 65, "1e999", "NaN", "2024-02-30",
    "2024-01-29T10:00:00.5+05:30", "\ufffd", "\U0001f600", "x" * 1025, [], {}, [[]], [None], [{"a": None}], {"a": [1]},
    [[{"label": "<p>2</p>", "value": 0}]], [{"responses": {"response1": "x"}}], [{"userOrder": ["b", "a"]}],
)  # fmt: skip

Grow = Callable[[int], bytes]
"""A function that returns an event of about this many bytes."""


class BrokenRule(Exception):
    """`decode` breaks a rule for this event."""

    def __init__(self, rule: str, raw: bytes) -> None:
        super().__init__(rule)
        self.raw = raw


class Summary(NamedTuple):
    """The totals of a run."""

    events: int
    bytes: int
    outcomes: Counter[str]
    slowest: float
    """The most seconds per byte of an event of more than 10 kB."""

    def __str__(self) -> str:
        outcomes = ", ".join(f"{name} {count:,}" for name, count in self.outcomes.most_common())
        return (
            f"{self.events:,} events, {self.bytes:,} bytes: {outcomes}; "
            f"the slowest over 10 kB took {self.slowest * 1e9:,.0f} ns a byte"
        )


def run(seconds: float, seed: int) -> Summary:
    """Decode mutated events for this many seconds. Raises `BrokenRule`."""
    random = Random(seed)
    samples = [sample.rstrip(b"\n") for sample in sample_events(_SAMPLES, seed)]
    samples += [text(event()), line(event(answers=[wire_answer()] * 3)), *(grow(20_000) for grow in HOSTILE.values())]
    outcomes: Counter[str] = Counter()
    size, slowest = 0, 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        raw = mutated(random, random.choice(samples))
        kind = random.choice(list(RecordKind))
        record = Record("/log/a.jsonl", 0, 1, raw, random.choice([None, RECEIVED]), kind)
        outcome, took = checked(record)
        outcomes[outcome] += 1
        size += len(raw)
        if len(raw) > 10_000:
            slowest = max(slowest, took / len(raw))
    return Summary(outcomes.total(), size, outcomes, slowest)


def checked(record: Record) -> tuple[str, float]:
    """The name of the result, and the seconds it took. Raises `BrokenRule`."""
    try:
        found, took = timed(record)
        deep = _decode_at(_CALLER_DEPTH, record)
    except Exception as error:
        raise BrokenRule(f"decode raised {error!r}", record.raw) from error
    if found != deep:
        raise BrokenRule(f"the result depends on the depth of the stack: {found!r:.200} and {deep!r:.200}", record.raw)
    limit = _SECONDS_AT_LEAST + len(record.raw) * _SECONDS_A_BYTE
    for _ in range(_TRIES):
        if took <= limit:
            break
        took = min(took, timed(record)[1])
    else:
        raise BrokenRule(f"{len(record.raw):,} bytes took {took:.3f} s, more than {limit:.3f} s", record.raw)
    if isinstance(found, FailedEvent):
        return found.reason, took
    if isinstance(found, Accepted):
        json.loads(found.version.question.encode())
    return type(found).__name__, took


def timed(record: Record) -> tuple[Decoded, float]:
    """The result, and the seconds of processor time it took."""
    start = time.thread_time()
    found = decode(record)
    return found, time.thread_time() - start


def _decode_at(depth: int, record: Record) -> Decoded:
    return decode(record) if depth == 0 else _decode_at(depth - 1, record)


# --- mutations ---


def mutated(random: Random, raw: bytes) -> bytes:
    """The event with a few changes to its structure or its bytes."""
    if random.random() < 0.5:
        raw = _with_other_value(random, raw)
    for _ in range(random.choice([0, 0, 1, 1, 2, 5])):
        raw = _with_other_bytes(random, raw)
    return raw


def _with_other_value(random: Random, raw: bytes) -> bytes:
    try:
        whole = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    places = list(_places(whole, 0))
    if not places:
        return raw
    for container, name in random.sample(places, min(len(places), random.choice([1, 1, 2, 4]))):
        value = random.choice(_VALUES)
        container[name] = random.choice([value, [container[name]], {"value": container[name], "receivedAt": RECEIVED}])
    if random.random() < 0.1:
        whole = {"receivedAt": RECEIVED, "value": whole}
    return json.dumps(whole, ensure_ascii=random.random() < 0.5).encode(errors="surrogatepass")


def _places(value: Any, depth: int) -> "list[tuple[Any, Any]]":
    """Each member of each object and list, as its container and its name or index."""
    if depth > 12 or not isinstance(value, dict | list):
        return []
    names = list(value) if isinstance(value, dict) else list(range(min(len(value), 50)))
    inner = [place for name in names for place in _places(value[name], depth + 1)]
    return [(value, name) for name in names] + inner


def _with_other_bytes(random: Random, raw: bytes) -> bytes:
    begin = random.randrange(len(raw) + 1)
    end = min(len(raw), begin + random.choice([0, 1, 1, 2, 8, 100]))
    new = random.choice([b"", random.choice(_TOKENS), random.randbytes(1), raw[begin:end] * 2])
    return raw[:begin] + new + raw[end:]


# --- events that grow ---


def _around(place: object, begin: bytes, unit: bytes, end: bytes) -> Grow:
    """An event in which a sequence of units replaces `"@"`."""
    before, after = text(place).split(b'"@"')
    return lambda size: before + begin + unit * (size // len(unit)) + end + after


def _answered(**members: object) -> dict[str, object]:
    answer: Any = wire_answer(**{name: value for name, value in members.items() if name != "params"})
    if "params" in members:
        answer["edata"]["item"]["params"] = members["params"]
    return event(answers=[answer])


_NUMBERS: Final = {
    f"{name} of {what}": _around(_answered(**{name: "@"}), begin, unit, end)
    for name in ("score", "maxscore", "duration", "ets", "id")
    for what, begin, unit, end in (
        ("digits", b"", b"1", b""),
        ("digits as text", b'"', b"1", b'x"'),
        ("spaces as text", b'"1', b" ", b'x"'),
        ("a fraction as text", b'"2024-01-29T10:00:00.', b"1", b'x"'),
    )
}
HOSTILE: Final[dict[str, Grow]] = {
    **_NUMBERS,
    "a clock of digits": _around(event(attempted="@"), b'"', b"1", b'x"'),
    "a receipt of digits": lambda size: line("@", 1).replace(b"1", b"1" * size, 1),
    "an id": _around(event(user="@"), b'"', "é".encode(), b'"'),
    "half pairs": _around(_answered(title="@"), b'"', rb"\ud83d", b'"'),
    "pairs": _around(_answered(title="@"), b'"', rb"\ud83d\ude00", b'"'),
    "backslashes": _around(_answered(title="@"), b'"', rb"\\", rb'\ud83d"'),
    "quotes": _around(_answered(title="@"), b'"', rb"\"", b'"'),
    "control characters": _around(_answered(title="@"), b'"', rb"\u000b", b'"'),
    "depth": _around(event(more="@"), b"", b"[", b""),
    "depth of objects": _around(event(more="@"), b"", b'{"a":', b""),
    "brackets": _around(event(more="@"), b"[", b"[],", b"1]"),
    "odd options": _around(_answered(params="@"), b"[", b"[1.5,null],", b"1]"),
    "options of objects": _around(_answered(params="@"), b"[", b'{"b":{"c":null},"a":1},', b"{}]"),
    "members of an option": _around(_answered(params=["@"]), b"{", b'"a":1,', b'"b":2}'),
    "big numbers in options": _around(_answered(params="@"), b"[", b"9" * 4000 + b",", b"1]"),
    "numbers that no float holds": _around(_answered(params="@"), b"[", b"1e999,", b"1]"),
    "one question repeated": _around(event(answers=["@"]), b"", text(wire_answer()) + b",", text(wire_answer())),
    "unknown members": _around(event(more="@"), b'1,"', b'a":1,"', b'z":1'),
    "spaces": _around(event(more="@"), b"", b" ", b"1"),
    "no JSON": lambda size: b"\xff" * size,
}


def growth(grow: Grow, small: int, large: int) -> float:
    """The time per byte of a large event divided by that of a small one, from the best tries. 1.0 is linear."""
    events = [Record("/log/a.jsonl", 0, 1, grow(size), RECEIVED) for size in (small, large)]
    best = [float("inf"), float("inf")]
    for _ in range(_TRIES):
        for n, record in enumerate(events):
            best[n] = min(best[n], timed(record)[1] / len(record.raw))
    floor = 1e-9  # skipped bytes take less time than a clock can measure
    return best[1] / max(best[0], floor)


def main() -> int:
    """Returns the exit code: 1 if a rule is broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="the duration of the run")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the random events")
    options = parser.parse_args()
    faulthandler.dump_traceback_later(options.seconds + _HANG_AFTER, exit=True)
    try:
        print(run(options.seconds, options.seed))
    except BrokenRule as error:
        with tempfile.NamedTemporaryFile(prefix="event-", suffix=".json", delete=False) as file:
            file.write(error.raw)
        print(f"{error}\nthe event is in {Path(file.name)}; the seed is {options.seed}", file=sys.stderr)
        return 1
    finally:
        faulthandler.cancel_dump_traceback_later()
    return 0


if __name__ == "__main__":
    sys.exit(main())
