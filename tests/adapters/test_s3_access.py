"""Credentials and address of S3: botocore reads the usual AWS settings, and DuckDB and deltalake use the same."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from assess_core.adapters.duckdb.connection import connect
from assess_core.adapters.s3.access import Access, Address
from assess_core.adapters.s3.bucket import Bucket
from assess_core.errors import BadSettings

Chain = Callable[..., None]


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    """Sets the AWS environment and configuration file. All other AWS settings of this process are removed."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    def configure(config: str = "", **env: str) -> None:
        (tmp_path / "config").write_text(config)
        for name, value in env.items():
            monkeypatch.setenv(name, value)

    return configure


KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "very/secret+key"}


# --- address ---


@pytest.mark.parametrize(
    ("env", "config", "expected"),
    [
        ({"AWS_REGION": "ap-south-1"}, "", Address("https", "s3.ap-south-1.amazonaws.com", False, "ap-south-1")),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "", Address("https", "s3.eu-west-1.amazonaws.com", False, "eu-west-1")),
        ({}, "[default]\nregion = eu-west-1", Address("https", "s3.eu-west-1.amazonaws.com", False, "eu-west-1")),
        ({"AWS_REGION": "cn-north-1"}, "", Address("https", "s3.cn-north-1.amazonaws.com.cn", False, "cn-north-1")),
        ({}, "", Address("https", "s3.amazonaws.com", False, "us-east-1")),
        ({"AWS_ENDPOINT_URL": "http://minio:9000"}, "", Address("http", "minio:9000", True, "us-east-1")),
        ({"AWS_ENDPOINT_URL": "https://s3.state.example"}, "", Address("https", "s3.state.example", True, "us-east-1")),
        (
            {"AWS_ENDPOINT_URL_S3": "http://here:1", "AWS_ENDPOINT_URL": "http://there:2"},
            "",
            Address("http", "here:1", True, "us-east-1"),
        ),
        (
            {"AWS_PROFILE": "lake"},
            "[profile lake]\nendpoint_url = http://minio:9000\nregion = xx-1",
            Address("http", "minio:9000", True, "xx-1"),
        ),
        (
            {"AWS_ENDPOINT_URL": "http://minio:9000"},
            "[default]\ns3 =\n  addressing_style = virtual",
            Address("http", "minio:9000", False, "us-east-1"),
        ),
        (
            {"AWS_REGION": "eu-west-1"},
            "[default]\ns3 =\n  addressing_style = path",
            Address("https", "s3.eu-west-1.amazonaws.com", True, "eu-west-1"),
        ),
    ],
)
def test_the_address_comes_from_the_aws_configuration(
    chain: Chain, env: dict[str, str], config: str, expected: Address
) -> None:
    chain(config, **KEYS, **env)

    access = Access("ASSESS_LAKE", "lake-bucket")

    assert access.address == expected
    signed = access.client.generate_presigned_url("get_object", Params={"Bucket": "lake-bucket", "Key": "k"})
    assert urlsplit(signed).path == ("/lake-bucket/k" if expected.path_style else "/k")


def test_deltalake_and_duckdb_get_the_same_settings(chain: Chain) -> None:
    chain(**KEYS, AWS_SESSION_TOKEN="a token", AWS_REGION="ap-south-1", AWS_MAX_ATTEMPTS="3")
    access = Access("ASSESS_LAKE", "lake-bucket")

    options, (secret, retries) = access.options(), duckdb_settings(access)

    assert options["AWS_ENDPOINT_URL"] == "https://lake-bucket.s3.ap-south-1.amazonaws.com"
    assert options["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"] == "true"
    assert (secret["endpoint"], secret["url_style"]) == ("s3.ap-south-1.amazonaws.com", "vhost")
    assert (options["AWS_SESSION_TOKEN"], secret["session_token"]) == ("a token", "redacted")
    assert (options["AWS_REGION"], secret["region"]) == ("ap-south-1", "ap-south-1")
    assert (options["AWS_ALLOW_HTTP"], secret["use_ssl"]) == ("false", "true")
    assert (options["AWS_ACCESS_KEY_ID"], secret["key_id"]) == ("AKIAEXAMPLE", "AKIAEXAMPLE")
    assert (options["max_retries"], retries) == ("2", 2)
    assert options["aws_conditional_put"] == "etag"


def test_a_configured_endpoint_gets_path_style_requests(chain: Chain) -> None:
    chain(**KEYS, AWS_ENDPOINT_URL="http://minio:9000")
    access = Access("ASSESS_LAKE", "lake-bucket")

    options, (secret, _) = access.options(), duckdb_settings(access)

    assert options["AWS_ENDPOINT_URL"] == "http://minio:9000"
    assert (options["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"], options["AWS_ALLOW_HTTP"]) == ("false", "true")
    assert (secret["endpoint"], secret["url_style"], secret["use_ssl"]) == ("minio:9000", "path", "false")


