"""State of a server: sealed, active, its version, its nodes, and its audit devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app_integration.errors import AccessDenied, RequestRefused, Sealed
from app_integration.session.session import Session

#: The status is 200 in each state, because others would count as errors.
_HEALTH: Final = "sys/health?standbyok=true&perfstandbyok=true&sealedcode=200"
#: Any node answers for all of a cluster with raft storage, and for those that are down.
_NODES: Final = "sys/storage/raft/autopilot/state"


@dataclass(frozen=True, slots=True)
class AuditDevice:
    """An audit device, to which the server writes each request."""

    name: str
    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster."""

    name: str
    is_healthy: bool


@dataclass(frozen=True, slots=True)
class ServerState:
    """State of a server.

    *nodes* and *devices* are None if the role may not read them. Another storage than raft names no
    node.
    """

    is_sealed: bool
    version: str = ""
    cluster: str = ""
    leader: str = ""
    is_leader: bool = False
    devices: tuple[AuditDevice, ...] | None = None
    nodes: tuple[Node, ...] | None = ()


def read_server_state(session: Session) -> ServerState:
    """Return the state of the server of *session*."""
    try:
        health, leader = session.get(_HEALTH), session.get("sys/leader")
        devices, nodes = _read_devices(session), _read_nodes(session)
    except Sealed:
        return ServerState(is_sealed=True)
    is_alone = not leader.get("ha_enabled")
    return ServerState(
        is_sealed=bool(health.get("sealed")),
        version=str(health.get("version", "")),
        cluster=str(health.get("cluster_name", "")),
        leader="" if is_alone else str(leader.get("leader_address", "")),
        is_leader=is_alone or bool(leader.get("is_self")),
        devices=devices,
        nodes=nodes,
    )


def _read_nodes(session: Session) -> tuple[Node, ...] | None:
    try:
        found: Mapping[str, Any] = session.get(_NODES).get("data") or {}
    except AccessDenied:
        return None
    except RequestRefused:
        return ()  # because it has another storage, or this is a namespace
    servers: Mapping[str, Mapping[str, Any]] = found.get("servers") or {}
    return tuple(
        Node(str(each.get("name", name)), bool(each.get("healthy")))
        for name, each in sorted(servers.items())
    )


def _read_devices(session: Session) -> tuple[AuditDevice, ...] | None:
    try:
        found: Mapping[str, Any] = session.get("sys/audit").get("data") or {}
    except AccessDenied:
        return None
    return tuple(
        AuditDevice(
            name.rstrip("/"),
            str(each.get("type", "")),
            str((each.get("options") or {}).get("file_path", "")),
        )
        for name, each in sorted(found.items())
    )
