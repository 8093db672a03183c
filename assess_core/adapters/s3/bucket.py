"""A prefix of an S3 bucket, for tables and for reports."""

import errno
import os
import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import duckdb
import pyarrow as pa
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import S3Transfer
from botocore.exceptions import BotoCoreError, ClientError

from assess_core.adapters.files.decoding import decoded
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.adapters.s3.access import Access, split, status_of
from assess_core.domain.report_formats import MEDIA_TYPES
from assess_core.domain.signed_links import LINK_TIME
from assess_core.errors import AssessError, LinkExpired, LinkRefused, ReportFailed, StoreUnavailable
from assess_core.ports.erasures import Text
from assess_core.ports.findings import Finding, Level
from assess_core.ports.links import Link
from assess_core.ports.reports import StoredReport

_CHUNK: Final = 256 * 1024
_AT_ONCE: Final = 8  # parallel requests: the manifest has up to 32 files, and each costs a round trip


class Bucket(NamedTuple):
    """A `Location`: a prefix of a bucket."""

    access: Access
    prefix: str
    """Without slashes at its ends. An empty prefix is the whole bucket."""

    @classmethod
    def of(cls, setting: str, url: str) -> "Bucket":
        """The location of `s3://bucket/prefix`; sends no request yet. Raises `BadSettings`."""
        bucket, prefix = split(setting, url)
        return cls(Access(setting, bucket), prefix)

    @property
    def url(self) -> str:
        return f"s3://{self.access.bucket}/{self.prefix}".rstrip("/")

    @property
    def name(self) -> str:
        return PurePosixPath(self.prefix).name

    @property
    def advice(self) -> str:
        return f"see what `assess doctor` says of {self.access.setting}"

    def within(self, name: str) -> "Bucket":
        return Bucket(self.access, self.key(name))

    def key(self, name: str) -> str:
        """The key of the object with this name inside."""
        return f"{self.prefix}/{name}".lstrip("/")

    def options(self) -> dict[str, str]:
        return self.access.options()

    def attach(self, duck: duckdb.DuckDBPyConnection) -> None:
        self.access.attach(duck)

    def names(self) -> set[str]:
        start, names = self.key(""), set[str]()
        with self.translated():
            pages = self.access.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.access.bucket, Prefix=start, Delimiter="/"):
                folders = (found["Prefix"].rstrip("/") for found in page.get("CommonPrefixes", []))
                files = (found["Key"] for found in page.get("Contents", []))
                names.update(key.removeprefix(start) for key in (*folders, *files))
        return names

    def files(self) -> Iterator[str]:
        start = self.key("")
        with self.translated():
            pages = self.access.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.access.bucket, Prefix=start):
                yield from (found["Key"].removeprefix(start) for found in page.get("Contents", []))

    def temporaries(self, seconds: float) -> Iterator[str]:
        yield from ()

    def mark(self, name: str) -> str | None:
        with self.translated():
            try:
                found = self.access.client.head_object(Bucket=self.access.bucket, Key=self.key(name))
            except ClientError as error:
                if status_of(error) == 404:
                    return None
                raise
        return f"{found.get('ETag')} {found.get('LastModified')}"

    def sources(self, names: Sequence[str]) -> Iterator[pa.Buffer]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from map(pa.py_buffer, pool.map(self.read, names))

    def read(self, name: str) -> bytes:
        with self.translated():
            try:
                found = self.access.client.get_object(Bucket=self.access.bucket, Key=self.key(name))
                content: bytes = found["Body"].read()
            except self.access.client.exceptions.NoSuchKey:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{self.url}/{name}") from None
        return content

    def fetch(self, name: str, target: Path) -> None:
        with self.translated():
            try:
                S3Transfer(self.access.client).download_file(self.access.bucket, self.key(name), str(target))
            except ClientError as error:
                if status_of(error) == 404:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{self.url}/{name}") from None
                raise

    def put(self, name: str, source: Path) -> None:
        with self.translated():
            try:
                S3Transfer(self.access.client).upload_file(str(source), self.access.bucket, self.key(name))
            except S3UploadFailedError as error:
                if isinstance(error.__context__, BotoCoreError | ClientError):
                    raise error.__context__ from None
                raise StoreUnavailable(f"{self.url} cannot be used: {error}; {self.advice}") from error

    def delete(self, names: Collection[str]) -> None:
        with self.translated():
            for name in names:  # one request each: not every server has the request that deletes many
                self.access.client.delete_object(Bucket=self.access.bucket, Key=self.key(name))

    def delete_all(self, folder: str) -> None:
        start = self.key(f"{folder}/")
        with self.translated():
            pages = self.access.client.get_paginator("list_objects_v2")
            for found in pages.paginate(Bucket=self.access.bucket, Prefix=start):
                for one in found.get("Contents", []):
                    self.access.client.delete_object(Bucket=self.access.bucket, Key=one["Key"])

    def is_missing(self, url: str, error: Exception) -> bool:
        return status_of(error) == 404

    def fault(self, error: BaseException) -> AssessError | None:
        return self.access.fault(error)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Translate errors of botocore to ours."""
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise self.fault(error) or StoreUnavailable(f"{self.url} cannot be used: {error}; {self.advice}") from error

    def examine(self, what: str) -> Iterator[Finding]:
        """Check that the bucket exists, and that the server refuses the second of two conditional puts."""
        _, method = self.access.credentials()
        client, bucket, address = self.access.client, self.access.bucket, self.access.address
        with self.translated():
            started = time.perf_counter()
            answer = client.head_bucket(Bucket=bucket)
            took = (time.perf_counter() - started) * 1000
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        server = headers.get("server", "S3")
        message = f"{self.url} at {address.scheme}://{address.host} ({server}), credentials by {method}, {took:.0f} ms"
        there = headers.get("x-amz-bucket-region", address.region)
        if there != address.region:
            yield Finding(Level.BAD, what, f"{message}; the bucket is in {there}", f"export AWS_REGION={there}")
            return
        yield Finding(Level.OK, what, message)
        yield from self._examine_writes(what)

    def _examine_writes(self, what: str) -> Iterator[Finding]:
        client, bucket = self.access.client, self.access.bucket
        key = self.key(f".assess-doctor-{secrets.token_hex(8)}")
        with self.translated():
            client.put_object(Bucket=bucket, Key=key, Body=b"first", IfNoneMatch="*")
            try:
                is_refused = self._is_refused(key)
            finally:
                client.delete_object(Bucket=bucket, Key=key)
        if is_refused:
            yield Finding(Level.OK, what, "the server refuses a conditional put of an existing object")
        else:
            yield Finding(
                Level.BAD,
                what,
                "the server accepted a second put with If-None-Match, so concurrent archivers would lose a commit",
                "use a server with conditional puts: AWS S3, or a recent version of MinIO, SeaweedFS or Ceph",
            )

    def _is_refused(self, key: str) -> bool:
        try:
            self.access.client.put_object(Bucket=self.access.bucket, Key=key, Body=b"second", IfNoneMatch="*")
        except ClientError as error:
            if status_of(error) in (409, 412):
                return True
            raise
        return False


class BucketExhausts:
    """`ports.Exhausts` in a bucket: a report is written to a local temporary file, then uploaded as a whole."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def path(self, name: str) -> str:
        return f"{self._bucket.url}/{name}"

    @contextmanager
    def atomic_write(self, name: str) -> Iterator[Path]:
        with _room(self.path(name)) as folder:
            temporary = folder / PurePosixPath(name).name
            yield temporary
            self._upload(temporary, name)

    def _upload(self, temporary: Path, name: str) -> None:
        # large files are uploaded in parts: the object appears with the last part, and a failed upload is aborted
        access = self._bucket.access
        extra = {"ContentType": MEDIA_TYPES.get(temporary.suffix, "application/octet-stream")}
        try:
            transfer = S3Transfer(access.client)
            transfer.upload_file(str(temporary), access.bucket, self._bucket.key(name), extra_args=extra)
        except (BotoCoreError, ClientError, S3UploadFailedError) as error:
            cause = error.__context__ if isinstance(error, S3UploadFailedError) else error
            fault = access.fault(cause or error)
            if fault is not None:
                raise fault from error
            message = f"cannot write {self.path(name)}: {error}; nothing was left behind"
            raise ReportFailed(message) from error

    def read(self, name: str) -> StoredReport:
        access = self._bucket.access
        with self._bucket.translated():
            try:
                found = access.client.get_object(Bucket=access.bucket, Key=self._bucket.key(name))
            except access.client.exceptions.NoSuchKey:
                raise LinkExpired("the report does not exist any more; submit its request again") from None
        return StoredReport(found["ContentLength"], self._chunks(found["Body"]))

    def _chunks(self, body: Any) -> Iterator[bytes]:
        with self._bucket.translated():
            yield from body.iter_chunks(_CHUNK)

    def delete(self, name: str) -> None:
        self._bucket.delete([name])
        self._bucket.delete_all(name)

    def delete_temporaries(self) -> None:
        """Unfinished reports are in temporary folders."""

    def texts(self) -> Iterator[tuple[str, Iterator[Text]]]:
        for name in sorted(self._bucket.files()):
            with _room(self.path(name)) as folder:
                local = folder / "file"
                with suppress(FileNotFoundError):  # deleted since; then it holds nothing
                    self._bucket.fetch(name, local)
                yield name, decoded(local, name)

    def examine(self) -> Iterator[Finding]:
        return self._bucket.examine("exhausts")


class BucketLinks:
    """`ports.Links`: presigned URLs of the bucket, which serves the files itself."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def link(self, name: str, now: int) -> Link:
        access = self._bucket.access
        where = {"Bucket": access.bucket, "Key": self._bucket.key(name)}
        with self._bucket.translated():
            url: str = access.client.generate_presigned_url("get_object", Params=where, ExpiresIn=LINK_TIME // 1000)
        return Link(url, now + LINK_TIME)

    def require_valid(self, name: str, expires: str, signature: str, now: int) -> None:
        raise LinkRefused("this API serves no files; read the request again, and use the link in downloadUrls")


@contextmanager
def _room(path: str) -> Iterator[Path]:
    try:
        with temporary_folder("assess-exhaust-") as folder:
            yield Path(folder)
    except OSError as error:
        raise StoreUnavailable(
            f"no room to write {path} before it is uploaded ({error.strerror}); free some, or set TMPDIR to another "
            "folder, and run it again: nothing was left behind"
        ) from error
