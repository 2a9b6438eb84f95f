"""Name resolution with a timeout, which the system's own ``getaddrinfo`` does not have."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from app_integration._internal import fork_safety
from app_integration._internal.single_flight import SingleFlight
from app_integration.errors import DeadlineExceeded

#: Tuples of family, type, protocol, canonical name and socket address, as ``socket.getaddrinfo``
#: returns them.
AddressInfos = list[tuple[Any, Any, int, str, tuple[Any, ...]]]

MIN_TIMEOUT: Final = 0.001  # seconds, because 0 would make the socket non-blocking


class Resolver:
    """A resolver that looks up each name in a thread of its own. Thread-safe.

    Concurrent callers of one name share one lookup. A lookup that hangs blocks only its own thread,
    until the system gives up; its callers return when their timeout expires.
    """

    def __init__(self, lookup: Callable[..., AddressInfos] = socket.getaddrinfo) -> None:
        """Resolve names with *lookup*, which has the signature of ``socket.getaddrinfo``."""
        self._lookup = lookup
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Drop the lookups under way. Threads do not survive a fork."""
        self._lookups: SingleFlight[AddressInfos] = SingleFlight()

    def resolve(self, host: str, port: int, timeout: float) -> AddressInfos:
        """Return the addresses of *host*, a name or an IP address.

        Raises socket.gaierror if there is no such host, and TimeoutError after *timeout* seconds.
        """
        try:
            numeric = socket.AI_NUMERICHOST
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric)
        except UnicodeError:  # because a part of the name is empty or too long
            raise socket.gaierror(socket.EAI_NONAME, "no host can have this name") from None
        except socket.gaierror:
            lookup = partial(self._lookup, host, port, type=socket.SOCK_STREAM)
            future = self._lookups.join((host, port), lookup, _start_daemon)
            try:
                return future.result(timeout)
            except DeadlineExceeded as error:  # because the lookup's thread could not be started
                raise TimeoutError(str(error)) from None


def _start_daemon(work: Callable[[], None]) -> None:
    # A daemon thread, because the interpreter waits for the threads of a pool when it exits.
    threading.Thread(target=work, name="vault-lookup", daemon=True).start()


_resolver = Resolver()


def connect(host: str, port: int, timeout: float, options: Any = None) -> socket.socket:
    """Return a connection to *host*; lookup and connecting together take at most *timeout* seconds.

    Each address of the host gets an equal share of the time that is left. If none accepts a
    connection, the error is that of the last one. *options* are arguments of ``setsockopt``.
    """
    end = time.monotonic() + timeout
    addresses = _resolver.resolve(host, port, timeout)
    failure = OSError(f"host {host} has no address")
    for position, (family, kind, protocol, _, address) in enumerate(addresses):
        share = (end - time.monotonic()) / (len(addresses) - position)
        connection = socket.socket(family, kind, protocol)
        try:
            for option in options or ():
                connection.setsockopt(*option)
            connection.settimeout(max(share, MIN_TIMEOUT))
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure
