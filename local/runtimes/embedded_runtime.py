"""Embedded runtime: OpenBao and three more servers of a local deployment as processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from local.layout import Layout
from local.ports import Ports
from local.processes.agent_supervisor import AgentProcess
from local.runtime_interface import Progress, StartResult, no_progress
from local.runtimes.process_runtime import ProcessRuntime
from local.servers.openbao import OpenBao
from local.servers.postgres import Postgres
from local.servers.smtp import Smtp
from local.servers.valkey import Valkey

if TYPE_CHECKING:
    from local.access import Access


class EmbeddedRuntime(ProcessRuntime):
    """Servers of a local deployment, for *services*."""

    name: Final = "embedded"
    server_types = (OpenBao, Postgres, Valkey, Smtp)

    def __init__(self, layout: Layout, ports: Ports, services: Sequence[Access]) -> None:
        super().__init__(layout, ports)
        self._vault = OpenBao(layout, ports, self.processes)
        self.agent_host = AgentProcess(layout, self.processes, self._vault.agent_address)
        databases = [each.local_database for each in services if each.local_database is not None]
        managers = [each.redis_manager for each in services if each.redis_manager is not None]
        self._servers = (
            self._vault,
            Postgres(layout, ports, self.processes, databases),
            Valkey(layout, ports, self.processes, managers),
            Smtp(layout, ports, self.processes, [each.scope.service for each in services]),
        )

    def start(self, progress: Progress = no_progress) -> StartResult:
        """Start the servers that are not running. See :meth:`.ProcessRuntime.start`."""
        return replace(super().start(progress), root_token=self._vault.root_token)

    def mark_bootstrapped(self) -> None:
        """Keep the secrets server's data from now on.

        A start before this call begins with an empty server, because the root token of the old
        one may be lost.
        """
        self._vault.mark_bootstrapped()
