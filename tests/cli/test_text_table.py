"""The table that commands print: its columns line up for any text, and it costs little for many rows."""

import io
import random
import unicodedata

import click
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from assess_cli.text_table import TextTable, shortened, width

TEXTS = ("u1", "हिन्दी", "नमस्ते", "தமிழ்", "日本語", "한국어", "नाम 日本 x", "", "𠮷野", "é", "e\u0301")


def lines(columns: list[str], rows: list[list[str]]) -> list[str]:
    return [click.unstyle(line) for line in TextTable(columns, rows).lines()]


def test_a_table_without_rows_is_a_header_in_a_box() -> None:
    assert lines(["a", "bb"], []) == ["┏━━━┳━━━━┓", "┃ a ┃ bb ┃", "┡━━━╇━━━━┩", "└───┴────┘"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("ascii", 5),
        ("हिन्दी", 3),  # three letters; vowel signs and virama are drawn onto them
        ("தமிழ்", 3),
        ("日本語", 6),
        ("한국어", 6),
        ("\u1112\u1161\u11ab", 2),  # a Hangul syllable of three jamo
        ("e\u0301", 1),
        ("👍🏽", 2),
    ],
)
def test_the_width_of_a_text_is_what_a_terminal_shows(text: str, columns: int) -> None:
    assert width(text) == columns


def test_all_lines_of_a_table_have_one_width() -> None:
    rows = [[text, other] for text in TEXTS for other in TEXTS]
    table = TextTable(["name", "another name"], rows)
    assert {width(click.unstyle(line)) for line in table.lines()} == {table.width}


def test_every_letter_and_ideograph_is_as_wide_as_rich_says() -> None:
    letters = [chr(code) for code in range(0x20, 0x30000) if chr(code).isprintable()]
    # compared are the scripts of names; rich has widths of its own for symbols and unused fillers
    compared = [c for c in letters if unicodedata.category(c) in {"Lo", "Ll", "Lu", "Mn", "Mc", "Nd"}]
    assert [hex(ord(c)) for c in compared if width(c) != cell_len(c)] == ["0x3164", "0xffa0"]


def test_a_table_looks_as_it_did_when_rich_drew_it() -> None:
    chance = random.Random(1)
    for columns in (1, 2, 5):
        names = [f"column {n}" for n in range(columns)]
        rows = [[chance.choice(TEXTS) for _ in names] for _ in range(chance.randrange(20))]
        console = Console(width=10_000, highlight=False, file=io.StringIO())
        table = Table(*(Column(name, no_wrap=True) for name in names))
        for row in rows:
            table.add_row(*map(Text, row))
        with console.capture() as drawn:
            console.print(table)
        assert lines(names, rows) == drawn.get().splitlines()


@pytest.mark.parametrize("text", TEXTS + tuple(text * 20 for text in TEXTS))
@pytest.mark.parametrize("room", [1, 2, 7, 20])
def test_a_long_text_is_cut_between_letters_and_fills_its_room(text: str, room: int) -> None:
    cut = shortened(text, room)
    if width(text) <= room:
        assert cut == text
    else:
        assert (width(cut), cut[-1]) == (room, "…")
        assert text.startswith(cut[:-1].rstrip())
        kept = len(cut[:-1].rstrip())
        assert not unicodedata.category(text[kept]).startswith("M"), "a mark stays with its letter"
