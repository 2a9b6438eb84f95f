"""Units of jobs that write metrics, run by their own command lines as the server's user.

Paths are moved below a temporary folder, and nothing else is changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.jobs.definition import Job, JobOptions
from agent.jobs.scheduled_job import Place, schedule_job
from agent.jobs.systemd import build
from app_integration.names import Environment
from tests.support.models import pods
from tests.support.models.jobs import ANOMALIES, DEVICES, LEDGER
from tests.support.models.systemd_unit import read_unit, read_words
from tests.support.servers.audited_server import AuditedServer, audited_server
from tests.support.servers.issuer import Authority
from vault.declare.declaration import Declaration

pytestmark = [
    pytest.mark.requires("embedded"),
    pytest.mark.requires("root"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run jobs as another user"),
]

ROOT: Final = Path(__file__).parents[2]
#: Ids of the user of the server's logs, and of the group of the metrics. None of them must exist.
USER: Final = 61_021
METRICS: Final = 61_023
LOGS: Final = tuple(Path(f"/var/log/openbao/audit-{number}.log") for number in (1, 2))
TEXTFILE: Final = Path("/var/lib/node_exporter/textfile")
PLACE: Final = Place(cacert=Path("/etc/strongroom/ca.pem"))
STAGING: Final = Environment("staging")
#: Runs the tool as the user. Imports come first, because an interpreter may be in root's home.
AS_USER: Final = f"""
import os, sys
import _strptime, duckdb, encodings.idna, encodings.utf_8_sig, prometheus_client
import console.cli
from console.command_table import COMMANDS
from console.commands.command_group import Commands
[*Commands(COMMANDS).values()]
os.setgroups([{METRICS}])
os.setgid({USER})
os.setuid({USER})
os.umask(0o077)
console.cli.main()
"""
#: The rights of the auditor on what these jobs read.
POLICY: Final = 'path "*" { capabilities = ["read", "list", "update", "sudo"] }'


class Machine:
    """Folder in place of the file system of the server's machine."""

    def __init__(self, folder: Path, server: AuditedServer, declared: Declaration) -> None:
        self.folder = folder
        self.server = server
        self.declared = declared

    def path(self, path: Path) -> Path:
        """Return where the path of the machine is."""
        return self.folder / path.relative_to("/")

    def move(self, text: str) -> str:
        """Return *text* with the paths of a machine below the folder."""
        for prefix in ("/srv/", "/var/lib/"):
            text = text.replace(prefix, f"{self.folder}{prefix}")
        return text.replace("/var/log/openbao", str(self.server.folder))

    def run(
        self, job: Job, metrics: str, logs: tuple[Path, ...] = LOGS
    ) -> tuple[int, dict[str, float]]:
        """Run the job's unit once; return its exit code, and the sum of each metric."""
        options = JobOptions(
            repository=Path("/srv/deployment"),
            audit_log=logs,
            user="openbao",
            metrics=TEXTFILE / metrics,
        )
        files = build(schedule_job(self.declared, STAGING, job, options, PLACE))
        unit = read_unit(files[f"strongroom-staging-{job.name}.service"])["Service"]
        for name in unit.get("StateDirectory", ()):
            state = self.path(Path("/var/lib") / name)
            state.mkdir(mode=int(unit["StateDirectoryMode"][0], 8), exist_ok=True)
            os.chown(state, USER, USER)
        variables = dict(
            line.replace("%d", str(self.folder / "credentials")).split("=", 1)
            for line in unit.get("Environment", ())
        )
        (start,) = unit["ExecStart"]
        done = subprocess.run(
            [sys.executable, "-c", AS_USER, *read_words(self.move(start))[1:]],
            cwd=self.move(unit["WorkingDirectory"][0]),
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **variables},
            check=False,
        )
        return done.returncode, self._read(TEXTFILE / metrics)

    def _read(self, path: Path) -> dict[str, float]:
        """Return the sum of each metric, as the node exporter reads them."""
        file = self.path(path)
        if not file.exists():
            return {}
        assert (file.stat().st_mode & 0o777, file.stat().st_uid) == (0o644, USER)
        families = text_string_to_metric_families(file.read_text(encoding="utf-8"))
        return {each.name: sum(sample.value for sample in each.samples) for each in families}


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Yield the machine of a server with two devices, whose files belong to its user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        logs = folder / "server"
        logs.mkdir(0o711)
        with audited_server(logs, tls=True, logs=[path.name for path in LOGS]) as server:
            for path in LOGS:
                os.chown(logs / path.name, USER, USER)
            credentials = folder / "credentials"
            credentials.mkdir()
            server.root.post("sys/policies/acl/auditor", {"policy": POLICY})
            server.approle(credentials, "strongroom-auditor", token_policies=["auditor"])
            shutil.copy(server.cacert or "", credentials / "ca")
            for path in (credentials, *credentials.iterdir()):
                os.chown(path, USER, USER)
            repository = folder / "srv/deployment"
            declared = pods.declare_pod(repository, Authority().pem, address=server.address)
            (repository / "strongroom.yaml").write_text("format: 1\n")
            textfile = folder / TEXTFILE.relative_to("/")
            textfile.mkdir(parents=True)
            os.chown(textfile, 0, METRICS)
            textfile.chmod(0o775)
            yield Machine(folder, server, declared)


def test_devices_job_logs_in_and_writes_that_a_device_is_not_compared(machine: Machine) -> None:
    code, metrics = machine.run(DEVICES, "audit.prom", LOGS[:1])
    assert code == 2
    assert metrics["strongroom_audit_findings"] >= 1  # another one if the disk is small
    assert metrics["strongroom_audit_device_size_bytes"] > 0


def test_ledger_job_writes_the_ages(machine: Machine) -> None:
    code, metrics = machine.run(LEDGER, "ledger.prom")
    assert (code, metrics["strongroom_rotation_overdue"]) == (0, 0)
    assert metrics["strongroom_rotation_due_timestamp_seconds"] > 0


def test_anomalies_job_keeps_its_store_and_needs_no_login(machine: Machine) -> None:
    code, metrics = machine.run(ANOMALIES, "anomalies.prom")
    assert (code, metrics["strongroom_audit_anomalies"] > 0) == (2, True)  # the root token
    store = machine.path(Path("/var/lib/strongroom-staging-audit-anomalies"))
    assert store.stat().st_mode & 0o777 == 0o700
    assert any(store.rglob("*.parquet"))
