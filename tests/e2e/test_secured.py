"""Servers with TLS and passwords: correct settings work, and the errors for wrong settings name them."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from deltalake import DeltaTable

from assess_core.adapters.cassandra.hot_store import CassandraHot
from assess_core.adapters.duckdb.connection import connect
from assess_core.adapters.kafka.log import KafkaLog
from assess_core.adapters.s3.access import Access
from assess_core.adapters.s3.bucket import Bucket
from assess_core.errors import AssessError, BadSettings, StoreUnavailable
from assess_core.ports.facts import NoFacts
from assess_core.ports.findings import Level
from assess_core.ports.log import Message
from assess_core.usecases.folding import Checks, fold
from tests.e2e.commands import Commands
from tests.factories import accepted, event
from tests.forked import run_forked
from tests.secured import PASSWORD, USER, Secured, certificates, secured_servers, tls_of
from tests.servers import S3
from tests.tls_proxy import tls_proxy

pytestmark = pytest.mark.xdist_group("secured servers")  # one worker starts the servers, once

WRONG: Final = "n0t/this:one"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_servers(tmp_path_factory.mktemp("secured") / "servers") as secured:
        yield secured


@pytest.fixture(autouse=True)
def no_log_has_a_password(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Checks the log output of all drivers at every level."""
    caplog.set_level(logging.DEBUG)
    yield
    assert not [record.getMessage() for record in caplog.records if _has_a_password(record.getMessage())]


def _has_a_password(text: str) -> bool:
    return PASSWORD in text or WRONG in text


# --- Cassandra ---


def test_folding_works_on_cassandra_with_tls_and_login(servers: Secured) -> None:
    hot = CassandraHot(servers.hot_store(USER, ca=servers.certificates.ca))

    folded = fold([accepted(event(user="u1", attempt="t1"))], hot, Checks(NoFacts()))

    assert folded.stored == 1
    assert [entry.attempt_id for entry in hot.learners(["u1"])["u1"].entries] == ["t1"]
    [slice_] = hot.slices()
    assert sum(batch.num_rows for shard in hot.scan(slice_) for batch in shard) == 1


def test_doctor_lists_the_rights_that_it_needs_in_addition_to_the_tables(servers: Secured) -> None:
    hot = CassandraHot(servers.hot_store(USER, ca=servers.certificates.ca))

    found = {finding.what: finding for finding in hot.examine()}

    assert {finding.level for what, finding in found.items() if what != "durability"} == {Level.OK}
    level, _, message, action = found["durability"]
    assert (level, action) == (Level.WARN, f"GRANT SELECT ON system_views.settings TO {USER}")
    assert "has no SELECT permission on <table system_views.settings>" in message


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        (
            lambda at: at.hot_store(USER, tls=False),
            StoreUnavailable,
            "closes connections .*; if it requires TLS, add tls=true to ASSESS_HOT_STORE",
        ),
        (
            lambda at: at.hot_store(USER),
            BadSettings,
            "ASSESS_HOT_STORE: TLS with .* failed .*; name the certificate authority with ca=FILE",
        ),
        (
            lambda at: at.hot_store(USER, ca=at.certificates.other),
            BadSettings,
            "ASSESS_HOT_STORE: TLS with .* failed .*; name the certificate authority with ca=FILE",
        ),
        (
            lambda at: at.hot_store(None, ca=at.certificates.ca),
            BadSettings,
            "ASSESS_HOT_STORE: .* refused the login .*; write USER:PASSWORD@ before the hosts",
        ),
        (
            lambda at: at.hot_store(USER, WRONG, at.certificates.ca),
            BadSettings,
            "ASSESS_HOT_STORE: .* refused the login .*; correct user and password",
        ),
        (
            lambda at: at.hot_store("guest", ca=at.certificates.ca),
            BadSettings,
            "ASSESS_HOT_STORE: .*User guest has no SELECT permission .*; GRANT it to the user, or name another user",
        ),
    ],
    ids=["no TLS", "no signer", "another signer", "no login", "wrong password", "no rights"],
)
def test_the_error_for_a_client_that_cassandra_rejects_says_what_to_set(
    servers: Secured, url: Callable[[Secured], str], error: type[AssessError], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        CassandraHot(url(servers))
    assert not _has_a_password(str(raised.value))


def test_the_error_for_a_cassandra_without_tls_says_what_to_set(cassandra_url: str) -> None:
    with pytest.raises(BadSettings, match=r"ASSESS_HOT_STORE: .* does not speak TLS .*; leave tls=true and `ca` out"):
        CassandraHot(f"{cassandra_url}/anything?tls=true")


# --- Kafka ---


def test_submitting_works_on_kafka_with_tls_and_login(servers: Secured) -> None:
    log = KafkaLog(servers.log("SASL_SSL", ca=servers.certificates.ca))
    intake = log.intake()
    intake.append([Message("u1", b"one"), Message("u2", b"two")]).result(30)
    intake.close()

    feed = log.feed(print)
    found: list[bytes] = []
    while len(found) < 2:
        for batch in feed.batches():
            found += [record.raw for record in batch.records]
            feed.done(batch, [])
    feed.close()

    assert sorted(found) == [b"one", b"two"]
    assert log.unread() is None
    assert Level.BAD not in {finding.level for finding in log.examine()}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            lambda at: at.log("SASL_PLAINTEXT"),
            "does not answer: .*; start it, or correct security.protocol in ASSESS_LOG",
        ),
        (
            lambda at: at.log("SASL_SSL", ca=at.certificates.other),
            "ASSESS_LOG: .*certificate verify failed.*; name the CA that signed the broker's certificate in ssl.ca",
        ),
        (
            lambda at: at.log("SASL_SSL", WRONG, at.certificates.ca),
            "ASSESS_LOG: .*invalid credentials.*; correct sasl.mechanism, sasl.username and sasl.password",
        ),
    ],
    ids=["no TLS", "another signer", "wrong password"],
)
def test_the_error_for_a_client_that_kafka_rejects_says_what_to_set(
    servers: Secured, url: Callable[[Secured], str], message: str
) -> None:
    with pytest.raises(AssessError, match=message) as raised:
        KafkaLog(url(servers)).unread()
    assert not _has_a_password(str(raised.value))


