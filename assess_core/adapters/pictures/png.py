"""A picture as a PNG file, for programs that do not show SVG."""

from functools import cache, lru_cache
from importlib.metadata import version
from io import BytesIO
from typing import TYPE_CHECKING, Final

from assess_core.adapters.pictures.look import COLOURS, RADIUS
from assess_core.domain.pictures import WIDTH, Picture, Text

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

PNG_WITH: Final = {"pillow": version("pillow")}
"""The version that the bytes of a PNG file depend on. Pillow brings the font."""
_SCALE: Final = 2
"""Pixels of the file for a pixel of the picture."""
_SMOOTH: Final = 4
"""Dots are drawn larger by this factor, then made smaller, so that their edges are smooth."""
_COLOURS: Final = 64
_UNKNOWN: Final = "?"
_MISSING: Final = "\uffff"
"""A letter that no font has: it is drawn as an empty box."""
_LARGE: Final = 32
_ANCHORS: Final = {"start": "ls", "middle": "ms", "end": "rs"}


def png(picture: Picture, scale: int = _SCALE, colours: int = _COLOURS) -> bytes:
    """The bytes of the file, with so many pixels for a pixel of the picture and so many colours."""
    # imported here: programs that draw nothing start faster
    from PIL import Image

    image = Image.new("RGB", (WIDTH * scale, picture.height * scale), COLOURS.paper)
    _draw(_Pen(image, scale), picture)
    content = BytesIO()
    image.quantize(colours).save(content, "PNG", optimize=True)
    return content.getvalue()


def _draw(pen: "_Pen", picture: Picture) -> None:
    for text in picture.texts:
        pen.write(text)
    for bar in picture.bars:
        pen.fill(bar.x, bar.y, bar.width, bar.height, COLOURS.second if bar.is_second else COLOURS.bar)
    for line in picture.lines:
        pen.fill(line.x, line.y, line.width, 1, COLOURS.line)
    for dot in picture.dots:
        pen.dot(dot.x, dot.y, COLOURS.mark if dot.is_marked else COLOURS.bar)


class _Pen:
    """Draws on an image, of which `scale` pixels are one pixel of the picture."""

    def __init__(self, image: "Image", scale: int) -> None:
        from PIL import ImageDraw

        self._image, self._scale = image, scale
        self._draw = ImageDraw.Draw(image)
        self._disc = _disc(2 * RADIUS * scale)

    def write(self, text: Text) -> None:
        place = (round(text.x * self._scale), round(text.y * self._scale))
        self._draw.text(place, _drawable(text), COLOURS.ink, _font(text.size * self._scale), _ANCHORS[text.anchor])

    def fill(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle; nothing happens if it has no area."""
        left, top, right, bottom = (round(edge * self._scale) for edge in (x, y, x + width, y + height))
        if right > left and bottom > top:
            self._draw.rectangle((left, top, right - 1, bottom - 1), colour)

    def dot(self, x: float, y: float, colour: str) -> None:
        left, top = round((x - RADIUS) * self._scale), round((y - RADIUS) * self._scale)
        self._image.paste(colour, (left, top, left + self._disc.width, top + self._disc.height), self._disc)


def _drawable(text: Text) -> str:
    """A text that the font has all letters of. The font has Latin letters without accents, and no Indian scripts."""
    if text.otherwise and not all(map(_has, text.text)):
        return _drawable(text._replace(text=text.otherwise, otherwise=""))
    return "".join(letter if _has(letter) else _UNKNOWN for letter in text.text)


def _disc(size: int) -> "Image":
    """The mask of a dot of this diameter."""
    from PIL import Image, ImageDraw

    large = Image.new("L", (size * _SMOOTH, size * _SMOOTH), 0)
    ImageDraw.Draw(large).ellipse((0, 0, size * _SMOOTH - 1, size * _SMOOTH - 1), 255)
    return large.resize((size, size), Image.Resampling.BOX)


@lru_cache(1000)
def _has(letter: str) -> bool:
    """Whether the font has this letter, and one can see it."""
    return letter.isprintable() and _shape(letter) != _shape(_MISSING)


def _shape(letter: str) -> bytes:
    return bytes(_font(_LARGE).getmask(letter))


@cache
def _font(size: int) -> "FreeTypeFont":
    """The font that is a part of Pillow, so that it is the same on every machine."""
    from PIL import ImageFont

    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont)
    return found
