"""TCP proxy that simulates a faulty or slow network."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PIECE = 16 * 1024  # bytes


@dataclass
class NetworkConditions:
    """Faults of the network on the way back. Requests pass unchanged."""

    blackhole: bool = False
    reset: bool = False
    cut_after: int | None = None
    latency: float = 0.0
    jitter: float = 0.0
    slice: int = _PIECE
    rate: float = float("inf")


@dataclass
class TcpProxy:
    """A proxy that forwards connections to *target*. *conditions* may change at any time."""

    target: tuple[str, int]
    conditions: NetworkConditions = field(default_factory=NetworkConditions)
    address: str = ""
    connections: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)
    _random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 (not for secrets)

    def serve(self, listening: socket.socket) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _connect(self, client: socket.socket) -> None:
        # Suppressed first, because the target may be down.
        with suppress(OSError), client, socket.create_connection(self.target) as server:
            back = threading.Thread(
                target=self._forward_response, args=(server, client), daemon=True
            )
            back.start()
            while data := client.recv(_PIECE):
                if self.conditions.reset:
                    linger = struct.pack("ii", 1, 0)  # on, for no time: close() then sends RST
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    server.shutdown(socket.SHUT_RDWR)
                    return
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _forward_response(self, server: socket.socket, client: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while data := server.recv(_PIECE):
                conditions = self.conditions  # read here, because they may change while recv waits
                if conditions.blackhole:
                    self._stopped.wait()
                    return
                if conditions.cut_after is not None and passed + len(data) > conditions.cut_after:
                    client.sendall(data[: max(conditions.cut_after - passed, 0)])
                    break
                for start in range(0, len(data), conditions.slice):
                    piece = data[start : start + conditions.slice]
                    self._pause(conditions, len(piece))
                    client.sendall(piece)
                passed += len(data)
            client.shutdown(socket.SHUT_RDWR)

    def _pause(self, conditions: NetworkConditions, size: int) -> None:
        varied = conditions.latency + self._random.uniform(-conditions.jitter, conditions.jitter)
        self._stopped.wait(max(varied, 0.0) + size / conditions.rate)


@contextmanager
def tcp_proxy(address: str) -> Iterator[TcpProxy]:
    """Run a proxy for the server at the URL *address*."""
    parts = urlsplit(address)
    proxy = TcpProxy((parts.hostname or "", parts.port or 0))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        threading.Thread(target=proxy.serve, args=(listening,), daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.stop()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
