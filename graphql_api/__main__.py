"""`python -m graphql_api --host 127.0.0.1 --port 8000`: the API over the stores that the environment names."""

import os
import signal
import socket

import click
import uvicorn

from assess_core.errors import AssessError, BadSettings
from assess_core.queries import open_queries
from assess_core.settings import Settings
from graphql_api.app import create_app


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; there is no login.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.pass_context
def main(ctx: click.Context, host: str, port: int) -> None:
    """Serve GraphQL, GraphiQL and the read API until SIGINT or SIGTERM."""
    try:
        queries = open_queries(Settings.from_env(os.environ))
        listening = _listen(host, port)
    except AssessError as error:
        click.echo(f"assess: {error}", err=True)
        ctx.exit(error.exit_code)
    address = f"[{host}]" if ":" in host else host
    click.echo(f"API on http://{address}:{listening.getsockname()[1]}/graphiql", err=True)
    for stop in (signal.SIGINT, signal.SIGTERM):
        # uvicorn stops by itself, then raises the signal again for whoever was there before: a stop is no failure
        signal.signal(stop, lambda _number, _frame: None)
    uvicorn.Server(uvicorn.Config(create_app(queries), log_level="warning")).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = error.strerror.partition(" (")[0] if error.strerror else str(error)
        raise BadSettings(f"--host {host} --port {port}: {why}; choose others") from error


if __name__ == "__main__":
    main()
