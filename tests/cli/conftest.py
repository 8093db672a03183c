"""The command line, called in this process, on a home folder of the test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assess_cli import main
from assess_core.settings import Settings

Assess = Callable[..., Result]


@pytest.fixture
def assess(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Assess:
    """`assess("doctor", "--json")` on the home folder of `settings`; what goes wrong otherwise is raised."""
    for name in settings.env():
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, home: Path | None = settings.home, env: dict[str, str] | None = None) -> Result:
        before = [] if home is None else ["--home", str(home)]
        return CliRunner().invoke(main, [*before, *arguments], env=env, catch_exceptions=False)

    return run
