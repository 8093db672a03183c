"""Reads the console in a real browser, for `tests/api/test_console_browser.py` and for people.

`python -m tests.console_browser` needs Debian's packages `chromium`, `fonts-lohit-deva` and `fonts-lohit-taml`. It
serves 10,000 slices, opens every page in light and dark and at the width of a phone, and asks axe-core what each page
lacks for people with disabilities. It uses the console with the keyboard only. With `--pictures FOLDER` it stores a
picture of each page. The exit code is 1 if something is wrong.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import click
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive
from assess_core.usecases.examining import Examiner
from assess_core.usecases.operating import Operating
from assess_core.wiring import open_ledger, open_stores
from assess_core.wiring.examining import examine
from assess_core.wiring.places import clock
from graphql_api.app import create_app
from graphql_api.console.slices import WEEKS
from tests.api.client import served
from tests.api.consoles import requests_in
from tests.factories import RECEIVED, event
from tests.loop import queries, take

HINDI, TAMIL = "कक्षा-५", "வகுப்பு-௩"
LOOKS: Final[dict[str, tuple[Literal["light", "dark"], int]]] = {
    "light": ("light", 1200),
    "dark": ("dark", 1200),
    "phone": ("light", 360),
    "phone-dark": ("dark", 360),
}
PAGES: Final = {
    "start": "/",
    "batches": "/console/batches?prefix=",
    "batch": f"/console/batch?batch={HINDI}&balance=yes",
    "overview": f"/console/overview?batch={HINDI}",
    "learners": f"/console/learners?learner={TAMIL}",
    "explain": f"/console/explain?learner={TAMIL}&assessment=a1",
    "reports": "/console/reports?channel=ch",
    "slices": "/console/slices",
    "steps": "/console/steps",
    "corrections": "/console/corrections",
    "failed": "/console/failed?reason=not_json",
    "findings": "/console/findings",
    "holds": "/console/holds",
    "error": "/console/nothing",
    "sign-in": "/console/sign-in",
}
SLICES: Final = 10_000
_WEEK: Final = 7 * 86_400_000


@contextmanager
def sample(folder: Path, slices: int) -> Iterator[str]:
    """Serve the console over a store with slices of 50 weeks, with ids in Hindi and Tamil, and with failed events."""
    settings = Settings.from_env({"ASSESS_HOME": str(folder / "home")})
    stores = open_stores(settings)
    for week in range(50):
        events = [event(user=f"u{n}", batch=f"b{n:03d}", attempt=f"t{week}") for n in range(slices // 50)]
        take(stores, *events, received=RECEIVED + week * _WEEK)
    take(stores, event(user=TAMIL, batch=HINDI), event(user=TAMIL, batch=TAMIL, attempt=HINDI), b"{", b'"<b>"')
    archive(stores.hot.slices(batch_id=HINDI), stores, clock())
    operating = Operating(stores, open_ledger, clock)
    requests = requests_in(stores, folder, MemoryRequests())
    examiner = Examiner(lambda: examine(settings, {"ASSESS_GRACE_PERIOD": "2d"}, clock(), print), clock, time.monotonic)
    intake = stores.log.intake()
    app = create_app(queries(stores), intake, requests=requests, operating=operating, examiner=examiner)
    with served(app) as port:
        yield f"http://localhost:{port}"


def messages_of(page: Page) -> list[str]:
    """What the page writes into the browser's console from now on, such as a style sheet that its policy refuses."""
    messages: list[str] = []

    def note(message: ConsoleMessage) -> None:
        messages.append(message.text)

    page.on("console", note)
    return messages


@contextmanager
def opened(chromium: str) -> Iterator[Browser]:
    """A browser without windows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def problems_of(browser: Browser, base: str, looks: Iterable[str], pictures: Path | None = None) -> Iterator[str]:
    """What is wrong with a page in one of the looks."""
    for look in looks:
        scheme, width = LOOKS[look]
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
        messages = messages_of(page)
        for name, path in PAGES.items():
            page.goto(base + path)
            if pictures:
                page.screenshot(path=pictures / f"{name}-{look}.png")
            if (needed := page.evaluate("document.documentElement.scrollWidth")) > width:
                yield f"{name}, {look}: the page is {needed} pixels wide, and the window {width}"
            for found in Axe().run(page).response["violations"]:
                yield f"{name}, {look}: {found['id']}: {found['nodes'][0]['html'][:200]}"
        yield from (f"{look}: {text}" for text in messages if "404" not in text)
        page.close()


def problems_of_keyboard(page: Page, base: str) -> Iterator[str]:
    """What cannot be done without a mouse: skip the navigation, follow a link, filter, open an event, replay."""
    page.goto(base + "/")
    page.keyboard.press("Tab")
    if page.evaluate("document.activeElement.textContent") != "Skip to the content":
        yield "the first Tab does not reach the link that skips the navigation"
    _tab_to(page, "Slices")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/slices")
    page.locator("#batch").focus()
    page.keyboard.type(HINDI)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/slices?**")
    if HINDI not in page.inner_text("main"):
        yield "a filter that was typed does not show the batch"
    page.goto(base + "/console/failed")
    _tab_to(page, "Replay failed events")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=status]")
    if "failed again" not in page.inner_text("[role=status]"):
        yield "the replay says nothing"


def _tab_to(page: Page, text: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == text:
            return
    raise click.ClickException(f"60 presses of Tab do not reach {text!r}")


@click.command()
@click.option("--chromium", default="/usr/bin/chromium", show_default=True, help="The browser.")
@click.option("--pictures", type=click.Path(path_type=Path), help="A folder for pictures of all pages.")
def main(chromium: str, pictures: Path | None) -> None:
    """Read the console in a browser, and print what is wrong."""
    if shutil.which(chromium) is None:
        raise click.ClickException(f"{chromium} is missing; type: apt install chromium")
    with tempfile.TemporaryDirectory() as folder, sample(Path(folder), SLICES) as base, opened(chromium) as browser:
        wrong = [*problems_of(browser, base, LOOKS, pictures), *problems_of_keyboard(browser.new_page(), base)]
        page = browser.new_page()
        started = time.perf_counter()
        page.goto(f"{base}/console/slices")
        click.echo(f"a page about {SLICES:,} slices was shown after {time.perf_counter() - started:.2f} s")
        if page.locator("table").first.locator("tbody tr").count() != WEEKS + 1:
            wrong.append("the grid does not have the newest weeks and one row for all older ones")
    for line in wrong:
        click.echo(line)
    click.echo(f"{len(PAGES)} pages in {len(LOOKS)} looks, and the keyboard: {len(wrong)} problems")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
