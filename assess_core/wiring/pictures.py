"""Draws pictures for shells that show them."""

from typing import Final

from assess_core.domain.pictures import Picture

_COLOURS: Final = 16


def small_png(picture: Picture) -> bytes:
    """A picture as a PNG file of a few kilobytes, for those who store many pictures."""
    from assess_core.adapters.pictures.png import png

    return png(picture, scale=1, colours=_COLOURS)
