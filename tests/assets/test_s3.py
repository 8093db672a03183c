"""Dagster with reports and compute logs in a bucket."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
import pytest

from assess_core.domain.report_spec import Report
from assess_core.usecases.exhaust import write_exhaust
from assess_core.wiring import open_output
from tests.assets.conftest import Dagster
from tests.deploy.manifests import documents
from tests.factories import event, wire_answer
from tests.lakes import asked
from tests.places import Store, at, in_s3
from tests.servers import S3

DEPLOYED = Path(__file__).parents[2] / "deploy" / "dagster" / "dagster.yaml"


@pytest.fixture
def bucket(dagster: Dagster, s3: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of the bucket folder that the environment sets for lake and reports."""
    url = in_s3(s3, monkeypatch)
    monkeypatch.setenv("ASSESS_LAKE", f"{url}/lake")
    monkeypatch.setenv("ASSESS_EXHAUSTS", f"{url}/exhausts")
    return url


def test_a_report_in_a_bucket_has_the_same_bytes_and_is_previewed(
    dagster: Dagster, bucket: str, tmp_path: Path
) -> None:
    dagster.ingest([event(user="u1"), event(user="u2", answers=[wire_answer(id="q1"), wire_answer(id="q2")])])
    dagster.tick()

    result = dagster.materialize("response_exhaust", "b1")

    [materialization] = result.asset_materializations_for_node("response_exhaust")
    expected = write_exhaust(
        dagster.stores, asked("b1", Report.RESPONSE), output=open_output(str(tmp_path / "expected.csv"), None)
    )
    assert materialization.metadata["path"].value == f"{bucket}/exhausts/response-exhaust/b1.csv"
    assert Store(at(bucket)).read("exhausts/response-exhaust/b1.csv") == Path(expected.path).read_bytes()
    preview = materialization.metadata["preview"]
    assert isinstance(preview, dg.TableMetadataValue)
    assert [record.data["User UUID"] for record in preview.records] == ["u1", "u2", "u2"]


def test_an_asset_of_a_user_can_read_a_report_through_dagster_aws(dagster: Dagster, bucket: str) -> None:
    dagster.ingest([event()])
    dagster.tick()
    dagster.materialize("score_exhaust", "b1")
    where = urlsplit(f"{bucket}/exhausts/score-exhaust/b1.csv")

    client = dagster.resources["lakehouse"].s3().get_client()

    found = client.get_object(Bucket=where.netloc, Key=where.path.lstrip("/"))["Body"].read()
    assert found.startswith(b"batch_id,")


def test_the_output_of_a_run_is_stored_in_the_log_bucket_of_the_deployment(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = urlsplit(in_s3(s3, monkeypatch))
    monkeypatch.setenv("DAGSTER_LOG_BUCKET", where.netloc)
    (deployed,) = documents(DEPLOYED)
    logs = deployed["compute_logs"]
    logs["config"] |= {"local_dir": str(tmp_path / "logs"), "prefix": where.path.strip("/")}
    (tmp_path / "dagster.yaml").write_text(json.dumps({"compute_logs": logs, "telemetry": {"enabled": False}}))

    @dg.op
    def message() -> None:
        print("a line of output")

    @dg.job
    def prints() -> None:
        message()

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert prints.execute_in_process(instance=instance).success

    store = Store(at(f"s3://{where.netloc}{where.path}"))
    [out] = [name for name in store.names() if name.endswith(".out")]
    assert b"a line of output" in store.read(out)
