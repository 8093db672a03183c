"""Faults of S3: refusals, servers that are busy or unreachable, lost responses."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import Final

import pytest

from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.s3.bucket import Bucket
from assess_core.domain.report_spec import Report
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import AssessError, BadSettings, StoreUnavailable
from assess_core.ports.findings import Level
from assess_core.ports.reports import WeeklyActivity
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.exhaust import write_exhaust
from assess_core.wiring import open_output, open_stores, open_weekly
from tests.factories import RECEIVED, WEEK, version
from tests.lakes import asked, copies_of, five_versions, held, keep, put
from tests.loop import NOW, put_away
from tests.places import in_s3
from tests.s3_proxy import Fault, Proxy, proxy_to
from tests.servers import S3, instance

W5: Final = ArchiveSlice.parse("b1|2024-W05")
BUSY: Final = Fault(503, "SlowDown")


@pytest.fixture
def proxy(s3: S3) -> Iterator[Proxy]:
    with proxy_to(s3.env["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture
def settings(s3: S3, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An embedded hot store, and a lake and reports behind the proxy. Each request is tried at most twice."""
    url = in_s3(s3, monkeypatch, AWS_ENDPOINT_URL=proxy.endpoint, AWS_MAX_ATTEMPTS="2")
    return Settings.from_env({"ASSESS_LAKE": f"{url}/lake", "ASSESS_EXHAUSTS": f"{url}/exhausts"}, str(tmp_path))


