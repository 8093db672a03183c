"""Ids of a question: checked before a store is asked."""

from assess_core.domain.json_text import is_unicode
from assess_core.errors import BadRequest


def required(name: str, value: str) -> str:
    """The id. Raises `BadRequest` if it is empty or not valid Unicode."""
    if not value:
        raise BadRequest(f"{name} is empty; give a value")
    return _text(name, value)


def optional(name: str, value: str | None) -> str | None:
    """The id; None if it is empty. Raises `BadRequest` if it is not valid Unicode."""
    return _text(name, value) if value else None


def _text(name: str, value: str) -> str:
    if not is_unicode(value):
        raise BadRequest(f"{name} is not valid Unicode; send it as UTF-8")
    return value
