"""`assess demo`: the whole loop on sample events, and the proof that housekeeping changes no answer."""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

import click
import msgspec
from rich.console import Console
from rich.table import Table

from assess_cli.folders import cannot_write, make_folder
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.scores import Entry
from assess_core.errors import BadSettings
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import tables
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.queries import Queries
from assess_core.wiring import open_stores

EVENTS: Final = 2000
_PAGED: Final = 10  # learners whose pages are read: each takes 0.1 s once the rows are in the lake
_MARK: Final = "made-by-assess-demo"
_encode = msgspec.json.Encoder().encode


class Tiers(NamedTuple):
    """How many rows each tier holds."""

    hot: int
    lake: int


class Shown(NamedTuple):
    """All answers of one kind: how many, and one fingerprint of all of them."""

    values: int
    sha256: str


@click.command()
@click.pass_obj
def demo(settings: Settings) -> None:
    """Run the whole loop on sample events in HOME/demo, which is deleted and made again each time.

    The demo folds events, archives, verifies and clears the closed weeks, and folds all events again. After each step
    it reads every answer: scores, pages, tables and reports. Exit code 1 if a byte of them changed.

    \b
    Examples:
      assess demo
      assess --home /tmp/look demo
    """
    run(settings.home / "demo", EVENTS)


def run(home: Path, events: int) -> None:
    """Run the demo in this folder. Raises `ClickException` if an answer changed, `BadSettings`."""
    started = time.monotonic()
    demo = _Demo(home)
    demo.begin_anew()
    stores = open_stores(demo.settings)
    demo.fold_events(events, stores)
    before, tiers = demo.answers(stores), [_tiers(stores)]
    demo.archive_verify_clear(stores, tiers)
    after = demo.answers(stores)
    demo.fold_again(stores, tiers)
    replayed = demo.answers(stores)
    demo.show_answers(before, after, replayed)
    if not before == after == replayed:
        raise click.ClickException("an answer changed; keep the folder and report it")
    if tiers[-1] != tiers[-2] or tiers[-1].hot:
        raise click.ClickException("rows are in the wrong tier; keep the folder and report it")
    demo.invite(stores, time.monotonic() - started)


