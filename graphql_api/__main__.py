"""`python -m graphql_api --host 127.0.0.1 --port 8000`: the API over the stores that the environment names."""

import ipaddress
import os
import resource
import signal
import socket
import time

import click
import uvicorn

from assess_core.errors import AssessError, BadSettings
from assess_core.privacy import keep_files_private
from assess_core.settings import Settings
from assess_core.usecases.queries import Queries
from assess_core.wiring import open_facts, open_requesting, open_stores
from graphql_api.app import create_app
from graphql_api.dataset import ReportRequests
from graphql_api.protocol import MOST_CONNECTIONS, LimitedProtocol


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; there is no login.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free port.")
@click.pass_context
def main(ctx: click.Context, host: str, port: int) -> None:
    """Serve GraphQL, GraphiQL, the read API and the write API until SIGINT or SIGTERM."""
    keep_files_private()
    try:
        settings = Settings.from_env(os.environ)
        stores = open_stores(settings)
        facts = open_facts(settings.facts, _notify)
        listening = _listen(host, port)
        intake = stores.log.intake()
        requests = ReportRequests.of(open_requesting(settings), stores.exhausts, settings.public_url)
    except AssessError as error:
        _notify(str(error))
        ctx.exit(error.exit_code)
    address = f"[{host}]" if ":" in host else host
    click.echo(f"API on http://{address}:{listening.getsockname()[1]}/graphiql", err=True)
    if not is_loopback(host):
        _notify(f"there is no login: any client of {host} can write attempts of any learner; put a gateway before it")
    for stop in (signal.SIGINT, signal.SIGTERM):
        # uvicorn stops, restores the earlier handler, and raises the signal again: this handler makes the exit code 0
        signal.signal(stop, lambda _number, _frame: None)
    _allow_open_files(2 * MOST_CONNECTIONS)
    queries = Queries(stores, settings.grace, lambda: time.time_ns() // 1_000_000)
    app = create_app(queries, intake, facts, requests)
    config = uvicorn.Config(
        app, log_level="warning", http=LimitedProtocol, ws="none", limit_concurrency=MOST_CONNECTIONS
    )
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        intake.close()


def _notify(text: str) -> None:
    click.echo(f"assess: {text}", err=True)


def _allow_open_files(wanted: int) -> None:
    """Raises the limit of open files as far as the system allows: each connection is one, and 1,024 is common."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    if not host:  # an empty host would listen on every interface
        raise BadSettings("--host is empty; write an address, 0.0.0.0 for every interface")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, TypeError, UnicodeError) as error:  # the last two: the text cannot be a host name
        why = getattr(error, "strerror", None) or "not a host name"
        raise BadSettings(f"--host {host} --port {port}: {why.partition(' (')[0]}; choose others") from error


if __name__ == "__main__":
    main()
