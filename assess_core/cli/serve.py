"""`assess api` and `assess up`: the servers, as processes of their own."""

import os
import shutil
import sys
from pathlib import Path

import click

import assess_core
from assess_core.cli.output import say
from assess_core.cli.together import HOST, Part, free_port, run_together
from assess_core.settings import Settings
from assess_core.wiring import log_folder


@click.command()
@click.option("--host", default=HOST, show_default=True, help="Where to listen; 0.0.0.0 is every interface.")
@click.option("--port", default=8000, show_default=True, help="The port to listen on.")
@click.pass_obj
def api(settings: Settings, host: str, port: int) -> None:
    """Serve GraphQL (with GraphiQL) and the read API over HTTP.

    \b
    Examples:
      assess api
      curl -s localhost:8000/graphql -H 'content-type: application/json' -d '{"query": "{ __typename }"}'
    """
    command = [sys.executable, "-m", "graphql_api", "--host", host, "--port", str(port)]
    os.execve(sys.executable, command, {**os.environ, **settings.env()})


@click.command()
@click.option("--api-port", default=8000, show_default=True, help="The API's port; a free one where it is taken.")
@click.option("--dagster-port", default=3000, show_default=True, help="Dagster's port; a free one where it is taken.")
@click.option("--facts", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Facts for the stream.")
@click.pass_context
def up(ctx: click.Context, api_port: int, dagster_port: int, facts: Path | None) -> None:
    """Run stream, Dagster and API together; one Ctrl-C stops them all.

    The stream tails the log folder (ASSESS_LOG): what is appended to its .jsonl files is folded within a second.

    \b
    Examples:
      assess up
      assess --home /srv/assess up --api-port 8080 --facts facts.json
    """
    settings: Settings = ctx.obj
    log = log_folder(settings)
    log.mkdir(parents=True, exist_ok=True)
    dagster_home = install_dagster_home(settings.home)
    api_port, dagster_port = _port("API", api_port), _port("Dagster", dagster_port)
    python = sys.executable
    stream = [python, "-m", "stream", "tail", *(["--facts", str(facts.absolute())] if facts else [])]
    dagster = [python, "-m", "dagster", "dev", "-m", "assess_assets.definitions", "-h", HOST, "-p", str(dagster_port)]
    parts = [
        Part("stream", stream),
        Part("dagster", dagster, dagster_port),
        Part("api", [python, "-m", "graphql_api", "--host", HOST, "--port", str(api_port)], api_port),
    ]
    say(f"assess: the stream tails   {log}")
    say(f"assess: Dagster will be at http://{HOST}:{dagster_port}")
    say(f"assess: the API will be at http://{HOST}:{api_port}/graphql")
    env = {**os.environ, **settings.env(), "DAGSTER_HOME": str(dagster_home), "PYTHONUNBUFFERED": "1"}
    ctx.exit(run_together(parts, env, say))


def install_dagster_home(home: Path) -> Path:
    """The folder that DAGSTER_HOME names, with our dagster.yaml in it (Dagster reads no other)."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    package = Path(assess_core.__file__).parent
    # beside the packages in a checkout; in an installed package the build put it inside
    source = next(path for path in (package / "dagster.yaml", package.parent / "dagster.yaml") if path.is_file())
    shutil.copyfile(source, folder / "dagster.yaml")
    return folder


def _port(name: str, wanted: int) -> int:
    port = free_port(wanted)
    if port != wanted:
        say(f"assess: port {wanted} is taken, so {name} gets port {port}")
    return port
