"""Locations for a lake, one of each kind, and access to their files."""

from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.s3.bucket import Bucket
from tests.servers import S3


class Store(NamedTuple):
    """The files at a location."""

    place: Location

    def names(self) -> list[str]:
        """The names of all files, relative to the location."""
        if isinstance(self.place, Folder):
            root = self.place.path
            return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        pages = _client(self.place).get_paginator("list_objects_v2").paginate(**_where(self.place, Prefix=""))
        start = len(_bucket(self.place).key(""))
        return sorted(found["Key"][start:] for page in pages for found in page.get("Contents", []))

    def read(self, name: str) -> bytes:
        if isinstance(self.place, Folder):
            return (self.place.path / name).read_bytes()
        content: bytes = _client(self.place).get_object(**_where(self.place, Key=name))["Body"].read()
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file, like another program or a failing disk."""
        if isinstance(self.place, Folder):
            (self.place.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place.path / name).write_bytes(content)
        else:
            _client(self.place).put_object(**_where(self.place, Key=name), Body=content)

    def remove(self, name: str) -> None:
        if isinstance(self.place, Folder):
            (self.place.path / name).unlink()
        else:
            _client(self.place).delete_object(**_where(self.place, Key=name))

    def files(self, table: str) -> list[str]:
        """The Parquet files of a table."""
        return [name for name in self.names() if name.startswith(f"{table}/") and name.endswith(".parquet")]


def _bucket(place: Location) -> Bucket:
    assert isinstance(place, Bucket)
    return place


def _client(place: Location) -> Any:
    return _bucket(place).access.client


def _where(place: Location, **keys: str) -> dict[str, str]:
    bucket = _bucket(place)
    return {"Bucket": bucket.access.bucket} | {name: bucket.key(key) for name, key in keys.items()}


def at(url: str) -> Location:
    """The location of a path or an s3:// URL."""
    return Bucket.of("ASSESS_LAKE", url) if url.startswith("s3://") else Folder(Path(url))


def in_s3(s3: S3, monkeypatch: pytest.MonkeyPatch, **changed: str) -> str:
    """Sets the environment for S3 with the variables in `changed`. Returns an s3:// URL for one test."""
    for name, value in {**s3.env, "AWS_EC2_METADATA_DISABLED": "true", **changed}.items():
        monkeypatch.setenv(name, value)
    return f"{s3.root}/test-{uuid4().hex}"


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Location:
    """An empty location, once for each kind."""
    if request.param == "folder":
        return Folder(tmp_path / "lake")
    return at(in_s3(request.getfixturevalue("s3"), monkeypatch))
