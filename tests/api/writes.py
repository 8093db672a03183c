"""Requests that clients submit, and the messages that the log folder has."""

import re
from pathlib import Path
from typing import Any, Final

from tests.factories import ATTEMPTED, wire_answer

STATE: Final = "/v1/content/state/update"
ALIAS: Final = "/v1/user/content/state"
VIEW: Final = "/v2/view/assess/update"
SUBMIT: Final = "/v1/assessment/submit"
STATE_READ: Final = "/v1/content/state/read"
ATTEMPT_READ: Final = "/v1/assessment/read"

_LINE: Final = re.compile(rb'\{"receivedAt": (\d+), "value": (.*)\}\n', re.DOTALL)


def item(**named: object) -> dict[str, Any]:
    """An assessment as a client of Sunbird submits it; `...` leaves a member out."""
    complete = {
        "assessmentTs": ATTEMPTED,
        "courseId": "do_123",
        "contentId": "do_789",
        "batchId": "0123",
        "userId": "u1",
        "attemptId": "abcd",
        "events": [wire_answer()],
    }
    return {name: value for name, value in {**complete, **named}.items() if value is not ...}


def content(**named: object) -> dict[str, Any]:
    """A content whose progress a client reports; `...` leaves a member out."""
    complete = {
        "contentId": "do_789",
        "batchId": "0123",
        "status": 2,
        "courseId": "do_123",
        "lastAccessTime": "2020-11-23 12:58:35:179+0000",
    }
    return {name: value for name, value in {**complete, **named}.items() if value is not ...}


def request_body(**request: object) -> dict[str, Any]:
    """The body of a request with these members."""
    return {"request": request}


def receipts(folder: Path) -> list[tuple[int, bytes]]:
    """Receipt and value of each line of the log folder, in the order of its files."""
    found = []
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_bytes().splitlines(keepends=True) if file.stat().st_size else ():
            matched = _LINE.fullmatch(line)
            assert matched, line
            found.append((int(matched[1]), matched[2]))
    return found


def logged(folder: Path) -> list[bytes]:
    """The values of the lines of the log folder."""
    return [value for _, value in receipts(folder)]
