"""`assess size`: what an installation for so many learners needs."""

import click

from assess_cli.numbers import FiniteRange
from assess_cli.output import emit_json, emit_rows
from assess_core.domain.sizing import Line, Platform, Prices, plan

_PRESET = Platform(learners=1)
_COUNT = click.IntRange(1, 10_000_000_000)
_PRICE = FiniteRange(0, 1_000_000_000)


def figure(value: float) -> str:
    """Three digits of precision: more would promise what no plan can hold."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


@click.command()
@click.option("--learners", type=_COUNT, required=True, help="Learners who take assessments in a year.")
@click.option(
    "--attempts",
    type=FiniteRange(0.01, 10_000),
    default=_PRESET.attempts,
    show_default=True,
    help="Of a learner in a year.",
)
@click.option(
    "--answers", type=FiniteRange(1, 1_000), default=_PRESET.answers, show_default=True, help="Of an attempt."
)
@click.option(
    "--years",
    type=click.IntRange(1, 100),
    default=_PRESET.years,
    show_default=True,
    help="How long scores and lake grow.",
)
@click.option(
    "--copies",
    type=click.IntRange(1, 9),
    default=_PRESET.copies,
    show_default=True,
    help="Of each row in Cassandra and record in Kafka.",
)
@click.option(
    "--batch",
    type=_COUNT,
    default=_PRESET.batch,
    show_default=True,
    help="Learners of a batch that is active in a week.",
)
@click.option(
    "--prices",
    type=(_PRICE, _PRICE, _PRICE),
    metavar="CORE DISK OBJECT",
    help="Of a month: a core, a GB on disk, a GB in the lake.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def size(
    learners: int,
    attempts: float,
    answers: float,
    years: int,
    copies: int,
    batch: int,
    prices: tuple[float, float, float] | None,
    as_json: bool,
) -> None:
    """Print how large an installation has to be, with the arithmetic: bytes, cores, nodes, slices and cost.

    The figures come from measurements (docs/sizing.md) and are right within a factor of two.

    \b
    Examples:
      assess size --learners 1000000
      assess size --learners 20000000 --attempts 50 --prices 25 0.1 0.02
    """
    platform = Platform(learners, attempts, answers, years, copies, batch)
    lines = list(plan(platform, Prices(*prices) if prices else None))
    if as_json:
        emit_json([line._asdict() for line in lines])
        return
    shown = ({**line._asdict(), "value": f"{figure(line.value)} {line.unit}".rstrip()} for line in lines)
    emit_rows([name for name in Line._fields if name != "unit"], shown, "table")
