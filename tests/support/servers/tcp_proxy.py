"""A TCP proxy that does to a connection what networks do."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PIECE = 16 * 1024  # bytes


@dataclass
class Weather:
    """What happens to answers on their way; requests pass.

    Attributes:
        hole: nothing comes back, and nothing is closed.
        reset: the connection is reset once a request has come.
        cut_after: bytes of an answer after which the connection is closed.
        latency: seconds before each piece.
        jitter: seconds by which that varies, up and down.
        slice: bytes of each piece.
        rate: bytes a second.

    """

    hole: bool = False
    reset: bool = False
    cut_after: int | None = None
    latency: float = 0.0
    jitter: float = 0.0
    slice: int = _PIECE
    rate: float = float("inf")


@dataclass
class TcpProxy:
    """Passes connections on to *target*; *weather* may change at any time."""

    target: tuple[str, int]
    weather: Weather = field(default_factory=Weather)
    address: str = ""
    connections: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 (weather)

    def serve(self, listening: socket.socket) -> None:
        """Until it is closed."""
        while not self._over.is_set():
            try:
                client, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def stop(self) -> None:
        """Let go of everything that waits."""
        self._over.set()

    def _connect(self, client: socket.socket) -> None:
        with client, socket.create_connection(self.target) as server, suppress(OSError):
            back = threading.Thread(target=self._answers, args=(server, client), daemon=True)
            back.start()
            while data := client.recv(_PIECE):
                if self.weather.reset:
                    linger = struct.pack("ii", 1, 0)  # on, for no time: close() then sends RST
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    server.shutdown(socket.SHUT_RDWR)
                    return
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while data := server.recv(_PIECE):
                weather = self.weather  # of now, not of when the waiting for an answer began
                if weather.hole:
                    self._over.wait()
                    return
                if weather.cut_after is not None and passed + len(data) > weather.cut_after:
                    client.sendall(data[: max(weather.cut_after - passed, 0)])
                    break
                for start in range(0, len(data), weather.slice):
                    piece = data[start : start + weather.slice]
                    self._pause(weather, len(piece))
                    client.sendall(piece)
                passed += len(data)
            client.shutdown(socket.SHUT_RDWR)

    def _pause(self, weather: Weather, size: int) -> None:
        varied = weather.latency + self._random.uniform(-weather.jitter, weather.jitter)
        self._over.wait(max(varied, 0.0) + size / weather.rate)


@contextmanager
def tcp_proxy(address: str) -> Iterator[TcpProxy]:
    """A proxy before the server at the URL *address*."""
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


def seconds(begun: float) -> float:
    """Since *begun*, on the monotonic clock."""
    return time.monotonic() - begun
