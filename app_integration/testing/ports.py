"""TCP ports for servers that tests start."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack
from typing import Final

# Below what Linux (32768 and up), macOS and Windows (49152 and up) give to outgoing connections.
# A port of theirs may be taken by any client between the look here and the server's own bind.
_LOWEST: Final = 20_000
_HIGHEST: Final = 32_767


def free_ports(count: int) -> range:
    """Return *count* consecutive ports that nothing on this machine listens on.

    They aren't held: start the server soon.
    """
    while True:
        first = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST - count)
        ports = range(first, first + count)
        if all_free(ports):
            return ports


def all_free(ports: range) -> bool:
    """Whether every one of *ports* can be bound on 127.0.0.1 now."""
    with ExitStack() as stack:
        try:
            for port in ports:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
