"""The command line, called in this process on the home folder of the test."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assess_cli import main
from assess_core.settings import Settings

Assess = Callable[..., Result]


@pytest.fixture
def assess(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Assess:
    """Calls commands on the home folder of `settings`: `assess("doctor", "--json")`. Raises uncaught exceptions."""
    for name in settings.env():
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, home: Path | None = settings.home, env: dict[str, str] | None = None) -> Result:
        before = [] if home is None else ["--home", str(home)]
        return CliRunner().invoke(main, [*before, *arguments], env=env, catch_exceptions=False)

    return run
