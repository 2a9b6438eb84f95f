"""Processes that listen on a port, and the check that a credential goes to the right one.

A port says nothing about who listens on it: after a server was stopped, any process may take its
port. So a command checks the listener before it sends a credential to 127.0.0.1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from app_integration.errors import StrongroomError
from local.ports import HOST
from local.processes.program import Running

#: Addresses whose listeners get a connection to 127.0.0.1. A listener on 127.0.0.1 itself gets it
#: before one on all addresses.
_ADDRESSES: Final = frozenset({HOST, "0.0.0.0", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"})  # noqa: S104 (compared only)
#: Tables of all sockets with their users. psutil does not return the users.
_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_STATE, _OWNER, _LISTEN = 3, 7, "0A"  # columns of these tables, and the state of a listener
_START: Final = "strongroom up"


class UnexpectedListener(StrongroomError):
    """A port that no process, or another one than the deployment's own, listens on."""

    def __init__(self, title: str, port: int, listeners: Iterable[Listener]) -> None:
        found = ", ".join(map(str, listeners))
        if found:
            reason = f"{found} listens there, and is not the {title} of this deployment"
            remedy = f"stop that process, then run {_START}"
        else:
            reason = f"nothing listens there, because {title} is not running or not ready"
            remedy = f"start it with {_START}"
        super().__init__(f"port {port}: {reason}; no credential was sent; {remedy}")


@dataclass(frozen=True, slots=True)
class Listener:
    """A process that listens on a port; what this user may not see of it is None or empty."""

    pid: int | None
    name: str = ""
    command: tuple[str, ...] = ()
    owner: int | None = None

    def __str__(self) -> str:
        return f"process {self.pid} ({self.name})" if self.pid else "another user's process"


def find_listeners(port: int) -> tuple[Listener, ...]:
    """Return the processes that a connection to 127.0.0.1 at *port* may reach."""
    try:
        connections = psutil.net_connections("tcp")
        pids = {each.pid for each in connections if _is_listening(each, port, _ADDRESSES)}
    except psutil.AccessDenied:  # on macOS, if this user is not root
        pids = {each.pid for each in psutil.process_iter() if _listens(each, port, _ADDRESSES)}
    visible = tuple(_describe(pid) for pid in sorted(pid for pid in pids if pid))
    return visible + (_invisible(port) if None in pids else ())


def is_listened_on_by(running: Running | None, port: int, folder: Path) -> bool:
    """Return whether a connection to 127.0.0.1 at *port* reaches the process that was started."""
    return running is not None and is_listening(running.pid, port, folder.stat().st_uid)


def is_listening(pid: int, port: int, owner: int) -> bool:
    """Return whether the process *pid* of the user *owner* listens on 127.0.0.1 at *port*.

    No other process can listen there then, because the servers do not share their ports
    (SO_REUSEPORT).
    """
    try:
        process = psutil.Process(pid)
        is_owned = process.uids().effective == owner
    except psutil.Error:
        return False
    # Without the sockets of IPv6, whose table takes as long to read as that of IPv4.
    return is_owned and _listens(process, port, {HOST}, "tcp4")


def _listens(
    process: psutil.Process, port: int, addresses: Collection[str], kind: str = "tcp"
) -> bool:
    """Return whether *process* listens on *port*; False if this user may not see it."""
    try:
        connections = process.net_connections(kind)
    except psutil.Error:
        return False
    return any(_is_listening(each, port, addresses) for each in connections)


def _is_listening(connection: Any, port: int, addresses: Iterable[str]) -> bool:
    return (
        connection.status == psutil.CONN_LISTEN
        and connection.laddr.port == port
        and connection.laddr.ip in addresses
    )


def _describe(pid: int) -> Listener:
    try:
        process = psutil.Process(pid)
        owner = process.uids().effective
        return Listener(pid, process.name(), tuple(process.cmdline()), owner)
    except psutil.Error:
        return Listener(pid, "it has exited")


def _invisible(port: int) -> tuple[Listener, ...]:
    """Return a listener for each user that has a listening socket at *port*, from Linux' tables."""
    lines = [line for table in _TABLES if table.exists() for line in table.read_text().splitlines()]
    return tuple(Listener(None, owner=owner) for owner in sorted(socket_owners(lines, port)))


def socket_owners(lines: Iterable[str], port: int) -> set[int]:
    """Return the ids of the users of the sockets that listen on *port*, by ``/proc/net/tcp``."""
    rows = [line.split() for line in lines]
    return {
        int(row[_OWNER])
        for row in rows
        if len(row) > _OWNER and row[_STATE] == _LISTEN and row[1].endswith(f":{port:04X}")
    }
