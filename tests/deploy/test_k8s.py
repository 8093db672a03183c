"""deploy/k8s: checked against the schemas of Kubernetes, settings and commands, without a cluster."""

import re
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pytest
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager
from ruamel.yaml import YAML

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
    values_of,
    variables,
)

FOLDER: Final = DEPLOY / "k8s"
(VALUES,) = documents(FOLDER / "dagster-values.yaml")
OBJECTS: Final[dict[str, dict[str, Any]]] = {
    f"{document['kind']}/{document['metadata']['name']}": document
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.name != "dagster-values.yaml"
    for document in documents(path)
}
WORKLOADS: Final = {name: thing for name, thing in OBJECTS.items() if "template" in thing.get("spec", {})}
OF_OURS: Final = [name for name in WORKLOADS if "/assess-" in name]
SECRETS: Final = variables(FOLDER / "secrets.env.example")

each_object = pytest.mark.parametrize("name", OBJECTS)
each_workload = pytest.mark.parametrize("name", WORKLOADS)


def pod(name: str) -> dict[str, Any]:
    """The pod template of a workload."""
    spec: dict[str, Any] = WORKLOADS[name]["spec"]["template"]["spec"]
    return spec


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    assert isinstance(only, dict)
    return only


def environment(name: str) -> dict[str, str]:
    """The environment of the container of a workload, with the values of the examples."""
    sources = {"configMapRef": OBJECTS["ConfigMap/assess"]["data"], "secretRef": SECRETS}
    env: dict[str, str] = {}
    for source in container(name).get("envFrom", []):
        ((kind, named),) = source.items()
        assert named == {"name": "assess"}
        env |= sources[kind]
    for variable in container(name).get("env", []):
        if (ref := variable.get("valueFrom", {}).get("secretKeyRef")) and ref["name"] == "assess":
            env[variable["name"]] = SECRETS[ref["key"]]
        elif "valueFrom" in variable:
            env[variable["name"]] = "assess-stream-0"
        else:
            env[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda found: env[found[1]], variable["value"])
    return env


@pytest.mark.long
@each_object
def test_every_object_follows_the_schema_of_kubernetes(name: str) -> None:
    import kubernetes_validate  # two seconds, which every test worker would pay at the top of the file

    for version in ("1.32", kubernetes_validate.latest_version()):
        kubernetes_validate.validate(OBJECTS[name], version, strict=True)


def test_no_secret_is_in_the_repository() -> None:
    assert not [name for name in OBJECTS if name.startswith("Secret/")]
    assert not list(values_of("postgresqlPassword", VALUES))
    assert all(not value for name, value in SECRETS.items() if "KEY" in name)


@pytest.mark.parametrize("name", OF_OURS)
def test_every_setting_exists_and_has_a_valid_value(name: str) -> None:
    check_settings(environment(name))


@pytest.mark.parametrize("name", OF_OURS)
def test_every_command_exists(name: str) -> None:
    check_command(container(name)["command"])


@each_workload
def test_every_image_has_the_tested_version(name: str) -> None:
    check_image(container(name)["image"])


@each_workload
def test_every_container_has_limits_and_no_capabilities(name: str) -> None:
    only = container(name)
    assert set(only["resources"]) == {"requests", "limits"}
    assert "memory" in only["resources"]["limits"]
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(name)["securityContext"]["runAsNonRoot"]
    assert pod(name)["automountServiceAccountToken"] is False


@each_workload
def test_every_mounted_volume_exists(name: str) -> None:
    claims = [claim["metadata"]["name"] for claim in WORKLOADS[name]["spec"].get("volumeClaimTemplates", [])]
    existing = claims + [volume["name"] for volume in pod(name)["volumes"]]
    assert sorted(mount["name"] for mount in container(name)["volumeMounts"]) == sorted(existing)


@each_workload
def test_selectors_match_the_labels_of_their_workload(name: str) -> None:
    labels = WORKLOADS[name]["spec"]["template"]["metadata"]["labels"].items()
    short = name.partition("/")[2]
    if not name.startswith("Job/"):
        assert WORKLOADS[name]["spec"]["selector"]["matchLabels"].items() <= labels
        assert OBJECTS[f"Service/{short}"]["spec"]["selector"].items() <= labels
    if WORKLOADS[name]["spec"].get("replicas", 1) > 1:
        budget = OBJECTS[f"PodDisruptionBudget/{short}"]["spec"]
        assert budget["selector"]["matchLabels"].items() <= labels


def test_an_unreachable_store_makes_the_api_not_ready_but_does_not_restart_it() -> None:
    api = container("Deployment/assess-api")
    assert api["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http"}
    assert api["livenessProbe"]["httpGet"] == {"path": "/health", "port": "http"}
    assert "httpGet" not in api["startupProbe"]
    port = api["command"][api["command"].index("--port") + 1]
    assert api["ports"] == [{"name": "http", "containerPort": int(port)}]


