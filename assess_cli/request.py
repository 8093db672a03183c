"""`assess request`: requests for reports: submit, list, show, cancel and download them, and work on them."""

import getpass
import os
import secrets
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from assess_cli.output import Format, emit_json, emit_rows, format_options, notify
from assess_cli.passwords import first_line
from assess_core.domain.json_text import is_too_deep
from assess_core.domain.moments import iso, parse_duration
from assess_core.domain.report_jobs import Job, JobStatus
from assess_core.domain.report_request import DATASETS, Requester, parse_request, text
from assess_core.errors import AssessError, BadRequest
from assess_core.settings import Settings
from assess_core.usecases.notifying import send_notices
from assess_core.usecases.report_work import Work, delete_old_files, work_one
from assess_core.usecases.requesting import MOST_LISTED, Filters, require_files
from assess_core.wiring import open_exhausts, open_output, open_requesting, open_work

COLUMNS: Final = ("request", "tag", "dataset", "status", "percent", "tries", "submitted", "message")
_POLL: Final = 1.0  # seconds between two looks at an empty queue
_DELETE_EVERY: Final = 600.0  # seconds
_SHORTEST_LEASE: Final = 1000  # ms; a worker must be able to renew it
_F = TypeVar("_F", bound=Callable[..., Any])

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def _checked(_ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A text that can be stored. Raises `BadRequest`."""
    return None if value is None else text(value, (parameter.name or "").strip("_"))


def _user_name() -> str:
    """The name of the user; in a container with a user of no name, its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _of_channel(command: _F) -> _F:
    explained = "The channel (tenant) of the request."
    return click.option("--channel", default="local", show_default=True, callback=_checked, help=explained)(command)


@click.group()
def request() -> None:
    """Requests for reports, which workers serve one after the other, fairly between channels.

    The API takes the same requests (docs/api.md). Times are in UTC.

    \b
    Examples:
      assess request submit --tag march --dataset response-exhaust --config '{"batchId": "BATCH"}'
      assess request work
      assess request list march
      assess request download march REQUEST --folder reports/
    """


@request.command()
@click.option("--tag", required=True, help="A name of your choice; requests are listed by their tag.")
@click.option("--dataset", required=True, type=click.Choice(list(DATASETS)), help="The report.")
@click.option(
    "--config", required=True, help='One batch, or several in batchFilter, and filters, as JSON: {"batchId": "B"}.'
)
@click.option("--format", "format_", help="The format of the files, csv by default.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Write encrypted zip files (AES-256), with the password in the first line of this file.",
)
@click.option("--by", "requester", default=_user_name, callback=_checked, help="Who asks; by default your user name.")
@_of_channel
@click.pass_obj
def submit(
    settings: Settings,
    tag: str,
    dataset: str,
    config: str,
    format_: str | None,
    password_file: Path | None,
    requester: str,
    channel: str,
) -> None:
    """Submit a request and print its id. The same request on the same day prints the same id.

    \b
    Examples:
      assess request submit --tag march --dataset score-exhaust --config '{"batchId": "BATCH"}'
      assess request submit --tag march --dataset score-exhaust --config '{"batchFilter": ["BATCH-1", "BATCH-2"]}'
    """
    requesting = open_requesting(settings)
    asked: dict[str, object] = {
        "tag": tag,
        "dataset": dataset,
        "datasetConfig": _config(config),
        "output_format": format_,
    }
    if password_file is not None:
        asked["encryptionKey"] = first_line(password_file)
    wanted = parse_request(asked, Requester(channel, requester), requesting.rules)
    job = requesting.submit(wanted.request, wanted.password)
    notify(_line(job))
    click.echo(job.id)


@request.command("list")
@click.argument("tag", required=False, callback=_checked)
@click.option("--status", type=click.Choice([status.value for status in JobStatus]), help="Only with this status.")
@click.option("--limit", type=click.IntRange(1, MOST_LISTED), default=20, show_default=True)
@format_options()
@_of_channel
@click.pass_obj
def list_(settings: Settings, tag: str | None, status: str | None, limit: int, format_: Format, channel: str) -> None:
    """List the newest requests of a channel, or of TAG."""
    requesting = open_requesting(settings, only_reads=True)
    asker, filters = _all_of(channel), Filters(status=JobStatus(status) if status else None)
    jobs = requesting.search(asker, filters, limit) if tag is None else requesting.of_tag(asker, tag, limit, filters)
    emit_rows(COLUMNS, map(_row, jobs), format_)


@request.command()
@click.argument("tag", callback=_checked)
@click.argument("id_", metavar="REQUEST", callback=_checked)
@_of_channel
@click.pass_obj
def show(settings: Settings, tag: str, id_: str, channel: str) -> None:
    """Print a request and its files as JSON. Exit code 3 if it does not exist."""
    job = open_requesting(settings, only_reads=True).read(_all_of(channel), tag, id_)
    more = {"config": msgspec.Raw(job.request.config.encode()), "files": job.files, "notice": job.notice}
    emit_json(_row(job) | more)


@request.command()
@click.argument("tag", callback=_checked)
@click.argument("id_", metavar="REQUEST", callback=_checked)
@_of_channel
@click.pass_obj
def cancel(settings: Settings, tag: str, id_: str, channel: str) -> None:
    """Cancel a request that is not finished; its worker stops within seconds. Exit code 4 if it is finished."""
    notify(_line(open_requesting(settings).cancel(_all_of(channel), tag, id_)))


@request.command()
@click.argument("tag", callback=_checked)
@click.argument("id_", metavar="REQUEST", callback=_checked)
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where to write; default: here."
)
@_of_channel
@click.pass_obj
def download(settings: Settings, tag: str, id_: str, folder: Path, channel: str) -> None:
    """Write the files of a finished request into a folder and print their paths.

    An existing file of the same name is replaced when the new one is complete.
    """
    job = open_requesting(settings, only_reads=True).read(_all_of(channel), tag, id_)
    require_files(job)
    exhausts = open_exhausts(settings)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (name for file in job.files for name in file.names):
        target = folder / name.rpartition("/")[2]
        with open_output(str(target), None).write() as temporary, temporary.open("wb") as written:
            for chunk in exhausts.read(name).chunks:
                written.write(chunk)
        click.echo(str(target))


