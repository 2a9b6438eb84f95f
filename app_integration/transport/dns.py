"""Host names looked up in time: the system's own look-up can't be told when to stop."""

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

#: Family, type, protocol, canonical name, socket address: as ``socket.getaddrinfo`` gives them.
Found = list[tuple[Any, Any, int, str, tuple[Any, ...]]]

_LEAST: Final = 0.001  # seconds; 0 would mean "don't wait for a socket at all"


class Resolver:
    """Looks names up in threads of its own, one a name; who comes meanwhile waits for that one.

    A look-up that hangs holds its thread until the system gives up, and nobody else.
    """

    def __init__(self, lookup: Callable[..., Found] = socket.getaddrinfo) -> None:
        """Args: *lookup* as ``socket.getaddrinfo``."""
        self._lookup = lookup
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """No look-up is under way in a forked child: threads don't cross."""
        self._flights: SingleFlight[Found] = SingleFlight()

    def find(self, host: str, port: int, timeout: float) -> Found:
        """The addresses of *host*, waiting for at most *timeout* seconds.

        Raises:
            socket.gaierror: there is no such host.
            TimeoutError: there was no answer in time.

        """
        try:
            numeric = socket.AI_NUMERICHOST
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric)
        except socket.gaierror:
            lookup = partial(self._lookup, host, port, type=socket.SOCK_STREAM)
            found = self._flights.join((host, port), lookup, _in_a_thread)
            try:
                return found.result(timeout)
            except DeadlineExceeded as error:  # the look-up's thread could not be started
                raise TimeoutError(str(error)) from None


def _in_a_thread(work: Callable[[], None]) -> None:
    # A daemon: a pool's threads are waited for when the interpreter ends.
    threading.Thread(target=work, name="vault-lookup", daemon=True).start()


_resolver = Resolver()


def connect(host: str, port: int, timeout: float, options: Any = None) -> socket.socket:
    """A connection to *host*, looked up and made within *timeout* seconds.

    Each of its addresses is given an equal share of the time that is left.

    Raises:
        OSError: as ``socket.create_connection``; ``TimeoutError`` when the time is over.

    """
    end = time.monotonic() + timeout
    found = _resolver.find(host, port, timeout)
    failure = OSError(f"{host} has no address")
    for position, (family, kind, protocol, _, address) in enumerate(found):
        share = (end - time.monotonic()) / (len(found) - position)
        connection = socket.socket(family, kind, protocol)
        try:
            for option in options or ():
                connection.setsockopt(*option)
            connection.settimeout(max(share, _LEAST))
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure
