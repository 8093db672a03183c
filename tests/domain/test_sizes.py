"""Sizes as operators write them in settings."""

import pytest

from assess_core.domain.sizes import parse_size, size_text
from assess_core.errors import BadSettings


@pytest.mark.parametrize(
    ("text", "size"),
    [("", None), ("64MB", 64_000_000), ("2GB", 2_000_000_000), (" 2 gb ", 2_000_000_000), ("512000000B", 512_000_000)],
)
def test_a_size_has_a_unit(text: str, size: int | None) -> None:
    assert parse_size(text, "ASSESS_MEMORY") == size


@pytest.mark.parametrize("text", ["2", "-2GB", "1.5GB", "nonsense", "63MB", "0GB", "٣GB", "9" * 100_000 + "GB"])
def test_other_text_is_refused_with_the_name_of_the_setting(text: str) -> None:
    with pytest.raises(BadSettings, match=r"^ASSESS_MEMORY: .*write e\.g\. 512MB or 2GB"):
        parse_size(text, "ASSESS_MEMORY")


@pytest.mark.parametrize("text", ["64MB", "10GB", "2TB", "64000001B"])
def test_a_size_is_written_as_it_is_read(text: str) -> None:
    assert size_text(parse_size(text, "ASSESS_MEMORY") or 0) == text
