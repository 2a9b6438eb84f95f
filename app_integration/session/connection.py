"""Connection of a session, over which requests are sent until a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from app_integration._internal.hidden_body import HiddenBody
from app_integration.auth.methods import Send, Token
from app_integration.mounts import Mounts
from app_integration.observability import metrics
from app_integration.secret import Secret
from app_integration.transport.failover import FailoverTransport
from app_integration.transport.http import RequestSender, Transport
from app_integration.transport.raw_call import RawCall, as_raw
from app_integration.transport.responses import Response
from app_integration.transport.storage_position import StoragePosition


class Connection:
    """Connection to one server or cluster, opened on first use. Thread-safe."""

    def __init__(self, connect: Callable[[], RequestSender], clock: Callable[[], float]) -> None:
        """Open nothing yet.

        Args:
            connect: Opens what requests are sent through.
            clock: Monotonic, in seconds.

        """
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._sender: RequestSender | None = None

    def open(self) -> RequestSender:
        """Return what requests are sent through; open it if that has not happened yet.

        Raises:
            ConfigurationError: If a certificate cannot be read.

        """
        with self._lock:
            if self._sender is None:
                self._sender = self._connect()
            return self._sender

    def send(
        self,
        deadline: float,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: Token | None = None,
        wrap_ttl: int | None = None,
    ) -> dict[str, Any]:
        """Send one request and return the decoded response. See :meth:`.http.Transport.send`.

        Args:
            deadline: Deadline on the clock.
            method: GET, POST, LIST or DELETE.
            path: API path without the leading ``/v1/``.
            body: Sent as JSON; None sends no body.
            token: The Vault token; None sends no token.
            wrap_ttl: Seconds; requests a wrapped response. None for a plain one.

        """
        sender = self._sender or self.open()
        return sender.send(
            method,
            path,
            timeout=max(deadline - self._clock(), 0.001),
            token=token.value if token else None,
            body=None if body is None else HiddenBody(body),
            wrap_ttl=wrap_ttl,
        )

    def exchange(self, deadline: float, call: RawCall, token: Secret | None) -> Response:
        """Send *call* and return its response. See :meth:`.raw_call.RawSender.exchange`.

        Args:
            deadline: Deadline on the clock.
            call: The request.
            token: The Vault token; None sends no token.

        Raises:
            ConfigurationError: If the sender cannot send it.

        """
        sender = as_raw(self._sender or self.open())
        return sender.exchange(call, timeout=max(deadline - self._clock(), 0.001), token=token)

    def send_until(self, deadline: float) -> Send:
        """Return a function that sends over this connection until *deadline*."""
        return partial(self.send, deadline)

    @contextmanager
    def open_for_login(self, deadline: float) -> Iterator[Send]:
        """Yield a function that sends over a connection of its own until *deadline*."""
        with closing(Connection(self._connect, self._clock)) as separate:
            separate.open()
            yield separate.send_until(deadline)

    def close(self) -> None:
        """Close the connection, if it was opened."""
        if self._sender is not None:
            self._sender.close()


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

    Args:
        addresses: Addresses of one server or cluster.
        cacert: A PEM file of the trusted authorities; None for certifi's bundle.
        certificate: PEM files of the client's certificate and of its key.
        namespace: The Vault namespace; empty for the root namespace.
        connect_timeout: Seconds for one attempt to connect.
        wrap_sender: Wraps the result; None leaves it as it is.
        mounts: Mounts of the deployment.
        position: Up to which the session has written.

    Raises:
        ConfigurationError: If a certificate cannot be read.

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
