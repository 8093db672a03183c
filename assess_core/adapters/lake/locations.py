"""A local folder as the location of a lake's tables."""

import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from assess_core.adapters.files.atomic_write import atomic_write, temporaries
from assess_core.errors import BadSettings
from assess_core.ports.findings import Finding

if TYPE_CHECKING:
    import duckdb

# deltalake 1.6.6 finds no table (or panics) below a folder with one of these in its name
_REFUSED: Final = re.compile(r"%[0-9A-Fa-f]{2}|[\x00-\x1f\x7f\\\[\]|^]")


class Folder(NamedTuple):
    """A local folder."""

    path: Path

    @classmethod
    def of(cls, setting: str, path: Path) -> "Folder":
        """A folder for tables. Raises `BadSettings` for a name that deltalake cannot handle."""
        if found := _REFUSED.search(str(path)):
            raise BadSettings(
                f"{setting}: {str(path)!r} has {found.group()!r} in it, which the Delta library cannot handle; "
                "choose a folder with a plain name"
            )
        return cls(path)

    @property
    def url(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def advice(self) -> str:
        return "see that the folder can be written and has room"

    def within(self, name: str) -> "Folder":
        return Folder(self.path / name)

    def options(self) -> None:
        return None

    def attach(self, duck: "duckdb.DuckDBPyConnection") -> None:
        return

    def names(self) -> set[str]:
        return {path.name for path in self.path.iterdir()} if self.path.exists() else set()

    def files(self) -> Iterator[str]:
        return (str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def fetch(self, name: str, target: Path) -> None:
        shutil.copyfile(self.path / name, target)

    def put(self, name: str, source: Path) -> None:
        path = self.path / name
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        with atomic_write(path) as temporary:
            shutil.copyfile(source, temporary)

    def delete(self, names: Collection[str]) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def delete_all(self, folder: str) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path / folder)

    def temporaries(self, seconds: float) -> Iterator[str]:
        return (str(path.relative_to(self.path)) for path in temporaries(self.path, seconds))

    def mark(self, name: str) -> tuple[int, ...] | None:
        try:
            found = (self.path / name).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def sources(self, names: Sequence[str]) -> Iterator[str]:
        return (str(self.path / name) for name in names)

    def is_missing(self, url: str, error: Exception) -> bool:
        return not Path(url).exists()

    def fault(self, error: BaseException) -> None:
        return None

    def examine(self, what: str) -> Iterator[Finding]:
        yield from ()
