"""Messages of a process on standard error: as text, or as one JSON object a line.

A JSON line has the time, the level, the logger, the message, and the id of the request that was being answered. Callers
give further fields with `extra={"fields": {...}}`. They never give tokens, answers or secrets.
"""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

TEXT: Final = "text"
JSON: Final = "json"
request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""The id of the request that this thread or task answers."""

_LONGEST: Final = 8000  # characters of a message or a stack trace
_ours: Final = logging.getLogger("assess")


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line without its end. Text of clients is escaped, and long text is cut."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:_LONGEST],
        }
        if found := request_id.get():
            line["request_id"] = found
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)[-_LONGEST:]
        return json.dumps(line)


def use(format_: str) -> None:
    """Choose the format of all later messages of this process, those of libraries included."""
    if format_ != JSON:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.root.handlers[:] = [handler]
    _ours.setLevel(logging.INFO)


def is_json() -> bool:
    """Whether this process writes JSON lines."""
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.root.handlers)


def write_message(text: str) -> None:
    """Write a message for people, such as progress or a problem, on standard error."""
    if is_json():
        _ours.info("%s", text)
    else:
        print(printable_lines(text), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Control characters as escapes: an escape sequence in an id must not control the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def printable_lines(text: str) -> str:
    """The same, but line feeds stay: a message can have several lines."""
    return "\n".join(map(printable, text.split("\n")))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
