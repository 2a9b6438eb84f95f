"""Connection of a session, over which requests are sent until a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from app_integration.auth.methods import Send, Token
from app_integration.mounts import Mounts
from app_integration.observability import metrics
from app_integration.transport.failover import FailoverTransport
from app_integration.transport.http import StoragePosition, Transport
from app_integration.transport.request import RequestSender


class Connection:
    """Connection to one server or cluster, opened on first use. Thread-safe.

    Requests are sent through *sender*, None until :meth:`open` is called.
    """

    def __init__(self, connect: Callable[[], RequestSender], clock: Callable[[], float]) -> None:
        """Open nothing yet: *connect* opens what requests are sent through."""
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self.sender: RequestSender | None = None

    def open(self) -> RequestSender:
        """Return what requests are sent through; open it if that has not happened yet."""
        with self._lock:
            if self.sender is None:
                self.sender = self._connect()
            return self.sender

    def send(
        self,
        deadline: float,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: Token | None = None,
    ) -> dict[str, Any]:
        """Send a request about the token itself, and return the decoded response."""
        sender, left = self.sender or self.open(), max(deadline - self._clock(), 0.001)
        value = token.value if token else None
        return sender.send(method, path, timeout=left, token=value, body=body)

    @contextmanager
    def open_for_login(self, deadline: float) -> Iterator[Send]:
        """Yield a function that sends over a connection of its own until *deadline*."""
        with closing(Connection(self._connect, self._clock)) as separate:
            separate.open()
            yield partial(separate.send, deadline)

    def close(self) -> None:
        """Close the connection, if it was opened."""
        if self.sender is not None:
            self.sender.close()


def _record_certificate(server: str, expires: float) -> None:
    # The recorder is looked up at each call, because a fork replaces it.
    metrics.get_recorder().record_certificate(server, expires)


def connect_http(
    addresses: Sequence[str],
    *,
    cacert: Path | None,
    certificate: tuple[Path, Path] | None,
    namespace: str,
    connect_timeout: float,
    wrap_sender: Callable[[RequestSender], RequestSender] | None,
    mounts: Mounts,
    position: StoragePosition,
) -> RequestSender:
    """Return what sends requests over HTTP to *addresses*, with failover if there are several.

    *wrap_sender* wraps it. The other arguments are those of :class:`.http.Transport`.
    """
    senders = [
        Transport(
            address,
            cacert=cacert,
            certificate=certificate,
            namespace=namespace,
            connect_timeout=connect_timeout,
            mounts=mounts,
            on_certificate=_record_certificate,
            position=position,
        )
        for address in addresses
    ]
    sender = senders[0] if len(senders) == 1 else FailoverTransport(senders)
    return wrap_sender(sender) if wrap_sender else sender
