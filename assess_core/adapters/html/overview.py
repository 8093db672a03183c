"""The overview: one page about a batch, with the figures of the analyses as pictures and tables."""

from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple

from assess_core.domain import charts
from assess_core.domain.counts import counted
from assess_core.domain.overview import Assessment, Overview
from assess_core.domain.pictures import Panel, activity_panel, questions_panel, scores_panel

if TYPE_CHECKING:
    from jinja2 import Template

MADE_WITH: Final = {"jinja2": version("jinja2")}
"""The version that the bytes of a page depend on."""


class _Block(NamedTuple):
    """An assessment with its pictures."""

    of_values: Assessment
    scores: Panel
    questions: Panel


def page(overview: Overview) -> str:
    """The page as HTML."""
    return _template().render(
        overview=overview,
        activity=activity_panel(overview) if overview.weeks else None,
        blocks=[_Block(each, scores_panel(each), questions_panel(each)) for each in overview.assessments],
        width=charts.WIDTH,
        height=charts.HEIGHT,
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("assess_core.adapters.html", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["counted"] = counted
    environment.filters["decimals"] = lambda value, digits: "" if value is None else f"{value:.{digits}f}"
    return environment.get_template("overview.html")
