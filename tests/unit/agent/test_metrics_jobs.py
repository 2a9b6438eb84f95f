"""Jobs of an environment that write metrics: their units, and what Kubernetes runs of them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from agent.jobs import kubernetes, systemd
from agent.jobs.definition import Job, JobOptions
from agent.jobs.scheduled_job import Place, ScheduledJob, schedule_job
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console.target.sessions import CREDENTIAL, JWT_FILE
from tests.support.manifests import find_errors
from tests.support.models import pods
from tests.support.models.jobs import ANOMALIES, DEVICES, LEDGER, METRICS, WATCHING
from tests.support.models.systemd_unit import read_unit, read_words
from tests.support.servers.issuer import Authority
from vault.declare.declaration import Declaration
from vault.declare.schema.logins import JobLogin, Jobs, JwtLogin

STAGING: Final = Environment("staging")
VERSIONS: Final = ("1.33", "1.36")
FOLDER: Final = "/var/lib/node exporter/textfile"
LOGS: Final = ("--audit-log", "/var/log/openbao/audit-1.log", "--audit-log", "/srv/a b/audit-2.log")
AUDITOR: Final = JwtLogin(audience="vault", subject="system:serviceaccount:ops:auditor")
OPTIONS: Final = {
    ANOMALIES: WATCHING,
    DEVICES: WATCHING,
    LEDGER: replace(WATCHING, audit_log=(), user=None),
}


@pytest.fixture(scope="module")
def declaration(tmp_path_factory: pytest.TempPathFactory) -> Declaration:
    """Return a declaration with a login of the auditor."""
    declared = pods.declare_pod(tmp_path_factory.mktemp("declared") / "d", Authority().pem)
    environment = declared.environments[STAGING]
    changed = environment.model_copy(update={"jobs": Jobs(auditor=JobLogin(jwt=AUDITOR))})
    return replace(declared, environments={**declared.environments, STAGING: changed})


def schedule(declaration: Declaration, job: Job, **changed: Any) -> ScheduledJob:
    """Return *job* with changed fields of its options or its place."""
    options, place = OPTIONS[job], Place()
    for name, value in changed.items():
        if hasattr(place, name):
            place = replace(place, **{name: value})
        else:
            options = replace(options, **{name: value})
    return schedule_job(declaration, STAGING, job, options, place)


def files_of(declaration: Declaration, job: Job, **changed: Any) -> dict[str, str]:
    return systemd.build(schedule(declaration, job, **changed))


def unit_of(declaration: Declaration, job: Job, **changed: Any) -> dict[str, dict[str, list[str]]]:
    """Return the sections of the unit of *job*."""
    files = files_of(declaration, job, **changed)
    return read_unit(files[f"strongroom-staging-{job.name}.service"])


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (
            ANOMALIES,
            (
                *("audit", "anomalies", "--env", "staging", *LOGS),
                *("--metrics", f"{FOLDER}/strongroom.prom"),
                *("--store", "/var/lib/strongroom-staging-audit-anomalies"),
            ),
        ),
        (
            DEVICES,
            (
                *("audit", "devices", "--env", "staging", *LOGS),
                *("--metrics", f"{FOLDER}/strongroom.prom"),
            ),
        ),
        (LEDGER, ("ledger", "--env", "staging", "--metrics", f"{FOLDER}/strongroom.prom")),
    ],
    ids=lambda value: value.name if isinstance(value, Job) else "",
)
def test_job_of_an_environment_runs_its_command(
    declaration: Declaration, job: Job, words: tuple[str, ...]
) -> None:
    service = unit_of(declaration, job)["Service"]
    (start,) = service["ExecStart"]
    assert tuple(read_words(start)[1:]) == words
    assert service["WorkingDirectory"] == ["/srv/deployment"]


@pytest.mark.parametrize("job", METRICS, ids=lambda job: job.name)
def test_finding_is_no_failed_run_and_metrics_are_all_that_is_written(
    declaration: Declaration, job: Job
) -> None:
    service = unit_of(declaration, job)["Service"]
    assert service["SuccessExitStatus"] == ["2"]
    assert read_words(service["ReadWritePaths"][0]) == [FOLDER]
    assert service["SupplementaryGroups"] == ["strongroom-metrics"]


def test_anomalies_keep_a_store_and_get_no_credential_and_no_network(
    declaration: Declaration,
) -> None:
    service = unit_of(declaration, ANOMALIES)["Service"]
    assert service["StateDirectory"] == ["strongroom-staging-audit-anomalies"]
    assert service["StateDirectoryMode"] == ["0700"]
    assert service["PrivateNetwork"] == ["yes"]
    assert {"LoadCredential", "Environment"}.isdisjoint(service)


@pytest.mark.parametrize("job", [DEVICES, LEDGER], ids=lambda job: job.name)
def test_job_logs_in_with_the_credential_of_the_auditor(declaration: Declaration, job: Job) -> None:
    service = unit_of(declaration, job, cacert=Path("/etc/ca.pem"))["Service"]
    folder = "/etc/strongroom/strongroom-auditor"
    assert service["LoadCredential"] == [
        "ca:/etc/ca.pem",
        f"role-id:{folder}/role-id",
        f"secret-id:{folder}/secret-id",
    ]
    files = zip(("VAULT_CACERT", *CREDENTIAL), ("ca", "role-id", "secret-id"), strict=True)
    assert service["Environment"] == [f"{variable}=%d/{name}" for variable, name in files]
    assert "PrivateNetwork" not in service


def test_ledger_has_a_user_of_its_own_and_others_that_of_the_logs(declaration: Declaration) -> None:
    users = {job: unit_of(declaration, job)["Service"]["User"][0] for job in METRICS}
    assert users[ANOMALIES] == users[DEVICES] == "openbao"
    assert users[LEDGER] == "strongroom-staging-ledger"
    assert unit_of(declaration, LEDGER, user="openbao")["Service"]["User"] == ["openbao"]


@pytest.mark.requires("systemd")
def test_systemd_makes_the_group_that_several_jobs_name(
    declaration: Declaration, tmp_path: Path
) -> None:
    program = shutil.which("systemd-sysusers")
    if program is None:
        pytest.skip("needs systemd-sysusers")
    paths = []
    for job in METRICS:
        name = f"strongroom-staging-{job.name}.sysusers.conf"
        paths.append(tmp_path / name)
        paths[-1].write_text(files_of(declaration, job)[name])
    done = subprocess.run(
        [program, "--dry-run", *paths], capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Would write")]
    created = [line.split(" with ")[0] for line in lines]
    user = "strongroom-staging-ledger"
    assert sorted(created) == [
        "Creating group 'strongroom-metrics'",
        f"Creating group '{user}'",
        f"Creating user '{user}' (Ledger of staging)",
    ]


def test_minutely_job_starts_on_time_and_reports_by_the_age_of_its_metrics(
    declaration: Declaration,
) -> None:
    files = files_of(declaration, DEVICES)
    timer = read_unit(files["strongroom-staging-audit-devices.timer"])["Timer"]
    assert timer["OnCalendar"] == ["*-*-* *:*:00 UTC"]
    assert timer["AccuracySec"] == ["1s"]
    assert "RandomizedDelaySec" not in timer
    assert "OnFailure" not in unit_of(declaration, DEVICES)["Unit"]
    assert systemd.FAILED not in files


@pytest.mark.parametrize(("job", "minute"), [(ANOMALIES, "10"), (LEDGER, "00")])
def test_hourly_job_reports_its_failure(declaration: Declaration, job: Job, minute: str) -> None:
    files = files_of(declaration, job)
    timer = read_unit(files[f"strongroom-staging-{job.name}.timer"])["Timer"]
    assert timer["OnCalendar"] == [f"*-*-* *:{minute}:00 UTC"]
    assert timer["RandomizedDelaySec"] == ["5min"]
    assert unit_of(declaration, job)["Unit"]["OnFailure"] == ["strongroom-job-failed@%N.service"]
    assert systemd.FAILED in files


@pytest.mark.parametrize(
    ("job", "changed", "message"),
    [
        (LEDGER, {"metrics": None}, "writes metrics for the node exporter; name their file with"),
        (
            LEDGER,
            {"metrics": Path("/srv/m.txt")},
            r"/srv/m.txt does not end in .prom, and the node",
        ),
        (LEDGER, {"metrics": Path("/m.prom")}, "^/ is the root of the file system"),
        (LEDGER, {"metrics": Path("m.prom")}, "is no absolute path"),
        (LEDGER, {"metrics": Path("/root/m.prom")}, "is in a home folder or a temporary one"),
        (LEDGER, {"repository": None}, "reads the deployment's repository; name its folder with"),
        (LEDGER, {"folder": Path("/srv/f")}, "the job ledger takes no --folder; remove it"),
        (DEVICES, {"audit_log": ()}, "reads the server's audit logs; name each with --audit-log"),
        (ANOMALIES, {"user": None}, "runs as a user who may read the server's audit logs; name it"),
    ],
    ids=lambda value: value.name if isinstance(value, Job) else None,
)
def test_option_that_a_unit_cannot_use_is_rejected(
    declaration: Declaration, job: Job, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        files_of(declaration, job, **changed)


def pod_job(declaration: Declaration, **changed: Any) -> ScheduledJob:
    """Return the ledger for a pod."""
    return schedule(declaration, LEDGER, **{"metrics": None, "image": "tool:1", **changed})


@pytest.mark.parametrize("version", VERSIONS)
def test_ledger_in_kubernetes_fails_once_for_a_finding(
    declaration: Declaration, version: str
) -> None:
    files = kubernetes.build(pod_job(declaration))
    for name in files.keys() - {"kustomization.yaml"}:
        manifest = yaml.safe_load(files[name])
        kubernetes_validate.validate(manifest, version, strict=True)
        assert find_errors(manifest, {}) == []
    spec = yaml.safe_load(files["cron-job.yaml"])["spec"]
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("0 * * * *", "Forbid")
    runs = spec["jobTemplate"]["spec"]
    (container,) = runs["template"]["spec"]["containers"]
    # A pod that is started again in place would never end with the exit code.
    assert runs["template"]["spec"]["restartPolicy"] == "Never"
    assert runs["podFailurePolicy"] == {
        "rules": [
            {
                "action": "FailJob",
                "onExitCodes": {
                    "containerName": container["name"],
                    "operator": "In",
                    "values": [2],
                },
            }
        ]
    }
    assert container["command"][1:] == ["ledger", "--env", "staging"]


def test_ledger_in_kubernetes_logs_in_as_the_declared_auditor(declaration: Declaration) -> None:
    files = kubernetes.build(pod_job(declaration))
    template = yaml.safe_load(files["cron-job.yaml"])["spec"]["jobTemplate"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert {"name": JWT_FILE, "value": pods.TOKEN_FILE} in container["env"]
    assert template["spec"]["serviceAccountName"] == "auditor"
    *_, server = yaml.safe_load(files["network-policy.yaml"])["spec"]["egress"]
    assert server["ports"] == [{"protocol": "TCP", "port": 8200}]
    undeclared = replace(pod_job(declaration), login=None)
    with pytest.raises(ConfigurationError, match=r"jobs\.auditor is not declared"):
        kubernetes.build(undeclared)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"metrics": WATCHING.metrics}, "no node exporter reads a file of a pod; leave --metrics"),
        ({"audit_log": WATCHING.audit_log}, "leave --audit-log and --store out$"),
        ({"user": "openbao"}, "container runs as 10001; leave --user out"),
    ],
)
def test_option_for_a_machine_is_rejected_in_kubernetes(
    declaration: Declaration, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        kubernetes.build(pod_job(declaration, **changed))


@pytest.mark.parametrize("job", [ANOMALIES, DEVICES], ids=lambda job: job.name)
def test_job_that_reads_logs_is_rejected_in_kubernetes(declaration: Declaration, job: Job) -> None:
    with pytest.raises(ConfigurationError, match="which a pod has not; write it for systemd"):
        kubernetes.build(schedule(declaration, job, image="tool:1"))


def test_job_of_an_environment_without_an_address_is_rejected(declaration: Declaration) -> None:
    environment = declaration.environments[STAGING]
    vault = environment.vault.model_copy(update={"address": None})
    changed = environment.model_copy(update={"vault": vault})
    without = replace(declaration, environments={STAGING: changed})
    with pytest.raises(ConfigurationError, match=r"^staging has no vault\.address"):
        schedule_job(without, STAGING, LEDGER, JobOptions(repository=Path("/srv/d")), Place())