@pytest.fixture(scope="module")
def archived(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Bucket:
    """A lake with five versions. It is made once, and each test gets a copy."""
    with pytest.MonkeyPatch.context() as patch:
        url = in_s3(s3, patch)
        stores = open_stores(Settings.from_env({"ASSESS_LAKE": url}, str(tmp_path_factory.mktemp("archived"))))
        keep(stores.hot, five_versions())
        archive([W5], stores, NOW)
    return Bucket.of("ASSESS_LAKE", url)


@pytest.fixture
def stores(settings: Settings, archived: Bucket) -> Stores:
    """Five versions, archived."""
    stores = open_stores(settings)
    keep(stores.hot, five_versions())
    lake = Bucket.of("ASSESS_LAKE", settings.lake)
    for name in archived.files():
        source = {"Bucket": archived.access.bucket, "Key": archived.key(name)}
        lake.access.client.copy_object(Bucket=lake.access.bucket, Key=lake.key(name), CopySource=source)
    return stores


USES: Final[dict[str, Callable[[Stores, Settings], object]]] = {
    "pin": lambda stores, _: stores.lake.pin(),
    "manifest": lambda stores, _: stores.lake.manifest(),
    "archive": lambda stores, _: archive([W5], stores, NOW),
    "verify": lambda stores, _: verify([W5], stores, NOW),
    "clear": lambda stores, _: clear([W5], stores, NOW),
    "report": lambda stores, _: write_exhaust(stores, asked("b1", Report.SCORE)),
    "weekly": lambda _, settings: open_weekly(settings).rows(),
    "weekly, written": lambda _, settings: open_weekly(settings).replace(
        [W5.week], [WeeklyActivity(W5, attempts=1, learners=1, mean_score=1.0)]
    ),
    "doctor, lake": lambda stores, _: list(stores.lake.examine()),
    "doctor, reports": lambda stores, _: list(stores.exhausts.examine()),
}


# --- busy, or refused ---


@pytest.mark.parametrize("use", USES)
def test_a_request_is_repeated_once_and_an_error_says_whether_the_server_is_busy_or_refuses(
    use: str, stores: Stores, settings: Settings, proxy: Proxy
) -> None:
    proxy.fail(BUSY, ".*", "", times=1)
    USES[use](stores, settings)

    proxy.fail(BUSY, ".*", "")
    with pytest.raises(StoreUnavailable, match=r"did not answer \(503( SlowDown)?\); run it again later") as busy:
        USES[use](stores, settings)

    proxy.clear()
    proxy.fail(Fault(403, "InvalidAccessKeyId"), ".*", "")
    with pytest.raises(BadSettings, match=r"^ASSESS_(LAKE|EXHAUSTS): the bucket .* refused us \(403") as refused:
        USES[use](stores, settings)

    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in f"{busy.value} {refused.value}"
    proxy.clear()
    USES[use](stores, settings)


@pytest.mark.parametrize("use", ["verify", "clear", "report"])
def test_files_that_cannot_be_fetched_are_not_reported_as_damaged(
    use: str, stores: Stores, settings: Settings, proxy: Proxy
) -> None:
    verify([W5], stores, NOW)
    proxy.fail(BUSY, ".*", r"\.parquet")

    with pytest.raises(StoreUnavailable):
        USES[use](stores, settings)


# --- conflicts ---


@pytest.mark.parametrize("status", [409, 412])
def test_a_commit_that_s3_refuses_is_tried_again(status: int, settings: Settings, proxy: Proxy) -> None:
    stores = open_stores(settings)
    keep(stores.hot, rows := five_versions())
    put(stores.lake, [version(batch_id="b2")])
    proxy.fail(Fault(status, "PreconditionFailed"), "PUT", r"/attempts/_delta_log/\d+\.json", times=1)

    archive([W5], stores, NOW)

    assert held(stores.lake) == copies_of([version(batch_id="b2"), *rows])
    assert verify([W5], stores, NOW)[W5].problem is None


@pytest.mark.parametrize("table", ["attempts", "archive_manifest"])
@pytest.mark.parametrize(
    "fault", [Fault(503, "SlowDown", is_forwarded=True), Fault(500, "InternalError", is_forwarded=True)]
)
def test_a_commit_whose_response_was_lost_is_not_written_twice(
    table: str, fault: Fault, settings: Settings, proxy: Proxy
) -> None:
    stores = open_stores(settings)
    keep(stores.hot, rows := five_versions())
    proxy.fail(fault, "PUT", rf"/{table}/_delta_log/\d+1\.json", times=1)

    archive([W5], stores, NOW)

    assert held(stores.lake) == copies_of(rows)
    assert verify([W5], stores, NOW)[W5].problem is None


# --- refused ---


def test_a_wrong_secret_is_not_printed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong/secret+key")

    for use in USES:
        with pytest.raises(AssessError) as refused:
            USES[use](open_stores(settings), settings)
        assert "wrong/secret+key" not in str(refused.value), use
        assert "SignatureDoesNotMatch" in str(refused.value) or "403" in str(refused.value), use


@pytest.mark.parametrize("use", ["pin", "archive", "weekly", "doctor, lake"])
def test_the_error_for_a_missing_bucket_names_it(
    use: str, settings: Settings, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = settings._replace(lake="s3://no-such-bucket/lake")
    stores = open_stores(nowhere)
    keep(stores.hot, five_versions())

    with pytest.raises(BadSettings, match=r"^ASSESS_LAKE: the bucket no-such-bucket .*does not exist; create it"):
        USES[use](stores, nowhere)


# --- unreachable ---


@pytest.mark.long
def test_a_killed_server_is_reported_and_work_continues_after_its_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with instance(tmp_path / "servers", "s3") as own:
        for name, value in {**own.env, "AWS_MAX_ATTEMPTS": "2"}.items():
            monkeypatch.setenv(name, value)
        settings = Settings.from_env(own.env | {"ASSESS_HOT_STORE": "", "ASSESS_LOG": ""}, str(tmp_path / "home"))
        stores = open_stores(settings)
        keep(stores.hot, five_versions())
        archive([W5], stores, NOW)
        expected = write_exhaust(
            stores, asked("b1", Report.SCORE), output=open_output(str(tmp_path / "before.csv"), None)
        )

        own.kill("s3")
        for use in USES:
            with pytest.raises(StoreUnavailable, match="did not answer"):
                USES[use](stores, settings)
        own.up()

        assert put_away(stores) == 5
        after = write_exhaust(stores, asked("b1", Report.SCORE), output=open_output(str(tmp_path / "after.csv"), None))
        assert Path(after.path).read_bytes() == Path(expected.path).read_bytes()

        own.pause("s3")
        resuming = Timer(3, own.resume, ["s3"])
        resuming.start()
        assert verify([W5], stores, NOW)[W5].problem is None  # it waited until the server resumed
        resuming.join()


# --- the number of requests ---


def test_each_file_of_attempts_gets_one_head_request_and_only_the_delta_log_is_listed(
    settings: Settings, proxy: Proxy
) -> None:
    stores = open_stores(settings)
    weeks = [version(user_id=f"u{n}", received=RECEIVED + n * WEEK) for n in range(4)]
    keep(stores.hot, weeks)
    put_away(stores)
    proxy.requests.clear()

    write_exhaust(stores, asked("b1", Report.RESPONSE))

    assert proxy.count("HEAD", r"/attempts/.*\.parquet") == 4
    assert proxy.count("GET", r"/attempts/.*\.parquet") <= 4 * 4
    listed = [request.path for request in proxy.requests if "list-type" in request.path]
    assert all("_delta_log/" in path for path in listed), listed


# --- doctor ---


def test_the_doctor_reports_a_server_that_ignores_conditional_writes(stores: Stores, proxy: Proxy) -> None:
    proxy.fail(Fault(200, ""), "PUT", r"\.assess-doctor-")

    findings = list(stores.lake.examine())

    [bad] = [finding for finding in findings if finding.level is Level.BAD]
    assert "concurrent archivers would lose a commit" in bad.message
    assert bad.action
    assert proxy.count("DELETE", r"\.assess-doctor-") == 1


def test_the_doctor_reports_a_bucket_in_another_region(stores: Stores, proxy: Proxy) -> None:
    proxy.fail(Fault(200, "", headers=(("x-amz-bucket-region", "ap-south-2"),)), "HEAD", "")

    [bad] = [finding for finding in stores.lake.examine() if finding.level is Level.BAD]

    assert "the bucket is in ap-south-2" in bad.message
    assert bad.action == "export AWS_REGION=ap-south-2"


def test_the_doctor_shows_the_location_and_content_of_a_healthy_lake(
    stores: Stores, settings: Settings, proxy: Proxy
) -> None:
    findings = list(stores.lake.examine())

    assert {finding.level for finding in findings} == {Level.OK}
    assert f"{settings.lake} at {proxy.endpoint} (SeaweedFS" in findings[0].message
    assert "credentials by env" in findings[0].message
    assert any("5 rows in 1 file" in finding.message for finding in findings)
    assert isinstance(stores.lake, DeltaLake)
    assert stores.lake.pin().files([IsoWeek(2024, 5)])[0].rows == 5
