"""Tables as text: columns line up on a terminal, also with wide characters and combining marks."""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import click

# Hangul vowels and final consonants, and skin tones: a terminal joins them to the character before
_JOINED: Final = (range(0x1160, 0x1200), range(0xD7B0, 0xD800), range(0x1F3FB, 0x1F400))
ASCII_EDGES: Final = str.maketrans("┏━┳┓┃┡╇┩│└─┴┘", "+-++|+++|+-++")
"""`str.translate` with this for a terminal that is not UTF-8."""


class TextTable:
    """A header and rows in a box. Measured once, in one pass over the cells."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self._columns = columns
        self._rows = rows
        self._widths = [max(map(width, cells)) for cells in zip(columns, *rows, strict=True)]

    @property
    def width(self) -> int:
        """The columns of a terminal that the table needs."""
        return sum(self._widths) + 3 * len(self._widths) + 1

    def lines(self) -> Iterator[str]:
        """The lines from top to bottom; the header is bold."""
        yield self._border("┏", "━", "┳", "┓")
        yield self._line([click.style(cell, bold=True) for cell in self._padded(self._columns)], "┃")
        yield self._border("┡", "━", "╇", "┩")
        for row in self._rows:
            yield self._line(self._padded(row), "│")
        yield self._border("└", "─", "┴", "┘")

    def _padded(self, cells: Sequence[str]) -> list[str]:
        return [cell + " " * (room - width(cell)) for cell, room in zip(cells, self._widths, strict=True)]

    def _line(self, cells: Sequence[str], edge: str) -> str:
        return f"{edge} {f' {edge} '.join(cells)} {edge}"

    def _border(self, left: str, line: str, cross: str, right: str) -> str:
        return left + cross.join(line * (room + 2) for room in self._widths) + right


def width(text: str) -> int:
    """The columns of a terminal that a printable text takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def shortened(text: str, room: int) -> str:
    """The text, cut to `room` columns of a terminal with an ellipsis at its end."""
    if width(text) <= room:
        return text
    used, end = 0, 0
    while used + _width(text[end]) < room:
        used += _width(text[end])
        end += 1
    return f"{text[:end]}{' ' * (room - 1 - used)}…"


@cache
def _width(character: str) -> int:
    if unicodedata.category(character).startswith("M") or any(ord(character) in joined for joined in _JOINED):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
