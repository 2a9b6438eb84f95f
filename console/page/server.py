"""Server of the page, on the loopback interface of this machine."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from app_integration.errors import ConfigurationError

HOST: Final = "127.0.0.1"
#: Seconds that requests may go on after the operator has ended the page.
_STOP_SECONDS: Final = 2
#: Requests at a time; a browser opens six connections.
_CONCURRENCY: Final = 64


class _Server(uvicorn.Server):
    """A server that a signal ends, without raising the signal again afterwards.

    Otherwise SIGTERM would end the process before its Vault tokens are revoked.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def listen(port: int) -> socket.socket:
    """Return a socket that listens on the loopback interface."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"the page cannot listen on port {port}: {error.strerror}; pass another --port, or "
            "none for any"
        ) from None
    listener.listen()
    return listener


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve *app* until SIGINT, SIGTERM or SIGHUP.

    There is no log of requests, because the one-time URL would be in it.
    """
    config = uvicorn.Config(
        app,
        # It shows the target of a request as it was sent, so that a whole URL can be rejected.
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONCURRENCY,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    asyncio.run(_Server(config).serve(sockets=[listener]))
