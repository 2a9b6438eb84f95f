"""Files that run workers of a migration, checked by the schemas of the API of Kubernetes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from agent.jobs.migration_workers import build_compose, build_kubernetes, schedule_workers
from agent.jobs.scheduled_job import Place, ScheduledJob
from app_integration.errors import ConfigurationError
from tests.support.manifests import find_errors
from tests.support.models import pods
from tests.support.servers.issuer import Authority
from vault.declare.schema.database import Database

IMAGE: Final = "registry.example.com/tool:1"
CA: Final = Path("/etc/strongroom-ca/ca.pem")
DATABASE: Final = Database.model_validate(
    {"engine": "postgresql", "name": "parcels", "roles": {"owner": {"ttl": "1h", "max_ttl": "24h"}}}
)
PLAN: Final = "migration: users\n"
NAME: Final = "strongroom-parcels-migrate-work"
COMMAND: Final = [
    "/usr/local/bin/strongroom",
    *("migrate", "work", "/etc/strongroom-migration/plan.yaml", "--idle", "1h"),
    *("--role", "owner", "--env", "staging"),
]


def workers(folder: Path, image: str | None = IMAGE, **fields: Any) -> ScheduledJob:
    declaration = pods.declare_pod(folder / "declared", Authority().pem, **fields)
    service = declaration.service("parcels").model_copy(update={"database": DATABASE})
    declaration = replace(declaration, services={"parcels": service})
    return schedule_workers(declaration, pods.SCOPE, Place(cacert=CA, image=image), "owner")


@pytest.mark.parametrize("version", ["1.33", "1.36"])
def test_manifests_of_workers_are_valid(tmp_path: Path, version: str) -> None:
    files = build_kubernetes(workers(tmp_path), PLAN, 4)
    component = yaml.safe_load(files.pop("kustomization.yaml"))
    assert component["resources"] == ["job.yaml"]
    (generated,) = component["configMapGenerator"]
    assert (generated["name"], generated["files"]) == (NAME, ["plan.yaml"])
    assert files.pop("plan.yaml") == PLAN
    config_maps = {"strongroom-ca": {CA.name}, NAME: {"plan.yaml"}}
    for text in files.values():
        manifest = yaml.safe_load(text)
        kubernetes_validate.validate(manifest, version, strict=True)
        assert find_errors(manifest, config_maps) == []


def test_job_runs_workers_on_several_nodes_and_replaces_lost_ones(tmp_path: Path) -> None:
    job = yaml.safe_load(build_kubernetes(workers(tmp_path), PLAN, 4)["job.yaml"])["spec"]
    pod = job["template"]["spec"]
    assert (job["parallelism"], "completions" in job) == (4, False)
    assert "activeDeadlineSeconds" not in job
    assert pod["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    assert pod["containers"][0]["command"] == COMMAND
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert mounts["plan"] == "/etc/strongroom-migration"


def test_compose_runs_workers_with_the_credential_in_secrets(tmp_path: Path) -> None:
    declared = workers(tmp_path, agent={"render_interval": "5s"}, login={"approle": {}})
    files = build_compose(declared, PLAN, 3)
    document = yaml.safe_load(files["compose.yaml"])
    service = document["services"][NAME]
    assert (service["image"], service["scale"], service["restart"]) == (IMAGE, "3", "on-failure")
    assert service["entrypoint"] == COMMAND
    assert {each["target"] for each in service["secrets"]} == {
        "/run/secrets/role-id",
        "/run/secrets/secret-id",
        str(CA),
    }
    assert set(document["secrets"]) == {each["source"] for each in service["secrets"]}
    assert service["environment"]["STRONGROOM_SECRET_ID_FILE"] == "/run/secrets/secret-id"
    assert service["environment"]["STRONGROOM_SERVICE"] == "parcels"


def test_compose_without_approle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="logs in by AppRole"):
        build_compose(workers(tmp_path), PLAN, 3)


def test_workers_without_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no image"):
        build_kubernetes(workers(tmp_path, image=""), PLAN, 3)
