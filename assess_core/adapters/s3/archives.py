"""Old archives in a bucket. Each is copied to a temporary file, checked and read there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from assess_core.adapters.files.archive_content import content_of
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.adapters.s3.bucket import Bucket
from assess_core.domain.archive_files import ENDINGS, ArchiveFile, is_archive
from assess_core.errors import BadArchives, StoreUnavailable
from assess_core.ports.archive_files import Content

_CHUNK: Final = 1024 * 1024


class BucketArchives:
    """`ports.ArchiveFiles` below an s3:// URL, or of the object that it names."""

    def __init__(self, bucket: Bucket) -> None:
        """Lists the objects. Raises `BadArchives` if there are none, `StoreUnavailable`."""
        self._bucket = bucket
        self.files = sorted(map(self._file, self._objects()), key=lambda file: file.order)
        if not self.files:
            raise BadArchives(f"{bucket.url} has no object that ends in {' or '.join(ENDINGS)}; check the address")

    def _objects(self) -> Iterator[dict[str, Any]]:
        access, prefix = self._bucket.access, self._bucket.prefix
        with self._bucket.translated():
            pages = access.client.get_paginator("list_objects_v2").paginate(Bucket=access.bucket, Prefix=prefix)
            for found in (found for page in pages for found in page.get("Contents", [])):
                key = found["Key"]
                within = key.removeprefix(prefix).removeprefix("/") or key
                if is_archive(within) and (not prefix or key == prefix or key.startswith(f"{prefix}/")):
                    yield found

    def _file(self, found: dict[str, Any]) -> ArchiveFile:
        url = f"s3://{self._bucket.access.bucket}/{found['Key']}"
        return ArchiveFile(url, found["Size"], str(found["ETag"]))

    @contextmanager
    def open(self, file: ArchiveFile) -> Iterator[Content]:
        with temporary_folder("assess-import-") as folder:
            copy = Path(folder) / "archive"
            self._download(file, copy)
            yield content_of(copy, file.url)

    def _download(self, file: ArchiveFile, target: Path) -> None:
        access = self._bucket.access
        key = file.url.removeprefix(f"s3://{access.bucket}/")
        try:
            with self._bucket.translated(), target.open("wb") as copy:
                body = access.client.get_object(Bucket=access.bucket, Key=key)["Body"]
                for chunk in body.iter_chunks(_CHUNK):
                    copy.write(chunk)
        except OSError as error:
            raise StoreUnavailable(
                f"no room to copy {file.url} ({error.strerror}); free some, or set TMPDIR to another folder"
            ) from error
