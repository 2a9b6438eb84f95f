"""Listener in place of a server, which records every byte that it receives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from local.ports import HOST


class RecordingListener:
    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self.connections = 0
        self.received = b""

    def accept(self) -> None:
        """Accept connections until the socket is closed."""
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            with connection, suppress(OSError):
                connection.settimeout(2.0)
                while chunk := connection.recv(4096):
                    self.received += chunk


@contextmanager
def listen(port: int) -> Iterator[RecordingListener]:
    """Listen on *port* of 127.0.0.1, and yield the listener."""
    with socket.create_server((HOST, port)) as server:
        listener = RecordingListener(server)
        thread = threading.Thread(target=listener.accept, daemon=True)
        thread.start()
        yield listener
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
