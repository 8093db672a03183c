"""`assess api`, `assess up` and `assess backfill`: each starts other processes: the servers, or a client of Dagster."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

import assess_cli
from assess_cli.dagster_lines import DagsterLines
from assess_cli.folders import cannot_write, make_folder
from assess_cli.output import notify
from assess_cli.together import HOST, Part, free_port, run_together
from assess_core.privacy import hidden
from assess_core.settings import Settings

_CHECKOUT: Final = '".assess/dagster'  # the folder in our dagster.yaml, for `dagster dev` in a checkout
_PORT: Final = click.IntRange(1, 65535)


def _http_url(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    """The value of an option that takes the URL of a server. Raises `BadParameter`."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname is not None and parts.port != 0
    except ValueError:  # the port is no number or above 65535, or half an IPv6 address
        usable = False
    if not usable:
        raise click.BadParameter(f"{value!r} is not the URL of a server; write it like http://{HOST}:3000")
    return value


@click.command()
@click.option("--host", default=HOST, show_default=True, help="The address to listen on; 0.0.0.0 is every interface.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 picks a free port.")
@click.option("--facts", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with known batches.")
@click.option("--insecure", is_flag=True, help="Listen beyond this machine although every client can do everything.")
@click.pass_obj
def api(settings: Settings, host: str, port: int, facts: Path | None, insecure: bool) -> None:
    """Serve GraphQL (with GraphiQL), the read API and the write API over HTTP.

    Submitted attempts go into the log (ASSESS_LOG); a stream must fold them, such as the one of `assess up`.
    Without keys (ASSESS_API_KEYS) every client can do everything, so the API listens only on this machine.

    \b
    Examples:
      assess api
      curl -s localhost:8000/graphql -H 'content-type: application/json' -d '{"query": "{ __typename }"}'
    """
    command = [*_module("graphql_api"), "--host", host, "--port", str(port), *(["--insecure"] if insecure else [])]
    os.execve(sys.executable, command, {**os.environ, **_with(settings, facts).env()})


@click.command()
@click.option("--api-port", type=_PORT, default=8000, show_default=True, help="Port of the API; another one if in use.")
@click.option(
    "--dagster-port", type=_PORT, default=3000, show_default=True, help="Port of Dagster; another one if in use."
)
@click.option("--facts", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Facts for stream and API.")
@click.option(
    "--housekeeping",
    type=click.Choice(["on", "off"]),
    help="Turn the weekly archive, verify and clear on or off. Default: leave them as they are; at first they are off.",
)
@click.option("--verbose", is_flag=True, help="Print every line of Dagster, not only warnings, errors and ended runs.")
@click.pass_context
def up(
    ctx: click.Context, api_port: int, dagster_port: int, facts: Path | None, housekeeping: str | None, verbose: bool
) -> None:
    """Run stream, Dagster, API and a worker of requests together; one Ctrl-C stops them all.

    The stream tails the log folder (ASSESS_LOG): a line that is appended to its .jsonl files is folded within a second.
    The worker begins a requested report within a second.

    \b
    Examples:
      assess up
      assess up --housekeeping on
      assess --home /srv/assess up --api-port 8080 --facts facts.json
    """
    settings = _with(ctx.obj, facts)
    if "://" not in settings.log:
        make_folder(Path(settings.log), "ASSESS_LOG")
    dagster = install_dagster_home(settings.home)
    api_port, dagster_port = _port("API", api_port), _port("Dagster", dagster_port)
    parts = [
        Part("stream", [*_module("stream"), "tail"]),
        Part(
            "dagster",
            [*_module("dagster"), "dev", "-h", HOST, "-p", str(dagster_port)],
            dagster_port,
            dagster,  # in a checkout, Dagster would warn about our dagster.yaml
            None if verbose else DagsterLines(),
        ),
        Part("requests", [*_module("assess_cli"), "request", "work", "--follow"]),
        Part("api", [*_module("graphql_api"), "--host", HOST, "--port", str(api_port)], api_port),
    ]
    notify(f"assess: the stream follows {hidden(settings.log)}")
    notify(f"assess: Dagster will be at http://{HOST}:{dagster_port}")
    notify(f"assess: the console will be at http://{HOST}:{api_port}/")
    notify(f"assess: the API will be at http://{HOST}:{api_port}/graphiql")
    env = {**os.environ, **settings.env(), "PYTHONUNBUFFERED": "1"}
    env = with_dagster(env, dagster, warnings=verbose)
    dagster_url = f"http://{HOST}:{dagster_port}"
    switch = [*_module("assess_assets.housekeeping"), housekeeping or "status", "--dagster", dagster_url, "--brief"]
    ctx.exit(run_together(parts, env, notify, Part("dagster", switch)))


@click.command()
@click.argument("action", type=click.Choice(["on", "off", "status"]))
@click.option(
    "--dagster", callback=_http_url, default=f"http://{HOST}:3000", show_default=True, help="The address of Dagster."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_obj
def housekeeping(settings: Settings, action: str, dagster: str, as_json: bool) -> None:
    """Turn the weekly work of a running Dagster on or off, or show what is on.

    The work: archive and verify closed weeks, CLEAR verified weeks from the hot store, watch the slices every day, and
    retire old partition keys. At first it is off.

    \b
    Examples:
      assess housekeeping on
      assess housekeeping status --json
    """
    asked = [action, "--dagster", dagster, *(["--json"] if as_json else [])]
    env = {"PYTHONWARNINGS": "ignore", **os.environ, **settings.env()}
    os.execve(sys.executable, [*_module("assess_assets.housekeeping"), *asked], env)


def with_dagster(env: Mapping[str, str], home: Path, *, warnings: bool = False) -> dict[str, str]:
    """An environment with which Dagster stores its records in that folder, as fast as it can."""
    fixed = {
        "DAGSTER_EVENT_BATCH_SIZE": "500",
        # with Cassandra (2 ms a slice), a tick over 24,000 slices takes a minute: Dagster's default limit
        "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "600",
    }
    if not warnings:
        fixed["PYTHONWARNINGS"] = "ignore"  # at each start, Dagster prints 40 lines about beta features
    return {**fixed, **env, "DAGSTER_HOME": str(home)}


@click.command()
@click.option(
    "--dagster", callback=_http_url, default=f"http://{HOST}:3000", show_default=True, help="The address of Dagster."
)
@click.option("--wait", is_flag=True, help="Wait for the end; exit code 1 if a slice failed.")
@click.argument("first", required=False)
@click.argument("last", required=False)
@click.pass_obj
def backfill(settings: Settings, dagster: str, wait: bool, first: str | None, last: str | None) -> None:
    """Ask a running Dagster to archive, verify and clear slices: one backfill, in runs of many slices each.

    Without arguments, all registered slices that need it; otherwise those from FIRST to LAST, ordered by week, then
    batch, or FIRST alone.

    \b
    Examples:
      assess backfill
      assess backfill 'BATCH|2024-W05' --dagster http://127.0.0.1:3001 --wait
    """
    asked = ["--dagster", dagster, *(["--wait"] if wait else []), "--", *filter(None, (first, last))]
    env = {"PYTHONWARNINGS": "ignore", **os.environ, **settings.env()}  # without Dagster's 8 lines on beta features
    os.execve(sys.executable, [*_module("assess_assets"), *asked], env)


def _with(settings: Settings, facts: Path | None) -> Settings:
    return settings._replace(facts=str(facts.absolute())) if facts else settings


def install_dagster_home(home: Path) -> Path:
    """Create the folder for DAGSTER_HOME with a copy of our dagster.yaml: Dagster reads it only there.

    Raises `BadSettings`, `StoreUnavailable`.
    """
    folder = home / "dagster"
    make_folder(folder, "ASSESS_HOME")
    package = Path(assess_cli.__file__).parent
    # in an installed package the files are inside the package, in a checkout beside it
    source = package if (package / "dagster.yaml").is_file() else package.parent
    for name in ("dagster.yaml", "workspace.yaml"):
        text = (source / name).read_text(encoding="utf-8")
        try:
            (folder / name).write_text(text.replace(_CHECKOUT, json.dumps(str(folder))[:-1]), encoding="utf-8")
        except OSError as error:
            raise cannot_write(folder / name, "ASSESS_HOME", error) from error
    return folder


def _module(name: str) -> list[str]:
    # -P: a file `stream.py` in the current folder is not ours
    return [sys.executable, "-P", "-m", name]


def _port(name: str, wanted: int) -> int:
    port = free_port(wanted)
    if port != wanted:
        notify(f"assess: port {wanted} is in use, so {name} gets port {port}")
    return port
