"""Why an event fails."""

from enum import StrEnum

from assess_core.errors import BadRequest


class Reason(StrEnum):
    """Why an event failed. Programs can rely on these codes; the messages beside them are for people."""

    NOT_JSON = "not_json"
    BAD_SHAPE = "bad_shape"
    BAD_NUMBER = "bad_number"
    BAD_CLOCK = "bad_clock"
    BAD_ID = "bad_id"
    BAD_UNICODE = "bad_unicode"
    TOO_LARGE = "too_large"
    NOT_A_LEAF_NODE = "not_a_leaf_node"
    TOO_MANY_QUESTIONS = "too_many_questions"
    REFUSED_BY_STORE = "refused_by_store"


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
