"""A picture as an SVG file, which runs nothing and loads nothing."""

import re
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from assess_core.adapters.pictures.look import COLOURS, RADIUS
from assess_core.domain.pictures import WIDTH, Picture

if TYPE_CHECKING:
    from jinja2 import Template

SVG_WITH: Final = {"jinja2": version("jinja2")}
"""The version that the bytes of an SVG file depend on."""
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def svg(picture: Picture) -> bytes:
    """The bytes of the file."""
    return _template().render(picture=picture, width=WIDTH, colours=COLOURS, radius=RADIUS).encode()


def _xml(text: str) -> str:
    """The text without characters that XML does not allow; each becomes `\\ufffd`."""
    return _NO_XML.sub("\ufffd", text)


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("assess_core.adapters.pictures", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["xml"] = _xml
    return environment.get_template("picture.svg")
