"""Credentials and endpoint of S3, as botocore finds them in the usual AWS configuration.

The configuration has profiles, environment, web identity, container and instance roles, AWS_ENDPOINT_URL,
AWS_ENDPOINT_URL_S3, regions and addressing style. DuckDB and deltalake get the decisions of botocore, because each of
them would decide differently.
"""

import re
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import duckdb
import duckdb_extension_httpfs
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from botocore.session import Session, get_session

from assess_core.adapters.duckdb.connection import literal
from assess_core.errors import AssessError, BadSettings, LakeConflict, StoreUnavailable
from assess_core.privacy import hidden

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

_ATTEMPTS: Final = 5  # about 7 s of waiting in each of the three libraries, unless AWS_MAX_ATTEMPTS is set
_CONNECT: Final = 5  # seconds
_ANSWER: Final = 20  # seconds for an answer: a part of a file has 10 MB at most
_WAIT: Final = 500  # ms before the second attempt; twice as long before each other one
_REGION: Final = "us-east-1"  # for self-hosted servers, which have no regions
_REGIONS: Final = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], _REGION, None)}
"""botocore reads only the second variable; the other AWS libraries also read the first."""
_AMAZON: Final = (".amazonaws.com", ".amazonaws.com.cn")

# one for all clients of a process: without it, each client parses the description of S3 again, which takes 0.1 s
_loader: Final = cache(create_loader)

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# no `%`, which deltalake decodes, and nothing that has to be quoted in a URL or is a pattern to DuckDB
_PREFIX: Final = re.compile(r"([A-Za-z0-9_=-][A-Za-z0-9._=-]*(/|$))*")

_STATUS: Final = re.compile(r"non-2xx status code\W*(?:\x1b\[\d+m\W*)*(\d{3}) ")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>|HTTP \d{3}[^)]*\)\n\n(\w+): ")
_ESCAPES: Final = re.compile(r"\x1b\[\d+m|↳")
_NO_ANSWER: Final = re.compile(
    r"HTTP error|error sending request|timed out|error decoding response body| error for HTTP "
)
# the messages of OpenSSL (botocore), rustls (deltalake) and curl (DuckDB)
_UNTRUSTED: Final = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer|SSL (?:peer|server) (?:certificate|verification)"
)
_DENIED: Final = {400, 401, 403}
_ELSEWHERE: Final = {301, 307}
_CONFLICT: Final = {409, 412}


class Address(NamedTuple):
    """The endpoint for a bucket's requests."""

    scheme: str
    host: str
    """With its port, and without the bucket in either style."""
    path_style: bool
    """Whether a URL has the bucket in its path, and not before the host."""
    region: str


class _Found(NamedTuple):
    session: Session
    client: Any
    address: Address
    attempts: int


