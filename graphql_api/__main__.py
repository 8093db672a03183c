"""`python -m graphql_api --host 127.0.0.1 --port 8000`: the API over the stores that the environment names."""

import gc
import os
import resource
import signal
import socket
import ssl
import time
from pathlib import Path
from types import FrameType
from typing import Any

import click
import uvicorn

from assess_core import tracing
from assess_core.errors import AssessError, BadSettings
from assess_core.messages import is_json, use, write_message
from assess_core.privacy import keep_files_private
from assess_core.settings import ApiSettings, Settings
from assess_core.usecases.examining import Examiner
from assess_core.usecases.granting import Granting
from assess_core.usecases.operating import Operating
from assess_core.usecases.queries import Queries
from assess_core.wiring import (
    is_embedded,
    open_facts,
    open_ledger,
    open_meters,
    open_requesting,
    open_stores,
    open_tokens,
    start_lake_threads,
)
from assess_core.wiring.examining import examine
from assess_core.wiring.grants import open_grants
from assess_core.wiring.places import clock
from graphql_api.app import create_app
from graphql_api.dataset import ReportRequests
from graphql_api.hosts import Hosts, is_loopback
from graphql_api.protocol import MOST_CONNECTIONS, LimitedProtocol
from graphql_api.throttle import ApiLimits
from graphql_api.workers import EMBEDDED_SCORE_THREADS, QUICK_THREADS


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; others than loopback need keys."
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free port.")
@click.option("--insecure", is_flag=True, help="Listen beyond this machine although every client can do everything.")
@click.pass_context
def main(ctx: click.Context, host: str, port: int, insecure: bool) -> None:
    """Serve GraphQL, GraphiQL, the read API and the write API until SIGINT or SIGTERM."""
    keep_files_private()
    try:
        settings = Settings.from_env(os.environ)
        use(settings.messages)
        tracing.start(settings.traces, "assess-api")
        tokens = open_tokens(settings, _notify)
        if not is_loopback(host) and not insecure:
            _require_keys(settings.api, host)
        hosts, tls = _hosts(settings.api, tokens is not None), _tls(settings.api)
        stores = open_stores(settings)
        facts = open_facts(settings.facts, _notify)
        listening = _listen(host, port)
        grants = open_grants(settings)
        intake = stores.log.intake()
        requests = ReportRequests.of(open_requesting(settings), stores.exhausts, settings.public_url)
    except AssessError as error:
        _notify(str(error))
        ctx.exit(error.exit_code)
    _allow_open_files(2 * MOST_CONNECTIONS)
    queries = Queries(stores, settings.grace, clock)
    limits, origins = ApiLimits.of(settings.api), tuple(filter(None, settings.api.origins.split(",")))
    granting = Granting(grants, _notify) if grants is not None else None
    operating, meters = Operating(stores, open_ledger, clock, facts), open_meters(settings)
    env = dict(os.environ)
    examiner = Examiner(lambda: examine(settings, env, clock(), _notify, stores), clock, time.monotonic)
    threads = EMBEDDED_SCORE_THREADS if is_embedded(settings) else QUICK_THREADS
    app = create_app(
        queries, intake, facts, tokens, hosts, requests, limits, origins, operating, meters, granting, examiner, threads
    )
    own_format: dict[str, Any] = {"log_config": None} if is_json() else {}  # uvicorn would write its lines as text
    config = uvicorn.Config(
        app,
        log_level="warning",
        http=LimitedProtocol,
        ws="none",
        limit_concurrency=MOST_CONNECTIONS,
        forwarded_allow_ips=settings.api.proxies,
        **own_format,
        **tls,
    )
    server = uvicorn.Server(config)

    def stop(_number: int, _frame: FrameType | None) -> None:
        """Stop a server that is not running yet. Later uvicorn stops, and then raises the signal again: exit code 0."""
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    start_lake_threads()  # a thread of a long question would give them its low priority for good
    address = f"[{host}]" if ":" in host else host
    write_message(f"API on {'https' if tls else 'http'}://{address}:{listening.getsockname()[1]}/graphiql")
    if not is_loopback(host):
        if tokens is None:
            _notify(f"no keys are set: any client of {host} can read and write everything; put a gateway before it")
        if not tls:
            _notify("tokens and answers are not encrypted; set ASSESS_API_TLS_CERT, or put a proxy with TLS before it")
    gc.collect()
    gc.freeze()  # what was made at the start stays; a search through it would stop all requests
    try:
        server.run(sockets=[listening])
    finally:
        intake.close()


def _notify(text: str) -> None:
    write_message(f"assess: {text}")


def _allow_open_files(wanted: int) -> None:
    """Raises the limit of open files as far as the system allows: each connection is one, and 1,024 is common."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _require_keys(api: ApiSettings, host: str) -> None:
    """Raise `BadSettings` if other machines could do everything, or forge a token with a shared secret."""
    if not api.keys:
        what = "ASSESS_API_SECRET is for development" if api.secret else "without keys every client can do everything"
        raise BadSettings(
            f"--host {host}: {what}; set ASSESS_API_KEYS, or listen on 127.0.0.1, or type --insecure behind a gateway"
        )


def _hosts(api: ApiSettings, has_tokens: bool) -> Hosts | None:
    """The host names to answer to; None for every name: a page of another site has no token."""
    return Hosts.parse(api.hosts) if api.hosts or not has_tokens else None


def _tls(api: ApiSettings) -> dict[str, Any]:
    """The options of uvicorn for TLS; none without a certificate. Raises `BadSettings`."""
    if not api.tls_cert and not api.tls_key:
        return {}
    if not api.tls_cert or not api.tls_key:
        raise BadSettings("ASSESS_API_TLS_CERT and ASSESS_API_TLS_KEY belong together; set both or neither")
    try:
        for path in map(Path, (api.tls_cert, api.tls_key)):
            if path.exists() and not path.is_file():  # a pipe would keep the start waiting
                raise BadSettings(
                    f"ASSESS_API_TLS_CERT, ASSESS_API_TLS_KEY: {str(path)!r} is no regular file; use PEM files"
                )
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(api.tls_cert, api.tls_key, password=lambda: b"")
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise BadSettings(
            f"ASSESS_API_TLS_CERT, ASSESS_API_TLS_KEY: {error.strerror or error}; use PEM files of one certificate"
            if isinstance(error, OSError)
            else "ASSESS_API_TLS_KEY needs a password; use a key without one"
        ) from error
    return {"ssl_certfile": api.tls_cert, "ssl_keyfile": api.tls_key}


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
