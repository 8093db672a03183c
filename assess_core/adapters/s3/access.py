"""Who we are to S3, and where it is: the usual AWS chain, as botocore walks it.

Profiles, environment, web identity, container and instance roles, AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_S3, regions,
addressing style: what botocore decides is handed to DuckDB and to deltalake, which would each decide for themselves.
"""

import re
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import duckdb
import duckdb_extension_httpfs
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session, get_session

from assess_core.adapters.duckdb.connection import literal
from assess_core.errors import AssessError, BadSettings, LakeConflict, StoreUnavailable
from assess_core.privacy import hidden

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

_ATTEMPTS: Final = 5  # some 7 s of waiting in each of the three libraries, where AWS_MAX_ATTEMPTS says nothing
_CONNECT: Final = 5  # seconds
_ANSWER: Final = 20  # seconds for an answer: a part of a file has 10 MB at most
_WAIT: Final = 500  # ms before the second attempt; twice as long before each other one
_REGION: Final = "us-east-1"  # of a server of one's own that has none
_REGIONS: Final = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], _REGION, None)}
"""botocore alone among the AWS libraries looks at the second variable only."""
_AMAZON: Final = (".amazonaws.com", ".amazonaws.com.cn")

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# no `%`, which deltalake decodes, and nothing that has to be quoted in a URL or is a pattern to DuckDB
_PREFIX: Final = re.compile(r"([A-Za-z0-9_=-][A-Za-z0-9._=-]*(/|$))*")

_STATUS: Final = re.compile(r"non-2xx status code\W*(?:\x1b\[\d+m\W*)*(\d{3}) ")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>|HTTP \d{3}[^)]*\)\n\n(\w+): ")
_ESCAPES: Final = re.compile(r"\x1b\[\d+m|↳")
_NO_ANSWER: Final = re.compile(
    r"HTTP error|error sending request|timed out|error decoding response body| error for HTTP "
)
# in the words of OpenSSL (botocore), rustls (deltalake) and curl (DuckDB)
_UNTRUSTED: Final = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer|SSL (?:peer|server) (?:certificate|verification)"
)
_DENIED: Final = {400, 401, 403}
_ELSEWHERE: Final = {301, 307}
_CONFLICT: Final = {409, 412}


class Address(NamedTuple):
    """Where the requests for a bucket go."""

    scheme: str
    host: str
    """With its port; without the bucket, whatever the style."""
    path_style: bool
    """Whether the bucket stands in the path, and not before the host."""
    region: str


class _Found(NamedTuple):
    session: Session
    client: Any
    address: Address
    attempts: int


class Access:
    """The way to one bucket; looked up when it is first needed, credentials whenever they are. Any thread may use it.

    `setting` is named in errors. Raises `BadSettings` where the AWS configuration cannot be used or has no credentials.
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
        """Load httpfs from its package and hand the credentials to a connection. Downloads nothing."""
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
            -- GLOBAL: of a connection's own settings its cursors know nothing
            SET GLOBAL http_timeout = {_ANSWER}; SET GLOBAL http_retries = {found.attempts - 1};
            SET GLOBAL http_retry_wait_ms = {_WAIT}; SET GLOBAL http_retry_backoff = 2;
            -- no name is a pattern; and files never change: one HEAD each, not one a query
            SET GLOBAL s3_url_compatibility_mode = true;
            SET GLOBAL enable_http_metadata_cache = true; SET GLOBAL validate_external_file_cache = 'NO_VALIDATION';
            """
        )
        if authority := found.session.get_config_variable("ca_bundle"):
            duck.execute(f"SET GLOBAL ca_cert_file = {literal(authority)}")
        duck.execute(f"CREATE SECRET (TYPE s3, {given}, USE_SSL {scheme == 'https'})")

    def extension(self) -> Path:
        """The httpfs extension for the DuckDB that runs here. Raises `BadSettings` where there is none."""
        folder = Path(str(duckdb_extension_httpfs.__file__)).parent / "extensions" / f"v{duckdb.__version__}"
        path = folder / "httpfs.duckdb_extension"
        if not path.is_file():
            raise BadSettings(
                f"{self.setting}: the package duckdb-extension-httpfs has nothing for DuckDB {duckdb.__version__}; "
                f"pip install duckdb-extension-httpfs=={duckdb.__version__}"
            )
        return path

    def fault(self, error: BaseException) -> AssessError | None:
        """What an error of botocore, DuckDB or deltalake says of the bucket or of the way to it.

        None when it says nothing of them. Of the driver's words only the status, S3's code and, where nothing
        answered, the last line are quoted.
        """
        if isinstance(error, AssessError):
            return error
        status, code = status_of(error), _code_of(error)
        said = " ".join(str(part) for part in (status, code) if part)
        if status in _DENIED:
            self._forget()  # a credentials file that was renewed is read again
            return BadSettings(
                f"{self.setting}: {self._where} refused us ({said}); see that the AWS credentials in force "
                "(AWS_PROFILE, AWS_ACCESS_KEY_ID, a role) and AWS_REGION are right, and that its policy lets them list "
                "the bucket and get, put and delete objects"
            )
        if status in _ELSEWHERE:
            return BadSettings(f"{self.setting}: {self._where} is in another region ({said}); set AWS_REGION to that")
        if code == "NoSuchBucket":
            return BadSettings(f"{self.setting}: {self._where} does not exist; make it, or name another one")
        if status in _CONFLICT:
            return LakeConflict(f"somebody else wrote to {self._where} at the same time ({said}); run it again")
        if status is not None and status != 429 and status < 500:
            return None
        if status is None and _UNTRUSTED.search(str(error)):
            return BadSettings(
                f"{self.setting}: {self._where} shows a certificate that nobody here trusts ({_last_line(error)}); "
                "name the file of who signed it in AWS_CA_BUNDLE, and in SSL_CERT_FILE too"
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
        # as botocore does: few servers of one's own have a name for each bucket, and no certificate of Amazon's is for
        # a name with dots before its own
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
        raise BadSettings(f"{setting}: {hidden(url)!r} is no place in S3; write s3://BUCKET/PREFIX")
    if not _PREFIX.fullmatch(prefix):
        raise BadSettings(f"{setting}: the prefix of {url!r} must be of letters, digits and - _ = . /")
    return parts.netloc, prefix


def status_of(error: BaseException) -> int | None:
    """With what status S3 answered, as an error of botocore, DuckDB or deltalake says; None when it does not."""
    if isinstance(error, ClientError):
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    if isinstance(error, duckdb.HTTPException):
        status: int | None = getattr(error, "status_code", None)  # none where what came was not what was asked for
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
