"""Manifests that run a job in Kubernetes, checked by the schemas of its API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from agent.jobs.kubernetes import build
from agent.jobs.scheduled_job import ScheduledJob
from agent.targets.settings import ServiceSettings, service_settings
from app_integration import settings
from app_integration.auth.from_settings import build_auth_method
from app_integration.auth.methods import JwtFile
from app_integration.errors import ConfigurationError
from app_integration.mounts import Mounts
from console.target.sessions import JWT_FILE
from tests.support.manifests import find_errors, pod_of
from tests.support.models import pods
from tests.support.models.jobs import ARCHIVE, FOLDER, RECIPIENT, ROTATE, TIDY, scheduled
from tests.support.servers.issuer import Authority
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.logins import JwtLogin

ROOT: Final = Path(__file__).parents[3]
VERSIONS: Final = ("1.33", "1.36")
IMAGE: Final = "registry.example.com/tool:1"
CA: Final = Path("/etc/strongroom-ca/ca.pem")
TEMPORARY: Final = Path("/tmp")  # noqa: S108 (that of the pod)
NAME: Final = "strongroom-parcels-backup-database"
PEM: Final = Authority().pem
JWT: Final[dict[str, Any]] = {
    "agent": {**pods.AGENT, "login": "jwt"},
    "login": {
        "jwt": {"audience": "strongroom", "subject": "system:serviceaccount:shops:parcels-web"}
    },
}
ROTATOR: Final = JwtLogin(audience="vault", subject="system:serviceaccount:ops:rotator")


@pytest.fixture
def service(tmp_path: Path) -> ServiceSettings:
    return declared(tmp_path)


def declared(folder: Path, **fields: Any) -> ServiceSettings:
    return service_settings(pods.declare_pod(folder / "declared", PEM, **fields), pods.SCOPE)


def job_of(service: ServiceSettings, *arguments: Any, **options: Any) -> ScheduledJob:
    return scheduled(service, *arguments, **{"image": IMAGE, **options})


def cron_job(files: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(files["cron-job.yaml"])
    return found


def pod(files: dict[str, str]) -> dict[str, Any]:
    found = pod_of(cron_job(files))
    assert found is not None
    return found


def container(files: dict[str, str]) -> dict[str, Any]:
    (found,) = pod(files)["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fields", [{}, JWT], ids=["kubernetes", "jwt"])
@pytest.mark.parametrize(
    "build_job",
    [
        job_of,
        lambda service: job_of(
            service, cron="*/5 * * * 1-5", cacert=CA, recipient=(RECIPIENT,), keep=14
        ),
        lambda service: job_of(service, TIDY),
        lambda service: replace(job_of(service, ROTATE), login=ROTATOR),
    ],
    ids=["default", "all options", "no needs", "rotate"],
)
def test_manifests_of_a_job_are_valid(
    tmp_path: Path,
    version: str,
    fields: dict[str, Any],
    build_job: Callable[[ServiceSettings], ScheduledJob],
) -> None:
    files = build(build_job(declared(tmp_path, **fields)))
    assert "cron-job.yaml" in yaml.safe_load(files["kustomization.yaml"])["resources"]
    for name, text in files.items():
        if name != "kustomization.yaml":
            manifest = yaml.safe_load(text)
            kubernetes_validate.validate(manifest, version, strict=True)
            assert find_errors(manifest, {"strongroom-ca": {CA.name}}) == []


def test_wrong_key_of_a_manifest_would_be_noticed(service: ServiceSettings) -> None:
    manifest = cron_job(build(job_of(service)))
    manifest["spec"]["jobTemplate"]["spec"]["activeDeadlineSecond"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="activeDeadlineSecond"):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)
    manifest["spec"]["concurrencyPolicy"] = "forbid"
    assert find_errors(manifest, {}) == ["concurrencyPolicy forbid"]


def test_runs_of_a_job_are_limited_and_kept(service: ServiceSettings) -> None:
    spec = cron_job(build(job_of(service, cron=" 0  3 * * 1-5")))["spec"]
    runs = spec.pop("jobTemplate")["spec"]
    assert spec == {
        "schedule": "0 3 * * 1-5",
        "timeZone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 3600,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
    }
    assert (runs["activeDeadlineSeconds"], runs["backoffLimit"]) == (14400, 2)
    assert runs["template"]["spec"]["restartPolicy"] == "Never"


def test_job_runs_the_command_with_its_options(service: ServiceSettings) -> None:
    program, folder = Path("/opt/tool/strongroom"), Path("/backups/$(HOME)")
    job = job_of(service, recipient=(RECIPIENT,), keep=7, program=program, folder=folder)
    found = container(build(job))
    assert found["image"] == IMAGE
    # Kubernetes makes a $ of $$.
    assert found["command"] == [
        *("/opt/tool/strongroom", "backup-database", "--service", "parcels", "--env", "staging"),
        *("--folder", "/backups/$$(HOME)", "--recipient", RECIPIENT, "--keep", "7"),
    ]


def test_pod_of_a_job_meets_the_restricted_standard(service: ServiceSettings) -> None:
    files = build(job_of(service, cacert=CA))
    assert container(files)["securityContext"] == {
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected"}
    volumes = {volume["name"]: volume for volume in pod(files)["volumes"]}
    assert {key for volume in volumes.values() for key in volume} - {"name"} <= allowed
    assert pod(files)["automountServiceAccountToken"] is False


def test_job_writes_to_its_claim_and_a_temporary_folder_only(service: ServiceSettings) -> None:
    files = build(job_of(service, cacert=CA))
    mounts = {each["mountPath"]: each for each in container(files)["volumeMounts"]}
    writable = {path for path, mount in mounts.items() if not mount.get("readOnly")}
    assert writable == {str(FOLDER), str(TEMPORARY)}
    volumes = {volume["name"]: volume for volume in pod(files)["volumes"]}
    claim = volumes[mounts[str(FOLDER)]["name"]]["persistentVolumeClaim"]
    assert claim == {"claimName": NAME}
    assert pod(files)["securityContext"]["fsGroup"] == 10001
    assert not any("PersistentVolumeClaim\n" in text for text in files.values())


def test_claim_of_the_page_is_that_of_the_job(service: ServiceSettings) -> None:
    page = (ROOT / "docs/howto/Scheduled_Jobs.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    claim, component = (yaml.safe_load(block) for block in blocks)
    kubernetes_validate.validate(claim, VERSIONS[-1], strict=True)
    volumes = {volume["name"]: volume for volume in pod(build(job_of(service)))["volumes"]}
    assert volumes["folder"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert component["components"] == ["strongroom-backup"]


@pytest.mark.parametrize(
    ("fields", "audience", "mount"), [({}, None, "kubernetes"), (JWT, "strongroom", "jwt")]
)
def test_sdk_logs_in_with_the_token_of_the_pod(
    tmp_path: Path, fields: dict[str, Any], audience: str | None, mount: str
) -> None:
    service = declared(tmp_path, **fields)
    service = replace(service, mounts=Mounts(database="team/db", approle="team-approle"))
    files = build(job_of(service, cacert=CA))
    read = settings.from_environment(
        {each["name"]: each["value"] for each in container(files)["env"]}
    )
    token = Path(pods.TOKEN_FILE)
    assert build_auth_method(read) == JwtFile(token, "parcels-staging", mount)
    assert (read.mounts.database, read.vault_cacert) == ("team/db", CA)
    volumes = {volume["name"]: volume for volume in pod(files)["volumes"]}
    (source,) = volumes["strongroom-token"]["projected"]["sources"]
    assert source["serviceAccountToken"].get("audience") == audience
    assert source["serviceAccountToken"]["path"] == token.name
    assert str(token.parent) in {each["mountPath"] for each in container(files)["volumeMounts"]}
    account = yaml.safe_load(files["service-account.yaml"])
    assert pod(files)["serviceAccountName"] == account["metadata"]["name"] == "parcels-web"
    assert ("token-review.yaml" in files) == (audience is None)


def test_component_has_the_job_only(service: ServiceSettings) -> None:
    files = build(job_of(service))
    component = yaml.safe_load(files["kustomization.yaml"])
    assert (component["kind"], component["resources"]) == ("Component", ["cron-job.yaml"])
    # The component of the agent has the same account, and kustomize rejects two.
    assert files.keys() - {"kustomization.yaml", "cron-job.yaml"} == {
        "service-account.yaml",
        "token-review.yaml",
        "network-policy.yaml",
    }


def test_network_policy_of_a_job_selects_its_pods(service: ServiceSettings) -> None:
    database = {"database": Endpoint("10.0.0.5", 5433)}
    service = replace(service, deployment=service.deployment.model_copy(update=database))
    files = build(job_of(service))
    policy = yaml.safe_load(files["network-policy.yaml"])
    template = cron_job(files)["spec"]["jobTemplate"]["spec"]["template"]
    selected = policy["spec"]["podSelector"]["matchLabels"]
    assert selected == template["metadata"]["labels"] == {"strongroom/job": NAME}
    assert policy["metadata"]["name"] == NAME
    *_, server, found = policy["spec"]["egress"]
    assert server["ports"] == [{"protocol": "TCP", "port": 8200}]
    assert found == {
        "ports": [{"protocol": "TCP", "port": 5433}],
        "to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}],
    }


def test_job_without_needs_gets_no_token_no_claim_and_no_policy(service: ServiceSettings) -> None:
    files = build(job_of(service, TIDY))
    assert files.keys() == {"kustomization.yaml", "cron-job.yaml"}
    assert [volume["name"] for volume in pod(files)["volumes"]] == ["temporary"]
    assert "serviceAccountName" not in pod(files)
    assert "STRONGROOM_AUTH" not in {each["name"] for each in container(files)["env"]}


def test_rotation_logs_in_as_the_rotator_and_may_query_prometheus(service: ServiceSettings) -> None:
    files = build(replace(job_of(service, ROTATE), login=ROTATOR))
    found = container(files)
    assert found["workingDir"] == "/srv/deployment"
    assert found["command"][1:] == [
        *("rotate", "--due", "--service", "parcels", "--env", "staging"),
        *("--prometheus", "http://10.0.0.9:9090/prometheus"),
    ]
    assert {"name": JWT_FILE, "value": pods.TOKEN_FILE} in found["env"]
    volumes = {volume["name"]: volume for volume in pod(files)["volumes"]}
    (source,) = volumes["strongroom-token"]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "vault"
    assert pod(files)["serviceAccountName"] == "rotator"
    assert yaml.safe_load(files["service-account.yaml"])["metadata"]["name"] == "rotator"
    *_, prometheus = yaml.safe_load(files["network-policy.yaml"])["spec"]["egress"]
    assert prometheus == {
        "ports": [{"protocol": "TCP", "port": 9090}],
        "to": [{"ipBlock": {"cidr": "10.0.0.9/32"}}],
    }


@pytest.mark.parametrize(
    ("login", "message"),
    [
        (None, "yaml: jobs.rotator is not declared, and its AppRole needs a stored credential"),
        (JwtLogin(audience="vault", subject="repo:a/b"), "jobs.rotator.jwt.subject is no service"),
    ],
)
def test_rotation_without_a_login_of_pods_is_rejected(
    service: ServiceSettings, login: JwtLogin | None, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(replace(job_of(service, ROTATE), login=login))


def test_long_service_gets_a_name_that_a_cron_job_may_have(service: ServiceSettings) -> None:
    long = replace(service, scope=replace(service.scope, service="a" * 40))
    names = {cron_job(build(job_of(each)))["metadata"]["name"] for each in (service, long)}
    assert NAME in names
    assert max(map(len, names)) == 52


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": None}, "has no image; name one that has the tool, with --image"),
        ({"image": ""}, "has no image"),
        ({"image": "tool: 1"}, "has no image"),
        ({"folder": TEMPORARY}, "^/tmp is in /tmp, where the pod has a volume"),
        ({"folder": TEMPORARY / "backups"}, "^/tmp/backups is in /tmp"),
        ({"folder": Path("/var/run/secrets")}, "strongroom is in /var/run/secrets, where"),
        ({"folder": Path("/usr/local")}, "^/usr/local/bin/strongroom is in /usr/local"),
        ({"cacert": FOLDER / "ca.pem"}, f"^{FOLDER}/ca.pem is in {FOLDER}"),
        ({"folder": Path("/srv/a:b")}, "contains a colon"),
    ],
)
def test_place_that_a_pod_cannot_use_is_rejected(
    service: ServiceSettings, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(job_of(service, **options))


def test_archive_of_audit_logs_is_rejected_because_a_pod_has_none(service: ServiceSettings) -> None:
    with pytest.raises(ConfigurationError, match="which a pod cannot; write it for systemd"):
        build(scheduled(service, ARCHIVE, image="tool:1"))


def test_stored_credential_is_rejected(tmp_path: Path) -> None:
    service = declared(tmp_path, agent={"render_interval": "5s"}, login={"approle": {}})
    with pytest.raises(ConfigurationError, match="login is approle, which needs a stored"):
        build(job_of(service))
