"""The console in a real browser: every page in light and dark, on a phone, with the keyboard alone, and by axe-core."""

import os
import shutil
from pathlib import Path

import pytest

from tests.console_browser import opened, problems_of, problems_of_keyboard, sample

pytestmark = pytest.mark.long


@pytest.fixture
def chromium() -> str:
    """The browser. Without one the test is skipped, unless this is a run of CI."""
    found = shutil.which("chromium")
    if found:
        return found
    missing = "there is no browser; type: apt install chromium"
    if os.environ.get("TEST_BROWSER") == "none":
        pytest.skip(f"TEST_BROWSER=none: {missing}")
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def test_pages_have_no_fault_that_a_browser_or_axe_core_finds(chromium: str, tmp_path: Path) -> None:
    with sample(tmp_path, slices=100) as base, opened(chromium) as browser:
        assert list(problems_of(browser, base, ["light", "phone-dark"])) == []
        assert list(problems_of_keyboard(browser.new_page(), base)) == []
