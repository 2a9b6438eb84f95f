"""Monitoring of a local deployment: its targets, its mail and its processes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from local.layout import Layout
from local.monitoring.stack import CHECKS, MonitoringStack
from local.port_choice import remembered_ports
from local.ports import HOST, MonitoringPorts
from local.processes.lock import Lock
from local.processes.processes import python_program
from local.processes.program import Program
from local.runtimes.runtime_choice import DEFAULT, MOTO, SETTING
from local.servers.accounts import MONITORING_ACCOUNT, mail_password
from vault.declare.repository import Repository
from vault.declare.schema.monitoring import Mail, Monitoring, Scraped
from vault.monitoring.alerts import read_monitoring
from vault.monitoring.files import render_files
from vault.monitoring.targets import server_targets

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
            raise ConfigurationError("the local deployment was never started; run: make vault-up")
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
            str(self._stack.folders.textfiles.resolve()),
            folder=repository,
        )
