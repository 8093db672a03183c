"""Takes pictures of docs/images again: `python -m tests.docs_pictures` needs Debian's package `chromium`.

It folds a sample in a folder of its own, runs `assess up`, and lets Dagster archive and clear every slice. Then it
stores a picture of each page in `PAGES`. The other pictures show a dialog or a failure of Dagster that a person makes:
`--list` names them.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

import click
from playwright.sync_api import Browser

from tests.console_browser import opened

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"
BATCH: Final = "0130929928739600000"
"""The batch with the most learners: the others have too few for figures of questions."""
SLICE: Final = f"{BATCH}|2025-W01"
_ASSESS: Final = (sys.executable, "-P", "-m", "assess_cli")
_PATIENCE: Final = 120_000
"""Milliseconds for a page to show what is waited for; the pages of Dagster read a lot."""
_DRAWN: Final = 5000
"""Milliseconds for the rest of a page."""


class Shot(NamedTuple):
    """A picture: its page, and the size of the window."""

    name: str
    address: str
    width: int
    height: int
    until: str = ""
    """The text that the page shows last."""
    button: str = ""
    """What is clicked before, as a selector."""
    dark: bool = False


PAGES: Final = (
    Shot("console-slices", "{api}/console/slices", 1200, 900, dark=True),
    Shot("console-batch-phone", f"{{api}}/console/batch?batch={BATCH}", 360, 1180),
    Shot("graphiql", "{api}/graphiql", 1200, 800, "CLEARED", button="[aria-label^=Execute]"),
    Shot("dagster-automation", "{dagster}/automation", 1200, 560, "Standard sensor"),
    Shot(
        "dagster-slice",
        f"{{dagster}}/assets/archived_attempts?view=partitions&partition={quote(SLICE)}",
        1400,
        1150,
        "manifest hash",
    ),
    Shot("overview", "{overview}", 1000, 960),
)


class Parts(NamedTuple):
    """What runs, and where."""

    api: str
    dagster: str
    overview: str


@contextmanager
def running(home: Path) -> Iterator[Parts]:
    """A sample, archived and cleared by Dagster, while everything runs."""
    events, page = home.parent / "events.jsonl", home.parent / "overview.html"
    assess = (*_ASSESS, "--home", str(home))
    subprocess.run([*assess, "sample-events", "--events", "5000", "--output", str(events)], check=True)
    subprocess.run([*assess, "ingest", str(events)], check=True)
    with subprocess.Popen([*assess, "up"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as up:
        try:
            found = _addresses(up)
            subprocess.run([*assess, "backfill", "--wait", "--dagster", found["Dagster"]], check=True)
            subprocess.run([*assess, "exhaust", BATCH, "--report", "overview", "--output", str(page)], check=True)
            yield Parts(found["console"].rstrip("/"), found["Dagster"], page.as_uri())
        finally:
            up.terminate()


def _addresses(up: "subprocess.Popen[str]") -> dict[str, str]:
    found = {}
    for line in up.stdout or ():
        what, at, address = line.strip().partition(" will be at ")
        if at:
            found[what.split()[-1]] = address
        if "everything is up" in line:
            return found
    raise click.ClickException("`assess up` ended; run it alone to see why")


def take(browser: Browser, shot: Shot, parts: Parts, folder: Path) -> None:
    """Store the picture of a page."""
    page = browser.new_page(
        color_scheme="dark" if shot.dark else "light", viewport={"width": shot.width, "height": shot.height}
    )
    page.goto(shot.address.format(**parts._asdict()))
    if shot.button:
        page.locator(shot.button).first.click(timeout=_PATIENCE)
    if shot.until:
        page.get_by_text(shot.until).first.wait_for(timeout=_PATIENCE)
        page.wait_for_timeout(_DRAWN)
    page.screenshot(path=folder / f"{shot.name}.png")
    page.close()


@click.command()
@click.option("--chromium", default="/usr/bin/chromium", show_default=True, help="The browser.")
@click.option("--folder", type=click.Path(path_type=Path), default=IMAGES, show_default=True, help="Where to.")
@click.option("--list", "only_names", is_flag=True, help="Name the pictures that a person has to take.")
def main(chromium: str, folder: Path, only_names: bool) -> None:
    """Take the pictures of the docs again."""
    if only_names:
        click.echo("\n".join(sorted({path.stem for path in IMAGES.glob("*.png")} - {shot.name for shot in PAGES})))
        return
    if shutil.which(chromium) is None:
        raise click.ClickException(f"{chromium} is missing; type: apt install chromium")
    with tempfile.TemporaryDirectory() as home, running(Path(home) / "home") as parts, opened(chromium) as browser:
        for shot in PAGES:
            take(browser, shot, parts, folder)
            click.echo(f"{folder / shot.name}.png")


if __name__ == "__main__":
    main()