def test_each_stream_process_has_a_stable_member_name() -> None:
    url = KafkaUrl.parse(environment("StatefulSet/assess-stream")["ASSESS_LOG"])
    assert (url.topic, url.group, url.member) == ("assess", "assess", "assess-stream-0")


# --- Dagster's Helm chart ---


def snake(tree: Any) -> Any:
    """The chart's camel-case names in snake case, as in dagster.yaml."""
    if isinstance(tree, dict):
        return {re.sub(r"(?<=[a-z])([A-Z])", lambda c: f"_{c[1].lower()}", name): snake(tree[name]) for name in tree}
    return tree


def options_of(configurable: Any) -> set[str]:
    """The options of a Dagster class in dagster.yaml."""
    return set(configurable.config_type())


def test_every_image_of_dagster_is_ours_in_the_version_of_this_project() -> None:
    images = list(values_of("image", VALUES))
    assert len(images) == 3
    for image in images:
        assert image["repository"] == OURS
        check_image(f"{image['repository']}:{image['tag']}")


def test_the_run_launcher_accepts_every_option_of_its_configuration() -> None:
    from dagster_k8s import K8sRunLauncher  # imports all of Kubernetes' client

    assert VALUES["runLauncher"]["type"] == "K8sRunLauncher"
    config = snake(VALUES["runLauncher"]["config"]["k8sRunLauncher"])
    assert set(config) <= options_of(K8sRunLauncher)
    assert config["resources"]["limits"]["memory"]


def test_the_output_of_runs_is_stored_in_the_bucket() -> None:
    manager = VALUES["computeLogManager"]
    assert manager["type"] == "S3ComputeLogManager"
    config = snake(manager["config"]["s3ComputeLogManager"])
    assert set(config) <= options_of(S3ComputeLogManager)
    (compose,) = documents(DEPLOY / "dagster" / "dagster.yaml")
    assert {**compose["compute_logs"]["config"], "bucket": "assess"} == config


def test_runs_have_the_same_settings_as_all_of_dagster_and_their_own_memory_limit() -> None:
    (location,) = VALUES["dagster-user-deployments"]["deployments"]
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    for reader in (location, launcher, VALUES["dagsterWebserver"], VALUES["dagsterDaemon"]):
        assert reader["envConfigMaps"] == reader["envSecrets"] == [{"name": "assess"}]
    # if enabled, the chart would replace the resources of the launcher with those of the code location
    assert location["includeConfigInLaunchedRuns"] == {"enabled": False}
    assert launcher["resources"]["limits"]["memory"] > location["resources"]["limits"]["memory"]
    check_command(["dagster", "api", "grpc", *location["dagsterApiGrpcArgs"]])


def test_runs_have_the_security_contexts_of_the_code_location() -> None:
    (location,) = VALUES["dagster-user-deployments"]["deployments"]
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    assert launcher["securityContext"] == location["securityContext"]
    assert launcher["runK8sConfig"]["podSpecConfig"]["securityContext"] == location["podSecurityContext"]


def test_dagster_accepts_the_instance_configuration_of_the_chart(tmp_path: Path) -> None:
    coordinator = VALUES["dagsterDaemon"]["runCoordinator"]
    assert coordinator["type"] == "CustomRunCoordinator"
    written = {"run_coordinator": coordinator["config"]["customRunCoordinator"], **VALUES["additionalInstanceConfig"]}
    YAML(typ="safe").dump(written, tmp_path / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"


def test_dagster_has_the_same_settings_as_embedded() -> None:
    (embedded,) = documents(ROOT / "dagster.yaml")
    assert VALUES["additionalInstanceConfig"] == {name: embedded[name] for name in ("concurrency", "nux")}
    assert snake(VALUES["dagsterDaemon"]["sensors"]) == embedded["sensors"]
    assert snake(VALUES["dagsterDaemon"]["schedules"]) == embedded["schedules"]
    assert snake(VALUES["dagsterDaemon"]["runRetries"]) == embedded["run_retries"]
    assert VALUES["telemetry"] == embedded["telemetry"]
    purged = {name: days for name, days in VALUES["retention"]["sensor"]["purgeAfterDays"].items() if days >= 0}
    assert purged == embedded["retention"]["sensor"]["purge_after_days"]


def test_dagster_uses_the_postgres_of_these_manifests() -> None:
    postgres = container("StatefulSet/dagster-postgresql")
    env = {variable["name"]: variable.get("value") for variable in postgres["env"]}
    chart = VALUES["postgresql"]
    assert (chart["postgresqlUsername"], chart["postgresqlDatabase"]) == (env["POSTGRES_USER"], env["POSTGRES_DB"])
    assert f"Service/{chart['postgresqlHost']}" in OBJECTS
    (secret,) = values_of("secretKeyRef", postgres)
    assert secret == {"name": VALUES["global"]["postgresqlSecretName"], "key": "postgresql-password"}


def test_the_chart_has_the_version_of_dagster() -> None:
    text = (FOLDER / "dagster-values.yaml").read_text(encoding="utf-8")
    assert f"--version {pins(ROOT / 'requirements.lock')['dagster']} " in text