class Access:
    """The connection settings of one bucket, looked up at the first use. Any thread may use it.

    Credentials are looked up at each use. Errors name `setting`. Raises `BadSettings` if the AWS configuration cannot
    be used or has no credentials.
    """

    def __init__(self, setting: str, bucket: str) -> None:
        self.setting = setting
        self.bucket = bucket
        self._lock = Lock()
        self._found: _Found | None = None

    @property
    def client(self) -> Any:
        """botocore's client; it renews its credentials by itself."""
        return self._find().client

    @property
    def address(self) -> Address:
        return self._find().address

    def credentials(self) -> "tuple[ReadOnlyCredentials, str]":
        """Key, secret and token that are valid now, and how they were found."""
        session = self._find().session
        try:
            found = session.get_credentials()
            if found is None:
                raise self._no_credentials()
            return found.get_frozen_credentials(), found.method
        except BotoCoreError as error:
            raise self.fault(error) or self._unusable(error) from error

    def options(self) -> dict[str, str]:
        """deltalake's storage options."""
        (key, secret, token, *_), _ = self.credentials()
        found = self._find()
        scheme, host, path_style, region = found.address
        options = {
            "AWS_ACCESS_KEY_ID": str(key),
            "AWS_SECRET_ACCESS_KEY": str(secret),
            "AWS_REGION": region,
            "AWS_ENDPOINT_URL": f"{scheme}://{host}" if path_style else f"{scheme}://{self.bucket}.{host}",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": str(not path_style).lower(),
            "AWS_ALLOW_HTTP": str(scheme == "http").lower(),
            "aws_conditional_put": "etag",
            "connect_timeout": f"{_CONNECT}s",
            "timeout": f"{_ANSWER}s",
            "max_retries": str(found.attempts - 1),
            "retry_timeout": f"{found.attempts * _ANSWER}s",
            "backoff_config.init_backoff": f"{_WAIT}ms",
        }
        return options | ({"AWS_SESSION_TOKEN": token} if token else {})

    def attach(self, duck: duckdb.DuckDBPyConnection) -> None:
        """Load httpfs from its Python package and give the credentials to a connection. Downloads nothing."""
        (key, secret, token, *_), _ = self.credentials()
        found = self._find()
        scheme, host, path_style, region = found.address
        parts = {
            "KEY_ID": key,
            "SECRET": secret,
            "SESSION_TOKEN": token or "",
            "REGION": region,
            "ENDPOINT": host,
            "URL_STYLE": "path" if path_style else "vhost",
        }
        given = ", ".join(f"{name} {literal(value)}" for name, value in parts.items() if value)
        duck.execute(f"LOAD {literal(str(self.extension()))}")
        duck.execute(
            f"""
            -- GLOBAL, because cursors do not inherit a connection's own settings
            SET GLOBAL http_timeout = {_ANSWER}; SET GLOBAL http_retries = {found.attempts - 1};
            SET GLOBAL http_retry_wait_ms = {_WAIT}; SET GLOBAL http_retry_backoff = 2;
            -- names are not patterns; files never change, so one HEAD per file is enough, not one per query
            SET GLOBAL s3_url_compatibility_mode = true;
            SET GLOBAL enable_http_metadata_cache = true; SET GLOBAL validate_external_file_cache = 'NO_VALIDATION';
            """
        )
        if authority := found.session.get_config_variable("ca_bundle"):
            duck.execute(f"SET GLOBAL ca_cert_file = {literal(authority)}")
        duck.execute(f"CREATE OR REPLACE SECRET (TYPE s3, {given}, USE_SSL {scheme == 'https'})")

    def extension(self) -> Path:
        """The httpfs extension for the DuckDB that runs here. Raises `BadSettings` if there is none."""
        folder = Path(str(duckdb_extension_httpfs.__file__)).parent / "extensions" / f"v{duckdb.__version__}"
        path = folder / "httpfs.duckdb_extension"
        if not path.is_file():
            raise BadSettings(
                f"{self.setting}: the package duckdb-extension-httpfs has nothing for DuckDB {duckdb.__version__}; "
                f"pip install duckdb-extension-httpfs=={duckdb.__version__}"
            )
        return path

    def fault(self, error: BaseException) -> AssessError | None:
        """Our error, if an error of botocore, DuckDB or deltalake is about the bucket or the connection; else None.

        The message quotes the status and S3's code. If nothing answered, it quotes the line of the driver's error that
        has the cause.
        """
        if isinstance(error, AssessError):
            return error
        status, code = status_of(error), _code_of(error)
        said = " ".join(str(part) for part in (status, code) if part)
        if status in _DENIED:
            self._forget()  # so that a renewed credentials file is read again
            return BadSettings(
                f"{self.setting}: {self._where} refused us ({said}); check that the AWS credentials in use "
                "(AWS_PROFILE, AWS_ACCESS_KEY_ID, a role) and AWS_REGION are right, and that the policy lets them list "
                "the bucket and get, put and delete objects"
            )
        if status in _ELSEWHERE:
            return BadSettings(f"{self.setting}: {self._where} is in another region ({said}); set AWS_REGION to that")
        if code == "NoSuchBucket":
            return BadSettings(f"{self.setting}: {self._where} does not exist; create it, or choose another one")
        if status in _CONFLICT:
            return LakeConflict(f"another process wrote to {self._where} at the same time ({said}); run it again")
        if status is not None and status != 429 and status < 500:
            return None
        if status is None and _UNTRUSTED.search(str(error)):
            return BadSettings(
                f"{self.setting}: {self._where} has a certificate that this machine does not trust "
                f"({_last_line(error)}); "
                "set AWS_CA_BUNDLE and SSL_CERT_FILE to the certificate file of its authority"
            )
        if status is None and not (isinstance(error, BotoCoreError) or _NO_ANSWER.search(str(error))):
            return None
        return StoreUnavailable(f"{self._where} did not answer ({said or _last_line(error)}); run it again later")

    @property
    def _where(self) -> str:
        found = self._found
        return f"the bucket {self.bucket} at {found.address.host}" if found else f"the bucket {self.bucket}"

    def _find(self) -> _Found:
        with self._lock:
            if self._found is None:
                self._found = self._look_up()
            return self._found

    def _forget(self) -> None:
        with self._lock:
            self._found = None

    def _look_up(self) -> _Found:
        try:
            session = get_session(_REGIONS)
            session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
            if session.get_credentials() is None:
                raise self._no_credentials()
            attempts = session.get_config_variable("max_attempts") or _ATTEMPTS
            style = (session.get_scoped_config().get("s3") or {}).get("addressing_style")
            config = Config(
                connect_timeout=_CONNECT, read_timeout=_ANSWER, retries={"total_max_attempts": int(attempts)}
            )
            client: Any = session.create_client("s3", config=config)
            endpoint = urlsplit(client.meta.endpoint_url)
        except (BotoCoreError, ValueError) as error:
            raise self._unusable(error) from error
        # as botocore does: few self-hosted servers have a host name for each bucket, and Amazon's certificates do not
        # cover bucket names with dots
        is_amazon = (endpoint.hostname or "").endswith(_AMAZON)
        path_style = style == "path" or (style != "virtual" and (not is_amazon or "." in self.bucket))
        address = Address(endpoint.scheme, endpoint.netloc, path_style, client.meta.region_name)
        return _Found(session, client, address, int(attempts))

    def _no_credentials(self) -> BadSettings:
        return BadSettings(
            f"{self.setting}: there are no AWS credentials for the bucket {self.bucket}; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role"
        )

    def _unusable(self, error: Exception) -> AssessError:
        return BadSettings(f"{self.setting}: the AWS configuration cannot be used ({error}); correct it")


