"""Numbers of options."""

from math import isfinite
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """A number in a range. Click lets NaN pass every range, because it is neither below nor above it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType.convert`."""
        found: float = super().convert(value, param, ctx)
        if not isfinite(found):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return found
