"""The servers of a deployment in containers, as the one-shot services among them see them.

The engine starts them; what is left to do is to write the files they start from, and to set up
what a new server lacks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Final

import psycopg

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.transport.http import Transport
from vault.runtime.access import Access
from vault.runtime.layout import Layout
from vault.runtime.ports import Ports
from vault.runtime.processes.lock import Lock
from vault.runtime.runtime import Progress, Started, StartFailed, Status, quiet
from vault.runtime.servers import vault_state
from vault.runtime.servers.accounts import smtp_password
from vault.runtime.servers.hcl import render

#: Published on the host's 127.0.0.1 only. Inside, published ports arrive from outside the loopback.
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 (as above)
ACTIVE_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.1


class ComposeInit:
    """The servers of one deployment, from a container that shares their network."""

    name: Final = "docker"

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        scope: Scope,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Args: *clock* and *sleep* in seconds."""
        self.agents = ExternalAgent()
        self._layout = layout
        self._access = Access(layout, ports, scope)
        self._lock = Lock(layout)
        self._clock = clock
        self._sleep = sleep

    def prepare(self) -> None:
        """Write what the servers start from: passwords, each where only its server sees it."""
        with self.exclusive():
            # HashiCorp's Vault warns of audit devices in a configuration, and goes on without.
            audit = render("audit.hcl.j2", audit_logs=self._layout.audit_logs)
            write_private(self._layout.vault / "server.hcl", audit)
            superuser = self._access.database.password("superuser")
            write_private(self._layout.postgres / "password", superuser.reveal())
            configuration = self._access.redis.configuration(EVERYWHERE)
            write_private(self._layout.redis / "valkey.conf", configuration)
            write_private(self._layout.smtp / "password", smtp_password(self._layout).reveal())

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep other commands off the deployment; raises as ``Lock`` does."""
        return self._lock.exclusive()

    def start(self, progress: Progress = quiet) -> Started:
        """Set up what a new server lacks; they run already.

        Raises:
            ConfigurationError: the secrets server was set up by somebody else, or half way.
            StartFailed: a server refused, or doesn't answer.

        """
        with self.exclusive():
            with progress("database and its roles"):
                self._ensure_roles()
            with progress("secrets server unsealed"):
                token = self._initialise()
        return Started(("vault",) if token else (), token)

    def undo(self, started: Started) -> None:
        """Nothing: a container can't stop the others, and *started* were running before."""

    def mark_bootstrapped(self) -> None:
        """Write down which server was set up to the end."""
        with closing(self._transport()) as transport:
            write_private(self._marker, vault_state.health(transport)["cluster_id"])

    def _ensure_roles(self) -> None:
        try:
            self._access.database.ensure_roles()
        except psycopg.Error as error:
            reason = f"its roles can't be made ({error.sqlstate or 'no connection'})"
            raise StartFailed("database", reason, "docker compose logs database") from None

    def _initialise(self) -> Secret | None:
        """The root token of a server that was new; None of one that was set up before."""
        with closing(self._transport()) as transport:
            state = vault_state.health(transport)
            if not state:
                raise StartFailed("vault", "it doesn't answer", "docker compose logs vault")
            if state["initialized"]:
                self._check_ours(state["cluster_id"])
                return None
            shares = {"secret_shares": 1, "secret_threshold": 1}
            answer = vault_state.initialise(transport, shares)
            # The key is kept nowhere: what it unseals is gone as soon as the server ends.
            vault_state.unseal(transport, answer["keys_base64"][0])
            self._wait_active(transport)
        return Secret(answer["root_token"])

    def _check_ours(self, cluster: str) -> None:
        if not self._marker.exists() or self._marker.read_text(encoding="utf-8") != cluster:
            raise ConfigurationError(
                "this secrets server wasn't set up to the end, and its root token is gone; begin "
                "again with: docker compose restart vault && docker compose up --wait"
            )

    def _wait_active(self, transport: Transport) -> None:
        deadline = self._clock() + ACTIVE_SECONDS
        while not vault_state.active(transport):
            if self._clock() >= deadline:
                reason = f"not active after {ACTIVE_SECONDS:.0f} s"
                raise StartFailed("vault", reason, "docker compose logs vault")
            self._sleep(POLL_SECONDS)

    def _transport(self) -> Transport:
        return Transport(self._access.vault_address, cacert=None, connect_timeout=1.0)

    @property
    def _marker(self) -> Path:
        return self._layout.vault / "bootstrapped"


class ExternalAgent:
    """An agent in a container of its own, which starts once its files are there."""

    task: Final = "agent's files laid out"
    log: Final = "docker compose logs agent"

    def status(self) -> Status:
        """As if it ran: a change of its files is what counts here."""
        return Status("agent", "Agent (delivers the config)", 0, running=True, pid=None, since=None)

    def start(self, config: Path, delivered: Callable[[], bool]) -> None:
        """Nothing: the engine starts it once this container is done."""

    def stop(self) -> None:
        """Nothing: it ends by itself when its login ends, and its supervisor reads anew."""
