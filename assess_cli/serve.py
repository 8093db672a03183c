"""`assess api` and `assess up`: the servers, as processes of their own."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

import assess_cli
from assess_cli.output import notify
from assess_cli.together import HOST, Part, free_port, run_together
from assess_core.settings import Settings, hidden

_CHECKOUT: Final = '".assess/dagster'  # what our dagster.yaml calls its folder: right where `dagster dev` is started


@click.command()
@click.option("--host", default=HOST, show_default=True, help="Where to listen; 0.0.0.0 is every interface.")
@click.option("--port", default=8000, show_default=True, help="The port to listen on.")
@click.option("--facts", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Which batches there are.")
@click.pass_obj
def api(settings: Settings, host: str, port: int, facts: Path | None) -> None:
    """Serve GraphQL (with GraphiQL), the read API and the write API over HTTP.

    What clients submit goes into the log (ASSESS_LOG). There is no login: whoever reaches the port may write.

    \b
    Examples:
      assess api
      curl -s localhost:8000/graphql -H 'content-type: application/json' -d '{"query": "{ __typename }"}'
    """
    command = [*_module("graphql_api"), "--host", host, "--port", str(port)]
    os.execve(sys.executable, command, {**os.environ, **_with(settings, facts).env()})


@click.command()
@click.option("--api-port", default=8000, show_default=True, help="The API's port; a free one where it is taken.")
@click.option("--dagster-port", default=3000, show_default=True, help="Dagster's port; a free one where it is taken.")
@click.option("--facts", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Facts for stream and API.")
@click.pass_context
def up(ctx: click.Context, api_port: int, dagster_port: int, facts: Path | None) -> None:
    """Run stream, Dagster and API together; one Ctrl-C stops them all.

    The stream tails the log folder (ASSESS_LOG): what is appended to its .jsonl files is folded within a second.

    \b
    Examples:
      assess up
      assess --home /srv/assess up --api-port 8080 --facts facts.json
    """
    settings = _with(ctx.obj, facts)
    if "://" not in settings.log:
        Path(settings.log).mkdir(parents=True, exist_ok=True)
    dagster = install_dagster_home(settings.home)
    api_port, dagster_port = _port("API", api_port), _port("Dagster", dagster_port)
    parts = [
        Part("stream", [*_module("stream"), "tail"]),
        # in DAGSTER_HOME: it warns where the folder that it runs in, a checkout say, has another dagster.yaml
        Part("dagster", [*_module("dagster"), "dev", "-h", HOST, "-p", str(dagster_port)], dagster_port, dagster),
        Part("api", [*_module("graphql_api"), "--host", HOST, "--port", str(api_port)], api_port),
    ]
    notify(f"assess: the stream follows {hidden(settings.log)}")
    notify(f"assess: Dagster will be at http://{HOST}:{dagster_port}; what runs by itself does so once you start it")
    notify(f"assess: the API will be at http://{HOST}:{api_port}/graphiql")
    env = {**os.environ, **settings.env(), "PYTHONUNBUFFERED": "1"}
    ctx.exit(run_together(parts, with_dagster(env, dagster), notify))


def with_dagster(env: Mapping[str, str], home: Path) -> dict[str, str]:
    """An environment in which Dagster keeps its books in that folder, as fast as it can."""
    fixed = {
        # Dagster tells at each start what of it is beta, 40 lines; whoever develops with it sets PYTHONWARNINGS
        "PYTHONWARNINGS": "ignore",
        "DAGSTER_EVENT_BATCH_SIZE": "500",
        # at 2 ms a slice (Cassandra) a look at 24,000 ends at the minute that Dagster gives it by itself
        "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "600",
    }
    return {**fixed, **env, "DAGSTER_HOME": str(home)}


@click.command()
@click.option("--dagster", default=f"http://{HOST}:3000", show_default=True, help="Where Dagster answers.")
@click.option("--wait", is_flag=True, help="Wait for its end; exit code 1 where a slice failed.")
@click.argument("first", required=False)
@click.argument("last", required=False)
@click.pass_obj
def backfill(settings: Settings, dagster: str, wait: bool, first: str | None, last: str | None) -> None:
    """Ask a running Dagster to archive, verify and clear slices: one backfill, in runs of many slices each.

    All registered slices that need it; or those from FIRST to LAST, by week, then batch, or FIRST alone.

    \b
    Examples:
      assess backfill
      assess backfill 'BATCH|2024-W05' --dagster http://127.0.0.1:3001 --wait
    """
    asked = ["--dagster", dagster, *(["--wait"] if wait else []), "--", *filter(None, (first, last))]
    os.execve(sys.executable, [*_module("assess_assets"), *asked], {**os.environ, **settings.env()})


def _with(settings: Settings, facts: Path | None) -> Settings:
    return settings._replace(facts=str(facts.absolute())) if facts else settings


def install_dagster_home(home: Path) -> Path:
    """The folder for DAGSTER_HOME: Dagster reads its dagster.yaml there and nowhere else, so ours is copied to it."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    package = Path(assess_cli.__file__).parent
    # in an installed package the build put them inside, in a checkout they stand beside it
    source = package if (package / "dagster.yaml").is_file() else package.parent
    for name in ("dagster.yaml", "workspace.yaml"):
        text = (source / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace(_CHECKOUT, json.dumps(str(folder))[:-1]), encoding="utf-8")
    return folder


def _module(name: str) -> list[str]:
    # -P: a file `stream.py` in the folder where somebody keeps events is not ours
    return [sys.executable, "-P", "-m", name]


def _port(name: str, wanted: int) -> int:
    port = free_port(wanted)
    if port != wanted:
        notify(f"assess: port {wanted} is taken, so {name} gets port {port}")
    return port