@request.command()
@click.option("--follow", is_flag=True, help="Wait for more requests until Ctrl-C or SIGTERM.")
@click.option("--most", type=click.IntRange(1), help="End after this number of requests.")
@click.option("--lease", help="How long a request of a killed worker waits for another one, like 60s (the default).")
@click.pass_obj
def work(settings: Settings, follow: bool, most: int | None, lease: str | None) -> None:
    """Work on submitted requests until none is ready. Start it several times to work on several at once.

    A killed worker loses nothing: after a minute another worker continues at the batch that was not finished. It also
    deletes the files of old requests (ASSESS_KEEP_REPORTS).

    \b
    Examples:
      assess request work
      assess request work --follow
    """
    opened = open_work(settings)
    if lease is not None:
        time_ = max(parse_duration(lease, "--lease"), _SHORTEST_LEASE)
        opened = opened._replace(rules=opened.rules._replace(lease=time_))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM gives the request back, like Ctrl-C
    done = Counter[JobStatus]()
    try:
        _work(opened, follow, most, done)
    except KeyboardInterrupt:
        notify("stopped; a request that is not finished is left to another worker")
    notify(", ".join(f"{count:,} {status}" for status, count in sorted(done.items())) or "no request was ready")


def _work(opened: Work, follow: bool, most: int | None, done: "Counter[JobStatus]") -> None:
    worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    delete_at = time.monotonic()
    while most is None or done.total() < most:
        try:
            if time.monotonic() >= delete_at:
                delete_at = time.monotonic() + _DELETE_EVERY
                for old in delete_old_files(opened):
                    notify(f"{old.id}: old files deleted")
            tried = 0
            for noticed in send_notices(opened):
                tried += 1
                notify(_noticed(noticed))
            job = work_one(opened, worker)
        except AssessError as error:
            if not (follow and error.retryable):
                raise
            notify(f"assess: {error}")
            time.sleep(_POLL)
            continue
        if job is not None:
            done[job.status] += 1
            notify(_line(job))
        elif follow:
            time.sleep(_POLL)
        elif not tried:  # the next call of `send_notices` could send more
            return


def _all_of(channel: str) -> Requester:
    """Who asks about the requests of a channel: this user sees those of everyone."""
    return Requester(channel, _user_name())


def _line(job: Job) -> str:
    because = f": {job.message}" if job.message else ""
    return f"{job.id} {job.request.dataset} of {job.request.tag}: {job.status}, {job.percent} %{because}"


def _noticed(job: Job) -> str:
    notice = job.notice
    assert notice is not None
    if notice.sent_at is not None:
        return f"{job.id}: notice sent"
    return f"{job.id}: notice {'given up' if notice.due is None else 'waits'}: {notice.problem}"


def _row(job: Job) -> dict[str, object]:
    return {
        "request": job.id,
        "tag": job.request.tag,
        "dataset": job.request.dataset,
        "status": job.status,
        "percent": job.percent,
        "tries": job.tries,
        "submitted": iso(job.submitted_at),
        "message": job.message,
    }


def _config(text: str) -> dict[str, Any]:
    raw = text.encode(errors="replace")
    try:
        if is_too_deep(raw):
            raise BadRequest("--config is nested too deeply")
        return _decode(raw)
    except msgspec.DecodeError as error:
        raise BadRequest(f'--config is not a JSON object ({error}); write it like {{"batchId": "BATCH"}}') from None
