"""Why an event fails."""

from enum import StrEnum

from assess_core.errors import BadRequest


class Reason(StrEnum):
    """Why an event failed. Programs can rely on these codes; the messages beside them are for people."""

    NOT_JSON = "not_json"
    """The line is not JSON, or not UTF-8."""
    BAD_SHAPE = "bad_shape"
    """A field is missing or has another type; objects and lists are nested more than 200 deep."""
    BAD_NUMBER = "bad_number"
    """A score is not a number, infinite, or numeric text of more than 64 characters; or the total is too large for
    floating point."""
    BAD_CLOCK = "bad_clock"
    """A clock is negative, fractional, unreadable, outside the accepted years, or more than a day ahead of the
    receipt."""
    BAD_ID = "bad_id"
    """An id is missing, empty or longer than 1 kB."""
    BAD_UNICODE = "bad_unicode"
    """An id contains half of a surrogate pair; two such ids could become the same one."""
    TOO_LARGE = "too_large"
    """The event has more than 8 MiB; only the first 8 MiB of the line are stored."""
    NOT_A_LEAF_NODE = "not_a_leaf_node"
    """The course is known, and the assessment is not among its leaf nodes."""
    TOO_MANY_QUESTIONS = "too_many_questions"
    """The event has more distinct questions than the assessment (only with `--check-question-count`)."""
    REFUSED_BY_STORE = "refused_by_store"
    """The hot store can never store the row, for example because it is larger than Cassandra allows; the message is the
    server's."""


def parse_reason(code: str) -> Reason:
    """The reason of this code. Raises `BadRequest`."""
    try:
        return Reason(code)
    except ValueError:
        known = ", ".join(sorted(Reason))
        raise BadRequest(f"reason: {code[:100]!r} is no reason code; the codes are {known}") from None


class BadEvent(Exception):
    """An event that cannot be accepted; `decode` turns it into a failed event."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