class _Demo:
    def __init__(self, home: Path) -> None:
        self._home = home
        self._events = home / "events.jsonl"
        # the environment is ignored: a demo must not touch other stores
        self.settings = Settings.from_env({}, str(home))
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("ASSESS_")}
        self._console = Console(highlight=False, emoji=False)

    def begin_anew(self) -> None:
        if os.path.lexists(self._home):
            if not (self._home / _MARK).exists():
                raise BadSettings(f"{self._home} is not a demo's folder; name another home with --home")
            try:
                shutil.rmtree(self._home)
            except OSError as error:
                raise cannot_write(self._home, "--home", error) from error
        make_folder(self._home, "--home")
        (self._home / _MARK).touch()

    def fold_events(self, events: int, stores: Stores) -> None:
        self._step(f"{events:,} events around a turn of the year, with retries, late and bad ones")
        self._assess("sample-events", "--events", str(events), "--output", str(self._events))
        self._step("The stream decodes and scores them, and folds them into the hot store")
        self._assess("ingest", str(self._events))
        reasons = Counter(event.reason.value for event in stores.hot.failed())
        self._print(("failed because of", "events"), reasons.most_common())
        weeks: dict[str, list[int]] = {}
        for slice_, rows in stores.hot.counts(stores.hot.slices()).items():
            weeks.setdefault(str(slice_.week), []).append(rows)
        self._print(("received in", "slices", "versions"), [(week, len(n), sum(n)) for week, n in weeks.items()])

    def archive_verify_clear(self, stores: Stores, tiers: list[Tiers]) -> None:
        self._step("The weeks are closed: archive them, verify them, clear them from the hot store")
        for command in ("archive", "verify", "clear"):
            self._assess(command, "--closed")
            tiers.append(_tiers(stores))
        self._show_tiers(tiers)
        self._step("The rows left the hot store; the learner with the best score still reads it")
        best = _best(stores)
        self._assess("score", "--learner", best.key.user_id, "--assessment", best.key.assessment_id, "--json")

    def fold_again(self, stores: Stores, tiers: list[Tiers]) -> None:
        self._step("The same log again, from its start; nothing that was cleared comes back")
        self._assess("ingest", str(self._events))
        tiers.append(_tiers(stores))
        self._show_tiers(tiers)

    def show_answers(self, *rounds: dict[str, Shown]) -> None:
        self._step("Every answer: before archive and clear, after, and after the replay")
        rows = []
        for name in rounds[0]:
            answers = [answers[name] for answers in rounds]
            same = "same" if len(set(answers)) == 1 else "CHANGED"
            rows.append((name, answers[0].values, *(answer.sha256[:8] for answer in answers), same))
        self._print(("sha256 of all", "", "before", "after", "replayed", ""), rows)

    def invite(self, stores: Stores, seconds: float) -> None:
        self._step(f"All the same, in {seconds:.0f} s. Look around:")
        batch = stores.hot.slices()[0].batch_id
        best = _best(stores)
        score = f"score --learner {best.key.user_id} --assessment {best.key.assessment_id}"
        for command in ("slices", "table attempts | head", score, f"exhaust {batch} --report score", "up"):
            line = f"  {program()} --home {shlex.quote(self._shown(self._home))} {command}"
            self._console.print(line, soft_wrap=True, markup=False)

    def answers(self, stores: Stores) -> dict[str, Shown]:
        """Every answer that a learner, a mentor or an app can ask for."""
        queries = Queries(stores, self.settings.grace, lambda: 0)
        batches = sorted({slice_.batch_id for slice_ in stores.hot.slices()})
        maps = list(stores.hot.all_learners())
        asked = sorted({(user_id, entry.key.assessment_id) for user_id, learner in maps for entry in learner.entries})
        answers = {
            "scores of learners": _answer(queries.score(user, assessment).result for user, assessment in asked),
            "pages of attempts": _answer(queries.attempts(user_id=user_id) for user_id, _ in maps[:_PAGED]),
            "batch overviews": _answer(map(queries.batch, batches)),
        }
        for name in (tables.Name.ATTEMPTS, tables.Name.SUMMARIES, tables.Name.ACTIVITY, tables.Name.FAILED):
            answers[f"table {name}"] = _answer(queries.table(name))
        for report, format_ in [*product(Report, [Format.CSV]), (Report.RESPONSE, Format.PARQUET)]:
            written = write_exhaust(stores, ReportSpec(report=report, format=format_, batches=(*batches,)))
            answers[f"{report}, {format_}"] = Shown(written.rows, _sha256(Path(written.path)))
        return answers

    def _step(self, title: str) -> None:
        self._console.print(f"\n{title}", style="bold")

    def _assess(self, *arguments: str) -> None:
        """Run a command as in a shell; print its messages, and its output if that is short."""
        shown = " ".join(self._shown(Path(argument)) for argument in arguments)
        self._console.print(f"  $ assess --home {self._shown(self._home)} {shown}", style="dim", soft_wrap=True)
        command = [sys.executable, "-P", "-m", "assess_cli", "--home", str(self._home), *arguments]
        done = subprocess.run(command, check=False, env=self._env, capture_output=True, text=True)
        said = done.stderr + (done.stdout if arguments[0] == "score" else "")
        for line in said.splitlines():
            self._console.print(f"    {line}", markup=False, soft_wrap=True)
        if done.returncode:
            raise click.ClickException(f"`assess {arguments[0]}` ended with exit code {done.returncode}")

    def _shown(self, argument: Path) -> str:
        return str(argument.relative_to(Path.cwd()) if argument.is_relative_to(Path.cwd()) else argument)

    def _show_tiers(self, tiers: Sequence[Tiers]) -> None:
        names = ("ingest", "archive", "verify", "clear", "ingest again")
        self._print(("rows after", "hot store", "lake"), [(name, *n) for name, n in zip(names, tiers, strict=False)])

    def _print(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        table = Table(box=None, padding=(0, 1), header_style="dim")
        for n, column in enumerate(columns):
            numbers = all(isinstance(row[n], int) for row in rows)
            table.add_column(column, justify="right" if numbers else "left", no_wrap=True)
        for row in rows:
            table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
        self._console.print(table)


def program() -> str:
    """The command that starts this program: `assess`, or its path if the shell does not find it."""
    script = Path(sys.executable).parent / "assess"
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m assess_cli"
    if (found := shutil.which("assess")) and Path(found).absolute() == script:
        return "assess"
    return shlex.quote(str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script))


def _best(stores: Stores) -> Entry:
    entries = (entry for _, learner in stores.hot.all_learners() for entry in learner.entries)
    return max(entries, key=lambda entry: entry.score)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _answer(values: Iterable[object]) -> Shown:
    digest, count = hashlib.sha256(), 0
    for value in values:
        digest.update(_encode(value) + b"\n")
        count += 1
    return Shown(count, digest.hexdigest())


def _tiers(stores: Stores) -> Tiers:
    hot = sum(stores.hot.counts(stores.hot.slices()).values())
    return Tiers(hot, sum(file.rows for file in stores.lake.pin().files()))