def duckdb_settings(access: Access) -> tuple[dict[str, str], int]:
    """DuckDB's secret and its number of retries, read by a cursor of the connection."""
    with connect() as duck:
        access.attach(duck)
        [(text, retries, loaded)] = (
            duck.cursor()
            .execute(
                "SELECT secret_string, current_setting('http_retries'), e.install_path "
                "FROM duckdb_secrets(), duckdb_extensions() e WHERE extension_name = 'httpfs' AND loaded"
            )
            .fetchall()
        )
    assert loaded in ("", str(access.extension()))  # the package, and no download, provides the extension
    return dict(part.split("=", 1) for part in text.split(";")), retries


# --- credentials ---


def by_process(tmp_path: Path, lifetime: timedelta) -> str:
    """A profile whose credentials come from a program. The program counts its calls in a file."""
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import json, pathlib
calls = pathlib.Path({str(tmp_path / "calls")!r})
n = len(calls.read_text()) + 1 if calls.exists() else 1
calls.write_text("x" * n)
expires = {(datetime.now(UTC) + lifetime).isoformat()!r}
print(json.dumps({{"Version": 1, "AccessKeyId": f"KEY{{n}}", "SecretAccessKey": "s", "SessionToken": f"token {{n}}",
                  "Expiration": expires}}))
"""
    )
    return f"[default]\ncredential_process = {sys.executable} {program}\n"


def test_valid_credentials_are_requested_once(chain: Chain, tmp_path: Path) -> None:
    chain(by_process(tmp_path, timedelta(hours=1)))
    access = Access("ASSESS_LAKE", "lake-bucket")

    assert [access.options()["AWS_SESSION_TOKEN"] for _ in range(3)] == ["token 1"] * 3


def test_expiring_credentials_are_requested_again(chain: Chain, tmp_path: Path) -> None:
    chain(by_process(tmp_path, timedelta(minutes=12)))  # botocore renews 15 minutes before the end
    access = Access("ASSESS_LAKE", "lake-bucket")

    first, second = access.options(), access.options()

    assert first["AWS_SESSION_TOKEN"] != second["AWS_SESSION_TOKEN"]


def test_the_error_for_missing_credentials_names_the_setting_and_the_bucket(chain: Chain) -> None:
    chain()

    with pytest.raises(BadSettings, match=r"^ASSESS_LAKE: there are no AWS credentials for the bucket lake-bucket; "):
        Access("ASSESS_LAKE", "lake-bucket").options()


@pytest.mark.parametrize(
    ("config", "env"),
    [
        ("", {"AWS_PROFILE": "nobody"}),
        ("no file of this kind", {}),
        ("", {"AWS_ACCESS_KEY_ID": "only a key"}),
        ("[default]\ncredential_process = /bin/false", {}),
        ("[default]\ns3 =\n  addressing_style = sideways", KEYS),
        ("", {**KEYS, "AWS_ENDPOINT_URL": "no url"}),
    ],
)
def test_the_error_for_an_unusable_configuration_names_the_setting_and_no_secret(
    chain: Chain, config: str, env: dict[str, Any]
) -> None:
    chain(config, **env)

    with pytest.raises(BadSettings, match=r"^ASSESS_LAKE: ") as refused:
        Access("ASSESS_LAKE", "lake-bucket").options()

    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(refused.value)


# --- the URL ---


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/", "s3://bucket/a", "s3://bucket/a/b=c_1-2.d/"])
def test_a_bucket_is_accepted_with_and_without_a_prefix(url: str) -> None:
    place = Bucket.of("ASSESS_LAKE", url)

    assert place.url == url.rstrip("/")
    assert place.within("attempts").url == f"{url.rstrip('/')}/attempts"
    assert place.within("attempts").name == "attempts"


@pytest.mark.parametrize(
    "url",
    ["s3://", "s3:///a", "s3://UPPER/a", "s3://key:secret@bucket/a", "s3://bucket/a?b", "s3://bucket/a#b",
     "s3://bucket/a b", "s3://bucket/a*", "s3://bucket/a//b", "s3://bucket/../a", "s3://bucket/a%20b", "s3://bucket/é"],
)  # fmt: skip
def test_an_invalid_s3_url_is_refused(url: str) -> None:
    with pytest.raises(BadSettings, match=r"^ASSESS_LAKE: .*s3://|letters") as refused:
        Bucket.of("ASSESS_LAKE", url)

    assert "key:secret" not in str(refused.value)
