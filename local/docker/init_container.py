"""Servers in containers, which one-shot services prepare, wait for and initialise.

The engine starts the servers. This module writes the files that they start from, initialises a new
secrets server, and creates the database roles.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path
from typing import Final

import psycopg

from app_integration._internal.private_file import write_private
from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.transport.http import Transport
from local.access import Access
from local.layout import Layout
from local.ports import Ports
from local.processes.lock import Lock
from local.runtime_interface import Progress, StartFailed, StartResult, Status, no_progress
from local.servers import audit_logs, vault_state
from local.servers.accounts import Superuser
from local.servers.redis_accounts import RedisAccount

#: Connections to a published port come from outside a container's loopback interface, so a server
#: listens on all of them. The host publishes the ports on its 127.0.0.1 only.
ALL_INTERFACES: Final = "0.0.0.0"  # noqa: S104 (as above)
ACTIVE_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.1


class ComposeInit:
    """Servers of one deployment, seen from a container that shares their network."""

    name: Final = "docker"

    def __init__(self, layout: Layout, ports: Ports, services: Sequence[Access]) -> None:
        self.agent_host = ExternalAgent(ports.vault_address)
        self._layout = layout
        self._ports = ports
        self._services = services
        self._lock = Lock(layout)

    def prepare(self) -> None:
        """Write each server's configuration and password to that server's own volume.

        No service is needed for that: the accounts of services are created later, in :meth:`start`
        and with the secrets that contain their passwords.
        """
        with self.exclusive():
            devices = audit_logs.declare(self._layout.audit_logs)
            write_private(self._layout.vault / "server.hcl", devices)
            check = partial(self.check_listener, "database")
            superuser = Superuser(self._layout, self._ports.database, check)
            write_private(self._layout.postgres / "password", superuser.password().reveal())
            self._write_redis_configuration()

    def exclusive(self) -> AbstractContextManager[None]:
        """Lock the deployment against other commands. The lock is reentrant."""
        return self._lock.exclusive()

    def start(self, progress: Progress = no_progress) -> StartResult:
        """Set up the running servers: create the database roles, initialise the secrets server."""
        with self.exclusive():
            with progress("databases and their roles"):
                self._ensure_roles()
                self._write_redis_configuration()
            with progress("secrets server unsealed"):
                token = self._initialise()
        return StartResult(("vault",) if token else (), token)

    def stop_started(self, started: StartResult) -> None:
        """Do nothing, because a container cannot stop the others."""

    def mark_bootstrapped(self) -> None:
        """Record the secrets server, by its cluster id, as completely set up."""
        with closing(self._transport()) as transport:
            write_private(self._marker, vault_state.health(transport)["cluster_id"])

    def check_listener(self, name: str) -> None:
        """Do nothing, because only this project's containers are in their network."""

    def _write_redis_configuration(self) -> None:
        """Write it with the managers of the services, which are not known in :meth:`prepare`."""
        redis = RedisAccount(self._layout, self._ports.redis)
        managers = [each.redis_manager for each in self._services if each.redis_manager]
        text = redis.configuration(ALL_INTERFACES, managers)
        write_private(self._layout.redis / "valkey.conf", text)

    def _ensure_roles(self) -> None:
        for accounts in [each.database for each in self._services if each.database]:
            try:
                accounts.ensure_roles()
            except psycopg.Error as error:
                reason = accounts.describe_failure(error)
                raise StartFailed("database", reason, "docker compose logs database") from None

    def _initialise(self) -> Secret | None:
        """Return a new server's root token, or None if the server was set up before."""
        with closing(self._transport()) as transport:
            state = vault_state.health(transport)
            if not state:
                raise StartFailed("vault", "it is unreachable", "docker compose logs vault")
            if state["initialized"]:
                self._check_bootstrapped(state["cluster_id"])
                return None
            shares = {"secret_shares": 1, "secret_threshold": 1}
            response = vault_state.initialise(transport, shares)
            # The unseal key is not stored, because the server's data is lost when it stops.
            vault_state.unseal(transport, response["keys_base64"][0])
            self._wait_active(transport)
        token = Secret(response["root_token"])
        with Session(self._ports.vault_address, StaticToken(token)) as root:
            audit_logs.enable_missing(root, self._layout.audit_logs)
        return token

    def _check_bootstrapped(self, cluster_id: str) -> None:
        if not self._marker.exists() or self._marker.read_text(encoding="utf-8") != cluster_id:
            raise ConfigurationError(
                "the setup of this secrets server was not completed, and its root token is lost; "
                "start again with: docker compose restart vault && docker compose up --wait"
            )

    def _wait_active(self, transport: Transport) -> None:
        deadline = time.monotonic() + ACTIVE_SECONDS
        while not vault_state.is_active(transport):
            if time.monotonic() >= deadline:
                reason = f"not active after {ACTIVE_SECONDS:.0f} s"
                raise StartFailed("vault", reason, "docker compose logs vault")
            time.sleep(POLL_SECONDS)

    def _transport(self) -> Transport:
        return Transport(self._ports.vault_address, cacert=None, connect_timeout=1.0)

    @property
    def _marker(self) -> Path:
        return self._layout.vault / "bootstrapped"


class ExternalAgent:
    """Agents in a container of their own, which the engine starts once their files exist.

    ``needs_values`` is True, because ``docker compose up --wait`` would fail after minutes if an
    agent waited for them.
    """

    needs_values: Final = True

    def __init__(self, vault_address: str) -> None:
        self.vault_address = vault_address

    def status(self) -> Status:
        """Return the state of running agents, so that only a change of their files matters."""
        title = "Agents (deliver the configs)"
        return Status("agent", title, 0, running=True, pid=None, since=None)

    def start(self) -> None:
        """Do nothing, because the engine starts the agents when this container has exited."""

    def wait_until(self, is_delivered: Callable[[], bool], seconds: float) -> None:
        """Do nothing, because no agent delivers before this container has exited."""

    def stop(self) -> None:
        """Do nothing, because a supervisor in the other container starts and stops the agents."""
