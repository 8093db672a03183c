"""The load benchmark: what its generator counts, and the verdict of a soak run."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import soak
from benchmarks.load_generator import Answers, Load, Tally, closed, opened
from benchmarks.soak import Minute, judge, sentence

MB = 1_000_000
Answer = Callable[[], Awaitable[bytes]]
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\n\r\n{}"


def minute(*memory: float, answered: int = 1000, errors: int = 0, arrived: float = 1000.0) -> Minute:
    """A minute with these samples of the memory, in MB."""
    answers = Answers(60.0, answered, errors, "429" if errors else "", 0.001, 0.004)
    return Minute(arrived, answers, tuple(int(one * MB) for one in memory), 0.2)


def test_a_run_without_errors_and_with_flat_memory_passes() -> None:
    verdict = judge([minute(140, 150, 151, 150), minute(151, 150, 151, 152)])

    assert verdict.problems == ()
    assert sentence(verdict) == "passed: no errors, 100.0% answered, memory +0.7%"


def test_memory_that_grows_after_the_first_quarter_fails() -> None:
    verdict = judge([minute(100, 100, 110, 110), minute(120, 120, 130, 130)])

    assert verdict.growth == pytest.approx(130 / 110 - 1)
    assert sentence(verdict) == "FAILED: the memory grew by 18.2% between the second quarter and the last one"


def test_memory_that_grows_only_at_the_start_passes() -> None:
    assert judge([minute(100, 140, 150, 150), minute(150, 150, 150, 150)]).problems == ()


def test_a_single_failed_request_fails_the_run_and_is_shown() -> None:
    flat = minute(150, 150, 150, 150)

    verdict = judge([flat, minute(150, 150, 150, 150, answered=999, errors=1)])

    assert verdict.problems == ("1 of 2,000 requests failed; the first: 429",)


def test_a_server_that_falls_behind_fails() -> None:
    [problem] = judge([minute(*[150] * 8, answered=900)]).problems

    assert problem.startswith("only 90.0% of the requests were answered")


def test_too_few_samples_prove_nothing() -> None:
    verdict = judge([minute(150, 150)])

    assert verdict.growth is None
    assert "run for longer" in sentence(verdict)
    assert judge([]).problems


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[int]:
    """The port of a server that gives this answer to each request; without bytes, it closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                found = await answer()
                writer.write(found)
                if not found:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def always_good() -> bytes:
    return GOOD


def run_closed(answer: Answer) -> Answers:
    async def work() -> Answers:
        async with answering(answer) as port:
            return await closed(Load(port, [b"GET / HTTP/1.1\r\n\r\n"], 2, 0.05))

    return asyncio.run(work())


def run_opened(answer: Answer, rate: float, seconds: float = 0.2) -> Answers:
    async def work() -> Answers:
        tally = Tally()
        async with answering(answer) as port:
            await opened(Load(port, [b"GET / HTTP/1.1\r\n\r\n"], 2, seconds), rate, tally)
        return tally.read()

    return asyncio.run(work())


def test_right_answers_are_counted_and_wrong_ones_are_errors() -> None:
    async def refused() -> bytes:
        return REFUSED

    good, bad = run_closed(always_good), run_closed(refused)

    assert good.answered > 0
    assert good.errors == 0
    assert 0 < good.p50 <= good.p99
    assert bad.answered == 0
    assert bad.errors > 0
    assert "429" in bad.error


def test_a_lost_connection_is_an_error_and_ends_the_load() -> None:
    async def nothing() -> bytes:
        return b""

    found = run_closed(nothing)

    assert (found.answered, found.errors) == (0, 2)


def test_requests_arrive_at_the_rate_that_was_asked_for() -> None:
    found = run_opened(always_good, 500)

    assert found.errors == 0
    assert found.answered == pytest.approx(100, abs=3)


def test_a_slow_answer_delays_the_requests_behind_it_and_that_is_seen() -> None:
    async def slow() -> bytes:
        await asyncio.sleep(0.02)
        return GOOD

    # two clients answer a hundred requests a second, and two hundred arrive
    started = time.perf_counter()
    found = run_opened(slow, 200)

    assert found.answered + found.errors == pytest.approx(40, abs=2)
    assert found.p99 > 0.1 or time.perf_counter() - started > 1


@pytest.mark.long
def test_a_soak_run_prints_a_line_each_minute_and_a_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(soak, "_MEASURED", 0.2)
    monkeypatch.setattr(soak, "RESULTS", tmp_path)

    printed = CliRunner().invoke(soak.main, ["--minutes", "0.01", "--events", "200", "--share", "0.3"]).output

    assert "answers/s" in printed
    assert printed.splitlines()[-1].startswith(("passed", "FAILED"))
    assert len(list(tmp_path.glob("soak-*.json"))) == 1
