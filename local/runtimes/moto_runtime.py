"""Runtime of a local deployment on AWS: moto in place of the secrets server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from local.layout import Layout
from local.ports import Ports
from local.runtime_interface import Progress, StartResult, Status, no_progress
from local.runtimes.process_runtime import ProcessRuntime
from local.servers.moto import Moto
from local.servers.moto_package import ACCOUNT, require_moto
from local.servers.postgres import Postgres
from local.servers.smtp import Smtp
from local.servers.valkey import Valkey

if TYPE_CHECKING:
    from local.access import Access

#: Prefix of the name of a process that delivers the config of a service.
DELIVERY: Final = "deliver-"


class MotoRuntime(ProcessRuntime):
    """Servers of a local deployment on AWS, for *services*."""

    name: Final = "moto"
    agent_host: Final = None  # there is no Vault Agent on AWS
    server_types = (Moto, Postgres, Valkey, Smtp)

    def __init__(
        self, layout: Layout, ports: Ports, services: Sequence[Access], account: str = ACCOUNT
    ) -> None:
        """Start nothing yet."""
        super().__init__(layout, ports)
        databases = [each.database for each in services if each.database is not None]
        self._moto = Moto(layout, ports, self.processes, account)
        self._database = Postgres(layout, ports, self.processes, databases)
        self._redis = Valkey(layout, ports, self.processes)
        names = [each.scope.service for each in services]
        smtp = Smtp(layout, ports, self.processes, names)
        self._servers = (self._moto, self._database, self._redis, smtp)

    def start(self, progress: Progress = no_progress) -> StartResult:
        """Start the servers that are not running. See :meth:`.ProcessRuntime.start`.

        A new moto has none of the keys that encrypted the data, so the databases begin empty too.
        """
        require_moto()
        with self.exclusive():
            has_lost_data = not self._moto.is_ready() and self._delete_data()
            return replace(super().start(progress), has_lost_data=has_lost_data)

    def stop(self, progress: Progress = no_progress) -> tuple[str, ...]:
        """Stop the deliveries and all servers. See :meth:`.ProcessRuntime.stop`."""
        if not self.layout.run.exists():
            return ()
        with self.exclusive():
            running = [name for name in self._deliveries() if self.processes.find(name)]
            self.stop_deliveries(progress)
            return (*running, *super().stop(progress))

    def status(self) -> tuple[Status, ...]:
        """Return the state of each server and each delivery."""
        deliveries = [(name, self.processes.find(name)) for name in self._deliveries()]
        return (
            *super().status(),
            *(
                Status(
                    name=name,
                    title=f"delivery to {name.removeprefix(DELIVERY)}",
                    port=0,
                    running=found is not None,
                    pid=found.pid if found else None,
                    since=found.since if found else None,
                )
                for name, found in deliveries
            ),
        )

    def stop_deliveries(self, progress: Progress = no_progress) -> None:
        """Stop the processes that deliver configs."""
        for name in self._deliveries():
            with progress(name):
                self.processes.stop(name)

    def _deliveries(self) -> list[str]:
        return [name for name in self.processes.names() if name.startswith(DELIVERY)]

    def _delete_data(self) -> bool:
        self._database.stop()
        self._redis.stop()
        self._redis.delete_data()
        return self._database.delete_data()

    def mark_bootstrapped(self) -> None:
        """Do nothing, because moto keeps no data."""
