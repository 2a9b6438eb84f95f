"""Accounts on a deployment's Redis: one with all rights, and managers of leased users."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.secret import Secret
from local.files import ensure_private_folder, read_or_create_password
from local.layout import Layout
from local.ports import HOST

REQUEST_SECONDS: Final = 2.0
_GREETING: Final = b"+OK\r\n+PONG\r\n"
_CREATED: Final = b"+OK\r\n+OK\r\n"
#: Rights of a manager: what the secrets server sends to create and to delete users. A user
#: that may create users may give them every right.
_MANAGER_RULES: Final = "resetkeys resetchannels -@all +acl|setuser +acl|getuser +acl|deluser +ping"


@dataclass(frozen=True, slots=True)
class RedisManager:
    """Redis account that Vault logs in with to create and delete users of a service."""

    layout: Layout
    scope: Scope

    @property
    def username(self) -> str:
        """Return its name: ``gaara_store_manager``."""
        return self.scope.manager_role

    def password(self) -> Secret:
        """Return its password, which is generated on first use and never changed."""
        file = self.layout.database_passwords(self.scope.service) / "redis-manager"
        ensure_private_folder(file.parent)
        return read_or_create_password(file)

    def rules(self) -> str:
        """Return its ACL, with the hash of its password, so that the password is never sent."""
        digest = hashlib.sha256(self.password().encode()).hexdigest()
        return f"reset on #{digest} {_MANAGER_RULES}"


@dataclass(frozen=True, slots=True)
class RedisAccount:
    """Account of the Redis server at *port* with all rights, which the services share."""

    layout: Layout
    port: int

    def url(self) -> Secret:
        """Return the application's ``redis-url``."""
        return Secret(f"redis://:{self.password().reveal()}@{HOST}:{self.port}/0")

    def password(self) -> Secret:
        """Return its password, which is generated on first use."""
        return read_or_create_password(self.layout.passwords / "redis")

    def configuration(self, bind: str, managers: Iterable[RedisManager] = ()) -> str:
        """Return the text of the server's configuration file.

        It has *managers*, because the server keeps users that are created later in memory only.
        """
        lines = (
            f"bind {bind}",
            f"port {self.port}",
            "protected-mode yes",
            f"requirepass {self.password().reveal()}",
            "daemonize no",
            # Disable snapshots, because the server rejects writes after one has failed.
            'save ""',
            "appendonly yes",
            "dir .",
            *(f"user {each.username} {each.rules()}" for each in managers),
        )
        return "\n".join(lines) + "\n"

    def is_accepted(self) -> bool:
        """Return whether the server accepts the password, and so belongs to this deployment."""
        return self._accepts("PING", _GREETING)

    def has_manager(self, manager: RedisManager) -> bool:
        """Return whether *manager* can log in."""
        login = f"{manager.username} {manager.password().reveal()}"
        return self._accepts("PING", _GREETING, login)

    def ensure_manager(self, manager: RedisManager) -> None:
        """Create *manager* on the running server, or reset its password and rights."""
        if not self._accepts(f"ACL SETUSER {manager.username} {manager.rules()}", _CREATED):
            raise ConfigurationError(
                f"Redis at {HOST}:{self.port} did not create the user {manager.username}; stop the "
                "deployment with strongroom down, and start it again"
            )

    def _accepts(self, command: str, expected: bytes, login: str | None = None) -> bool:
        """Return whether the server accepts the login, and *command* returns *expected*."""
        request = f"AUTH {login or self.password().reveal()}\r\n{command}\r\n".encode()
        try:
            with socket.create_connection((HOST, self.port), REQUEST_SECONDS) as connection:
                connection.sendall(request)
                return _receive(connection, len(expected)) == expected
        except OSError:
            return False


def _receive(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count and (chunk := connection.recv(count - len(received))):
        received += chunk
    return received
