"""Reports in a folder and in a bucket: each is written completely or not at all."""

import os
from pathlib import Path

import httpx
import pytest

from assess_core.adapters.s3.bucket import Bucket
from assess_core.errors import BadSettings, LinkExpired, ReportFailed, StoreUnavailable
from assess_core.ports.findings import Level
from assess_core.ports.reports import Exhausts
from assess_core.settings import Settings
from assess_core.wiring import open_exhausts, open_links
from tests.places import Store, at, in_s3
from tests.s3_proxy import Fault, proxy_to
from tests.servers import S3

NAME = "score-exhaust/b%2F1@c é.csv"
LARGE = os.urandom(1 << 20) * 20  # more than two parts of a multipart upload


class Reports:
    """The exhausts under test, and where they are stored."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.exhausts: Exhausts = open_exhausts(Settings.from_env({"ASSESS_EXHAUSTS": url}))
        self.store = Store(at(url))

    def write(self, content: bytes, name: str = NAME) -> None:
        with self.exhausts.atomic_write(name) as temporary:
            temporary.write_bytes(content)


@pytest.fixture(params=["folder", "s3"])
def reports(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reports:
    if request.param == "folder":
        return Reports(str(tmp_path / "exhausts"))
    return Reports(in_s3(request.getfixturevalue("s3"), monkeypatch))


@pytest.mark.parametrize("content", [b"", b"id\n1\n", LARGE], ids=["empty", "small", "large"])
def test_a_report_has_the_bytes_that_were_written(reports: Reports, content: bytes) -> None:
    reports.write(content)

    assert reports.store.names() == [NAME]
    assert reports.store.read(NAME) == content
    assert reports.exhausts.path(NAME) == f"{reports.url}/{NAME}"


def test_a_report_replaces_the_previous_one(reports: Reports) -> None:
    reports.write(b"before")
    reports.write(b"after")

    assert reports.store.read(NAME) == b"after"


def test_a_failure_during_a_write_keeps_the_previous_report(reports: Reports) -> None:
    reports.write(b"before")

    written: list[Path] = []

    def half() -> None:
        with reports.exhausts.atomic_write(NAME) as temporary:
            temporary.write_bytes(b"half of")
            written.append(temporary)
            raise KeyError

    with pytest.raises(KeyError):
        half()

    assert reports.store.names() == [NAME]
    assert reports.store.read(NAME) == b"before"
    assert not written[0].exists()


def test_a_report_does_not_exist_before_it_is_complete(reports: Reports) -> None:
    with reports.exhausts.atomic_write(NAME) as temporary:
        temporary.write_bytes(b"half of")
        assert NAME not in reports.store.names()


def test_the_doctor_finds_no_problem_if_reports_can_be_written(reports: Reports) -> None:
    reports.write(b"a report")

    findings = list(reports.exhausts.examine())

    assert {finding.level for finding in findings} == {Level.OK}
    assert reports.url in findings[0].message
    assert reports.store.names() == [NAME]


def test_a_report_in_a_bucket_has_a_content_type(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = Reports(in_s3(s3, monkeypatch))
    reports.write(b"id\n")

    bucket = at(reports.url)
    assert isinstance(bucket, Bucket)
    found = bucket.access.client.head_object(Bucket=bucket.access.bucket, Key=bucket.key(NAME))
    assert found["ContentType"] == "text/csv; charset=utf-8"


def test_a_failed_upload_leaves_no_part_behind(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy_to(s3.env["AWS_ENDPOINT_URL"]) as proxy:
        reports = Reports(in_s3(s3, monkeypatch, AWS_ENDPOINT_URL=proxy.endpoint, AWS_MAX_ATTEMPTS="1"))
        proxy.fail(Fault(503, "SlowDown"), "PUT", "partNumber=2")

        with pytest.raises(StoreUnavailable, match="503 SlowDown"):
            reports.write(LARGE)

        assert proxy.count("DELETE", "uploadId=") == 1
        proxy.clear()
        assert reports.store.names() == []
        bucket = at(reports.url)
        assert isinstance(bucket, Bucket)
        unfinished = bucket.access.client.list_multipart_uploads(Bucket=bucket.access.bucket, Prefix=bucket.prefix)
        assert unfinished.get("Uploads", []) == []
        reports.write(LARGE)
        assert reports.store.read(NAME) == LARGE


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (403, "QuotaExceeded")])
def test_a_bucket_that_refuses_a_report_is_named(
    s3: S3, monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    with proxy_to(s3.env["AWS_ENDPOINT_URL"]) as proxy:
        reports = Reports(in_s3(s3, monkeypatch, AWS_ENDPOINT_URL=proxy.endpoint))
        proxy.fail(Fault(status, code), "PUT", "")

        with pytest.raises(BadSettings, match=f"^ASSESS_EXHAUSTS: the bucket .* refused us \\({status} {code}\\)"):
            reports.write(b"a report")


def test_any_other_error_of_s3_makes_the_report_fail(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy_to(s3.env["AWS_ENDPOINT_URL"]) as proxy:
        reports = Reports(in_s3(s3, monkeypatch, AWS_ENDPOINT_URL=proxy.endpoint))
        proxy.fail(Fault(405, "MethodNotAllowed"), "PUT", "")

        with pytest.raises(ReportFailed, match=r"cannot write s3://.*MethodNotAllowed.*nothing was left behind"):
            reports.write(b"a report")


# --- reading, deleting and links ---


@pytest.mark.parametrize("content", [b"", b"id\n1\n", LARGE], ids=["empty", "small", "large"])
def test_a_report_is_read_as_it_was_written(reports: Reports, content: bytes) -> None:
    reports.write(content)

    found = reports.exhausts.read(NAME)

    assert found.size == len(content)
    assert b"".join(found.chunks) == content


def test_reading_a_report_that_does_not_exist_says_what_to_do(reports: Reports) -> None:
    with pytest.raises(LinkExpired, match="submit its request again"):
        reports.exhausts.read("nothing/here.csv")


def test_a_folder_of_reports_is_deleted_and_its_neighbours_are_not(reports: Reports) -> None:
    for name in ("r/1/a.csv", "r/1/b.csv", "r/10/c.csv", "r/2.csv"):
        reports.write(b"x", name)

    reports.exhausts.delete("r/1")
    reports.exhausts.delete("r/2.csv")
    reports.exhausts.delete("nothing")

    assert reports.store.names() == ["r/10/c.csv"]


def test_a_presigned_link_gives_the_report_without_credentials(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = Reports(in_s3(s3, monkeypatch))
    reports.write(b"id\n1\n")

    link = open_links(Settings.from_env({"ASSESS_EXHAUSTS": reports.url})).link(NAME, 1000)

    assert httpx.get(link.url, trust_env=False).content == b"id\n1\n"
    assert link.expires == 1000 + 30 * 60 * 1000
    assert httpx.get(link.url.replace("b%252F1", "b%252F2"), trust_env=False).status_code == 403


def test_a_report_that_is_deleted_while_all_are_read_holds_nothing(reports: Reports) -> None:
    reports.write(b"one", "a/one.csv")
    reports.write(b"two", "a/two.csv")
    found = []
    for name, texts in reports.exhausts.texts():
        reports.exhausts.delete("a/two.csv")  # as a worker does when its time is over
        found.append((name, {text.bytes for text in texts}))

    assert found == [("a/one.csv", {b"one"}), ("a/two.csv", set())]
