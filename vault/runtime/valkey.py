"""The Redis server, a Valkey: password, 127.0.0.1 only, data kept in an append-only file."""

from __future__ import annotations

import socket
from typing import Final

from app_integration.files import write_private
from app_integration.secret import Secret
from vault.runtime import binaries
from vault.runtime.files import read_or_create_password
from vault.runtime.ports import HOST
from vault.runtime.program import Program
from vault.runtime.server import Server

START_SECONDS: Final = 15.0
REQUEST_SECONDS: Final = 2.0
_GREETING: Final = b"+OK\r\n+PONG\r\n"


class Valkey(Server):
    """The server, its files in ``redis/``."""

    name = "redis"
    title = "Valkey (Redis)"
    port_names = ("redis",)

    def url(self) -> Secret:
        """The application's ``redis-url``."""
        return Secret(f"redis://:{self._password().reveal()}@{HOST}:{self.port}/0")

    def start(self) -> None:
        """Start it."""
        configuration = self._layout.redis / "valkey.conf"
        write_private(configuration, self._configuration())
        program = Program(
            name=self.name,
            command=(str(binaries.valkey()), configuration.name),
            folder=self._layout.redis,
            ports=self.ports,
        )
        running = self._processes.start(program)
        self._processes.wait_until(running, self._answers, START_SECONDS)

    def _configuration(self) -> str:
        lines = (
            f"bind {HOST}",
            f"port {self.port}",
            "protected-mode yes",
            f"requirepass {self._password().reveal()}",
            "daemonize no",
            # No snapshots: when one fails, the server refuses to write.
            'save ""',
            "appendonly yes",
            "dir .",
        )
        return "\n".join(lines) + "\n"

    def _answers(self) -> bool:
        """Whether it takes our password, and so is ours."""
        request = f"AUTH {self._password().reveal()}\r\nPING\r\n".encode()
        try:
            with socket.create_connection((HOST, self.port), REQUEST_SECONDS) as connection:
                connection.sendall(request)
                return _receive(connection, len(_GREETING)) == _GREETING
        except OSError:
            return False

    def _password(self) -> Secret:
        return read_or_create_password(self._layout.passwords / "redis")


def _receive(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count and (chunk := connection.recv(count - len(received))):
        received += chunk
    return received
