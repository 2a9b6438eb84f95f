"""Mail server of a local deployment, :mod:`.smtp_sink` as a background process."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from typing import Final

from local.layout import Layout
from local.ports import HOST, Ports
from local.processes.processes import ProcessManager, python_program
from local.servers.accounts import mail_password
from local.servers.server_process import Server

START_SECONDS: Final = 15.0
REQUEST_SECONDS: Final = 2.0


class Smtp(Server):
    """SMTP sink, which writes mail to ``smtp/mail/``.

    It has an account for each of *services*, in ``smtp/accounts/``.
    """

    name = "smtp"
    title = "SMTP sink"
    port_names = ("smtp",)
    folder_name = "smtp"

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        processes: ProcessManager,
        services: Sequence[str],
    ) -> None:
        super().__init__(layout, ports, processes)
        self._services = services

    def start(self) -> None:
        """Start the sink, and wait until it accepts connections."""
        for service in self._services:
            mail_password(self._layout, service)  # creates the file that the process reads
        program = python_program(
            self.name,
            "local.servers.smtp_sink",
            f"--port={self.port}",
            f"--mail-dir={self._layout.mail}",
            f"--accounts={self._layout.mail_accounts}",
            folder=self._layout.smtp,
            ports=self.ports,
        )
        running = self._processes.start(program)
        self._processes.wait_until(running, self._is_reachable, START_SECONDS)

    def _is_reachable(self) -> bool:
        try:
            with smtplib.SMTP(HOST, self.port, timeout=REQUEST_SECONDS):
                return True
        except (OSError, smtplib.SMTPException):
            return False
