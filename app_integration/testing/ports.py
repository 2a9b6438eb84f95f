"""Free TCP ports for servers that tests start."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import ExitStack
from typing import Final

# Below the ephemeral ports of Linux (32768 and up), macOS and Windows (49152 and up), because an
# outgoing connection may take one of those between the check here and the server's own bind.
_LOWEST: Final = 20_000
_HIGHEST: Final = 32_767


def free_ports(count: int) -> range:
    """Return *count* consecutive ports that nothing on this machine listens on.

    They are not reserved: start the server soon. No other worker of pytest-xdist gets them.
    """
    own = _own_ports()
    while True:
        at = secrets.randbelow(len(own) - count)
        ports = own[at : at + count]
        if all_free(ports):
            return ports


def _own_ports() -> range:
    """Return the part of the ports that this process has alone among the workers."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    digits = "".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", "gw0")))
    size = (_HIGHEST - _LOWEST) // workers
    # By the remainder, because the successor of a worker that crashed is gw3 of 3.
    first = _LOWEST + int(digits or "0") % workers * size
    return range(first, first + size)


def all_free(ports: range) -> bool:
    """Return whether each of *ports* can be bound on 127.0.0.1 now."""
    with ExitStack() as stack:
        try:
            for port in ports:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
