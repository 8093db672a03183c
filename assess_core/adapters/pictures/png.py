"""A picture as a PNG file, for programs that do not show SVG."""

from functools import cache
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from assess_core.adapters.pictures.look import COLOURS, RADIUS
from assess_core.domain.pictures import WIDTH, Picture, Text

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

PNG_WITH: Final = {"matplotlib": version("matplotlib"), "pillow": version("pillow")}
"""The versions that the bytes of a PNG file depend on: matplotlib brings the font."""
_SCALE: Final = 2
"""Pixels of the file for a pixel of the picture."""
_SMOOTH: Final = 4
"""Dots are drawn larger by this factor, then made smaller, so that their edges are smooth."""
_COLOURS: Final = 64
_ANCHORS: Final = {"start": "ls", "middle": "ms", "end": "rs"}


def png(picture: Picture) -> bytes:
    """The bytes of the file."""
    # imported here: programs that draw nothing start faster
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (WIDTH * _SCALE, picture.height * _SCALE), COLOURS.paper)
    draw = ImageDraw.Draw(image)
    for text in picture.texts:
        _write(draw, text)
    for bar in picture.bars:
        _fill(draw, bar.x, bar.y, bar.width, bar.height, COLOURS.bar)
    for line in picture.lines:
        _fill(draw, line.x, line.y, line.width, 1, COLOURS.line)
    disc = _disc()
    for dot in picture.dots:
        x, y = round((dot.x - RADIUS) * _SCALE), round((dot.y - RADIUS) * _SCALE)
        colour = COLOURS.mark if dot.is_marked else COLOURS.bar
        image.paste(colour, (x, y, x + disc.width, y + disc.height), disc)
    content = BytesIO()
    image.quantize(_COLOURS).save(content, "PNG", optimize=True)
    return content.getvalue()


def _fill(draw: "ImageDraw", x: float, y: float, width: float, height: float, colour: str) -> None:
    """Fill a rectangle; nothing happens if it has no area."""
    left, top, right, bottom = (round(edge * _SCALE) for edge in (x, y, x + width, y + height))
    if right > left and bottom > top:
        draw.rectangle((left, top, right - 1, bottom - 1), colour)


def _write(draw: "ImageDraw", text: Text) -> None:
    place = (round(text.x * _SCALE), round(text.y * _SCALE))
    draw.text(place, _drawable(text), COLOURS.ink, _font(text.size), _ANCHORS[text.anchor])


def _drawable(text: Text) -> str:
    """A text that the font has all letters of. The font has no Indian scripts, for instance."""
    letters = _letters()
    if text.otherwise and not letters.issuperset(text.text):
        return _drawable(text._replace(text=text.otherwise, otherwise=""))
    return "".join(letter if letter in letters else "\N{REPLACEMENT CHARACTER}" for letter in text.text)


def _disc() -> "Image":
    """The mask of a dot."""
    from PIL import Image, ImageDraw

    size = 2 * RADIUS * _SCALE
    large = Image.new("L", (size * _SMOOTH, size * _SMOOTH), 0)
    ImageDraw.Draw(large).ellipse((0, 0, size * _SMOOTH - 1, size * _SMOOTH - 1), 255)
    return large.resize((size, size), Image.Resampling.BOX)


def _font_file() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@cache
def _letters() -> frozenset[str]:
    """The letters of the font that can be seen."""
    from matplotlib.ft2font import FT2Font

    return frozenset(letter for letter in map(chr, FT2Font(str(_font_file())).get_charmap()) if letter.isprintable())


@cache
def _font(size: int) -> "FreeTypeFont":
    from PIL import ImageFont

    # the simple layout: the other one depends on libraries of the machine
    return ImageFont.truetype(str(_font_file()), size * _SCALE, layout_engine=ImageFont.Layout.BASIC)
