"""Monitoring of a local deployment: its targets, its mail and its processes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from local.files import ensure_private_folder
from local.layout import Layout
from local.port_choice import remembered_ports
from local.ports import HOST, MonitoringPorts
from local.processes.lock import Lock
from local.processes.processes import ProcessManager, python_program
from local.processes.program import Program
from local.runtimes.runtime_choice import DEFAULT, MOTO, SETTING
from local.servers.accounts import MONITORING_ACCOUNT, mail_password
from local.taken_ports import check_free
from vault.declare.repository import Repository
from vault.declare.schema.monitoring import Mail, Monitoring, Scraped
from vault.monitoring.alerts import read_monitoring
from vault.monitoring.files import render_files
from vault.monitoring.targets import server_targets

START_SECONDS: Final = 30.0
REQUEST_SECONDS: Final = 2.0
#: Name of the process → the program, which on Debian is the name of its package, too.
PROGRAMS: Final = {
    "prometheus": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "node-exporter": "prometheus-node-exporter",
}
CHECKS: Final = "monitoring-checks"
#: Page of each server that answers once it is ready.
_READY: Final = {"prometheus": "/-/ready", "alertmanager": "/-/ready", "node-exporter": "/metrics"}
_RETENTION: Final = "15d"


class MonitoringStack:
    """The processes of the monitoring.

    *folder* has all their files, and *textfiles* those of the checks.
    """

    def __init__(self, layout: Layout, ports: MonitoringPorts) -> None:
        self.folder = layout.root / "monitoring"
        self.textfiles = self.folder / "textfile"
        self._ports = ports
        self._processes = ProcessManager(layout)

    def start(self, files: Mapping[str, str], checks: Program) -> tuple[str, ...]:
        """Write *files*, start what does not run on them, and return the names of what started.

        *files* maps the name of a file to its text. The name of *checks* must be :data:`CHECKS`.
        """
        programs = [*self._programs(), checks]
        for folder in (self.folder, self.textfiles):
            ensure_private_folder(folder)
        changed = self._find_changed(files)
        stopped = [each for each in programs if changed or not self._runs(each)]
        for program in stopped:
            self._processes.stop(program.name)
        # Afterwards, because a process on a former file is recognised by that file only.
        for path, text in changed.items():
            write_private(path, text)
        check_free(self._ports, [each.name.replace("-", "_") for each in stopped if each.ports])
        for program in stopped:
            self._start(program)
        return tuple(each.name for each in stopped)

    def stop(self) -> tuple[str, ...]:
        """Stop the processes, and return the names of those that were running."""
        names = [name for name in (CHECKS, *PROGRAMS) if self._processes.find(name)]
        for name in (CHECKS, *PROGRAMS):
            self._processes.stop(name)
        return tuple(names)

    def _find_changed(self, files: Mapping[str, str]) -> dict[Path, str]:
        """Return the path and text of each of *files* that is another than before."""
        found = {self.folder / name: text for name, text in files.items()}
        return {
            path: text
            for path, text in found.items()
            if not path.exists() or path.read_text(encoding="utf-8") != text
        }

    def _runs(self, program: Program) -> bool:
        running = self._processes.find(program.name)
        return running is not None and running.ports == program.ports

    def _start(self, program: Program) -> None:
        running = self._processes.start(program)
        if program.ports:
            url = f"http://{HOST}:{program.ports[0]}{_READY[program.name]}"
            self._processes.wait_until(running, lambda: _responds(url), START_SECONDS)

    def _programs(self) -> list[Program]:
        """Return the programs."""
        paths = {name: shutil.which(program) for name, program in PROGRAMS.items()}
        missing = [PROGRAMS[name] for name, path in paths.items() if path is None]
        if missing:
            raise ConfigurationError(
                f"{', '.join(missing)} is not installed; install it, on Debian and Ubuntu with: "
                f"apt-get install {' '.join(missing)}"
            )
        root, ports = self.folder, self._ports.by_name()
        options = {
            "prometheus": (
                f"--config.file={root / 'prometheus.yml'}",
                f"--storage.tsdb.path={root / 'prometheus'}",
                f"--storage.tsdb.retention.time={_RETENTION}",
            ),
            "alertmanager": (
                f"--config.file={root / 'alertmanager.yml'}",
                f"--storage.path={root / 'alertmanager'}",
                "--cluster.listen-address=",
            ),
            "node-exporter": (
                "--collector.disable-defaults",
                "--collector.textfile",
                f"--collector.textfile.directory={self.textfiles}",
            ),
        }
        return [
            _program(name, str(paths[name]), options[name], root, ports[name.replace("-", "_")])
            for name in PROGRAMS
        ]


def _program(name: str, path: str, options: Sequence[str], folder: Path, port: int) -> Program:
    command = (path, *options, f"--web.listen-address={HOST}:{port}")
    return Program(name=name, command=command, folder=folder, ports=(port,))


def _responds(url: str) -> bool:
    import requests  # noqa: PLC0415 (takes long, and only a start needs it)

    try:
        return requests.get(url, timeout=REQUEST_SECONDS).ok
    except requests.RequestException:
        return False


_MAILBOX: Final = "monitoring@localhost.localdomain"
#: Short, because a developer waits for the mail.
_GROUP_WAIT, _GROUP_INTERVAL = "1s", "5s"


class LocalMonitoring:
    """Monitoring of the local deployment in *layout*."""

    def __init__(self, layout: Layout, ports: MonitoringPorts) -> None:
        self._layout = layout
        self._ports = ports
        self._stack = MonitoringStack(layout, ports)

    def start(self, repository: Repository) -> tuple[str, ...]:
        """Start what does not run, and return the names of what was started."""
        self._require_processes()
        declaration = repository.load()
        monitoring = self._localise(read_monitoring(repository.declaration, declaration))
        scraped = monitoring.environments[Environment.DEV]
        address = remembered_ports(self._layout).vault_address
        targets = {str(Environment.DEV): server_targets([address], scraped)}
        files = render_files(monitoring, targets, _GROUP_WAIT, _GROUP_INTERVAL)
        with Lock(self._layout).exclusive():
            return self._stack.start(files, self._checks(repository.root))

    def stop(self) -> tuple[str, ...]:
        """Stop the processes, and return the names of those that were running."""
        return self._stack.stop()

    def pages(self) -> dict[str, str]:
        """Return the address of each page by its title."""
        return {
            "Prometheus": f"http://{HOST}:{self._ports.prometheus}",
            "Alertmanager": f"http://{HOST}:{self._ports.alertmanager}",
        }

    def _require_processes(self) -> None:
        runtime = self._layout.runtime
        started = runtime.read_text(encoding="utf-8").strip() if runtime.exists() else None
        if started is None:
            raise ConfigurationError("the local deployment was never started; run: strongroom up")
        if started == MOTO:
            raise ConfigurationError(
                "the monitoring runs beside a deployment on Vault only, and this one is on AWS; "
                "watch an environment on AWS with 'monitoring' under 'aws' in its file"
            )
        if started != DEFAULT:
            raise ConfigurationError(
                f"the monitoring runs beside {SETTING}={DEFAULT} only, because the containers' "
                "server shows no metrics; pass the targets to a Prometheus of your own"
            )

    def _localise(self, monitoring: Monitoring) -> Monitoring:
        """Return *monitoring* for this machine: its own exporter, Alertmanager and mail server."""
        declared = monitoring.environments.get(Environment.DEV, Scraped())
        scraped = declared.model_copy(update={"hosts": (self._endpoint("node_exporter"),)})
        mail_password(self._layout, MONITORING_ACCOUNT)  # creates the file that both programs read
        mail = Mail(
            smarthost=f"{HOST}:{remembered_ports(self._layout).smtp}",
            sender=_MAILBOX,
            page=_MAILBOX,
            ticket=_MAILBOX,
            username=MONITORING_ACCOUNT,
            password_file=str(self._layout.mail_accounts / MONITORING_ACCOUNT),
            require_tls=False,
        )
        changes = {
            "alertmanager": self._endpoint("alertmanager"),
            "mail": mail,
            "environments": {Environment.DEV: scraped},
        }
        return monitoring.model_copy(update=changes)

    def _endpoint(self, name: str) -> str:
        return f"{HOST}:{self._ports.by_name()[name]}"

    def _checks(self, repository: Path) -> Program:
        """Return the process of the checks, which finds the declaration by its folder."""
        return python_program(
            CHECKS,
            "local.monitoring.checks",
            str(self._layout.root.resolve()),
            str(self._stack.textfiles.resolve()),
            folder=repository,
        )