# --- S3 ---


def test_archive_and_clear_change_no_report_of_a_lake_in_a_bucket_over_tls(s3: S3, tmp_path: Path) -> None:
    made = certificates(tmp_path, "127.0.0.1")
    with tls_proxy(s3.env["AWS_ENDPOINT_URL"], tls_of(made)) as endpoint:
        root, signer = f"{s3.root}/{uuid4().hex}", str(made.ca)
        env = {"AWS_ENDPOINT_URL": endpoint, "AWS_CA_BUNDLE": signer, "SSL_CERT_FILE": signer}
        places = {"ASSESS_LAKE": f"{root}/lake", "ASSESS_EXHAUSTS": f"{root}/exhausts"}
        assess = Commands(tmp_path, {**s3.env, **env, **places})
        assess.run("sample-events", "--events", "12", "--output", "events.jsonl")
        assess.run("ingest", "events.jsonl")
        batches = sorted({row["batch_id"] for row in assess.table("attempts")})[:2]
        before = assess.reports(batches)

        assess.put_away()

        assert assess.table("attempts", "--tier", "hot") == []
        assert assess.reports(batches) == before


def test_the_error_of_every_library_for_an_unknown_signer_says_what_to_set(
    servers: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    env = {
        "AWS_ENDPOINT_URL": f"https://{servers.broker}",  # TLS fails before any S3 request, so a broker will do
        "AWS_ACCESS_KEY_ID": USER,
        "AWS_SECRET_ACCESS_KEY": PASSWORD,
        "AWS_MAX_ATTEMPTS": "1",
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    bucket = Bucket(Access("ASSESS_LAKE", "assess"), "lake")

    def read_with_duckdb() -> None:
        with connect(bucket) as duck:
            duck.execute("FROM read_parquet('s3://assess/lake/a.parquet')")

    for read in (
        lambda: DeltaTable("s3://assess/lake", storage_options=bucket.access.options()),
        lambda: list(bucket.access.client.list_objects_v2(Bucket="assess")),
        read_with_duckdb,
    ):
        with pytest.raises(Exception) as raised:  # noqa: PT011 each library has its own errors
            read()
        fault = bucket.access.fault(raised.value)
        assert isinstance(fault, BadSettings), raised.value
        assert "set AWS_CA_BUNDLE and SSL_CERT_FILE" in str(fault)
        assert not _has_a_password(str(fault))


# --- what is printed ---


def test_no_process_prints_a_password(servers: Secured, tmp_path: Path) -> None:
    def printed(password: str) -> tuple[int, str]:
        env = {
            "ASSESS_HOT_STORE": servers.hot_store(USER, password, servers.certificates.ca),
            "ASSESS_LOG": servers.log("SASL_SSL", password, servers.certificates.ca),
        }
        assess = Commands(tmp_path, env)
        with assess.start("doctor") as doctor:
            output = [*doctor.communicate(timeout=60)]
        if password == WRONG:
            ended = run_forked(["-m", "stream", "tail"], env=assess.env, text=True)
            assert ended.returncode == BadSettings.exit_code
            assert ended.stderr.count("\n") == 1, ended.stderr
            output += [ended.stdout, ended.stderr]
        return doctor.returncode, "".join(output)

    code, right = printed(PASSWORD)
    assert (code, _has_a_password(right)) == (0, False), right
    code, wrong = printed(WRONG)
    assert (code, _has_a_password(wrong)) == (1, False), wrong
    assert "correct user and password" in wrong
    assert "correct sasl.mechanism" in wrong
