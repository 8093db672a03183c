"""Links that expire."""

import pytest

from assess_core.domain.signed_links import require_valid, signature
from assess_core.errors import LinkExpired, LinkRefused
from tests.report_requests import NOW

SECRET = b"a secret of this installation"
NAME = "score-exhaust/ID/1/b1.csv"
SIGNED = signature(SECRET, NAME, NOW)


def test_a_link_works_until_its_time() -> None:
    require_valid(SECRET, NAME, str(NOW), SIGNED, NOW - 1)


def test_an_expired_link_says_how_to_get_a_new_one() -> None:
    with pytest.raises(LinkExpired, match="read the request again to get a new one"):
        require_valid(SECRET, NAME, str(NOW), SIGNED, NOW)


@pytest.mark.parametrize(
    ("secret", "name", "expires", "signed"),
    [
        (b"another secret", NAME, str(NOW), SIGNED),
        (SECRET, "score-exhaust/ID/1/b2.csv", str(NOW), SIGNED),
        (SECRET, NAME, str(NOW + 1), SIGNED),
        (SECRET, NAME, str(NOW), ""),
        (SECRET, NAME, str(NOW), "é"),
        (SECRET, NAME, str(NOW), "\ud800"),
        (SECRET, NAME, "", SIGNED),
        (SECRET, NAME, "9" * 5000, SIGNED),
        (SECRET, NAME, "-1", SIGNED),
        (SECRET, "\ud800", str(NOW), SIGNED),
    ],
    ids=str,
)
def test_a_changed_link_is_refused(secret: bytes, name: str, expires: str, signed: str) -> None:
    with pytest.raises(LinkRefused):
        require_valid(secret, name, expires, signed, NOW - 1)
