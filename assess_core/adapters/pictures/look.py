"""Colours and sizes of pictures, the same as SVG and as PNG."""

from typing import Final, NamedTuple

RADIUS: Final = 5
"""The radius of a dot."""


class Colours(NamedTuple):
    """The colours of a picture."""

    ink: str = "#1b2733"
    paper: str = "#ffffff"
    line: str = "#ccd5dd"
    bar: str = "#2f6f8f"
    second: str = "#e0a030"
    mark: str = "#b3470c"


COLOURS: Final = Colours()