def split(setting: str, url: str) -> tuple[str, str]:
    """Bucket and prefix (without slashes at its ends) of `s3://bucket/prefix`. Raises `BadSettings`."""
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    if parts.scheme != "s3" or parts.query or parts.fragment or not _BUCKET.fullmatch(parts.netloc):
        raise BadSettings(f"{setting}: {hidden(url)!r} is not an S3 address; write s3://BUCKET/PREFIX")
    if not _PREFIX.fullmatch(prefix):
        raise BadSettings(f"{setting}: the prefix of {url!r} can only have letters, digits and - _ = . /")
    return parts.netloc, prefix


def status_of(error: BaseException) -> int | None:
    """The HTTP status in an error of botocore, DuckDB or deltalake; None if it has none."""
    if isinstance(error, ClientError):
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    if isinstance(error, duckdb.HTTPException):
        status: int | None = getattr(error, "status_code", None)  # missing if the answer had the wrong content
        return status
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


def _code_of(error: BaseException) -> str | None:
    if isinstance(error, ClientError):
        code = error.response["Error"].get("Code")
        if code == "404" and error.operation_name == "HeadBucket":
            return "NoSuchBucket"
        return None if code is None or code.isdigit() else code  # an answer to HEAD has no body, so no code
    found = _CODE.search(str(error))
    return (found[1] or found[2]) if found else None


def _last_line(error: BaseException) -> str:
    """deltalake's errors end with the cause; DuckDB's begin with it, and quote the query below."""
    lines = [line for line in (_ESCAPES.sub("", line).strip() for line in str(error).splitlines()) if line]
    return (lines[0] if isinstance(error, duckdb.Error) else lines[-1]) if lines else type(error).__name__
