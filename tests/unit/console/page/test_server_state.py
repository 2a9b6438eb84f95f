"""State of a server, as it answers, and if it answers nothing because it is sealed."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app_integration.errors import AccessDenied, RequestRefused, Sealed, Unreachable
from app_integration.session.session import Session
from console.page.sources.server_state import AuditDevice, Node, ServerState, read_server_state

HEALTH = {"sealed": False, "version": "2.7.2", "cluster_name": "vault-1"}
LEADER = {"ha_enabled": True, "is_self": False, "leader_address": "https://vault-2:8200"}
DEVICES = {
    "data": {
        "main/": {"type": "file", "options": {"file_path": "/log"}},
        "net/": {"type": "socket", "options": None},
    }
}
NODES = {
    "data": {
        "servers": {
            "b": {"name": "vault-2", "healthy": False},
            "a": {"name": "vault-1", "healthy": True},
        }
    }
}


class Server:
    """Answers by the first part of a path that it knows; an error is raised."""

    def __init__(self, **responses: object) -> None:
        self._responses = {"health": HEALTH, "leader": LEADER, "audit": DEVICES, "storage": NODES}
        self._responses |= responses

    def get(self, path: str) -> dict[str, Any]:
        found = self._responses[path.removeprefix("sys/").partition("?")[0].partition("/")[0]]
        if isinstance(found, Exception):
            raise found
        return cast("dict[str, Any]", found)


def read(server: Server) -> ServerState:
    return read_server_state(cast("Session", server))


def test_standby_names_its_leader_and_the_devices() -> None:
    assert read(Server()) == ServerState(
        is_sealed=False,
        version="2.7.2",
        cluster="vault-1",
        leader="https://vault-2:8200",
        is_leader=False,
        devices=(AuditDevice("main", "file", "/log"), AuditDevice("net", "socket", "")),
        nodes=(Node("vault-1", is_healthy=True), Node("vault-2", is_healthy=False)),
    )


def test_server_without_a_cluster_is_its_own_leader() -> None:
    state = read(Server(leader={"ha_enabled": False}))
    assert (state.is_leader, state.leader) == (True, "")


@pytest.mark.parametrize("path", ["health", "leader", "audit", "storage"])
def test_sealed_server_is_a_state_and_no_error(path: str) -> None:
    assert read(Server(**{path: Sealed("sealed")})) == ServerState(is_sealed=True)


def test_devices_that_the_role_may_not_list_are_not_none_at_all() -> None:
    assert read(Server(audit=AccessDenied("denied"))).devices is None
    assert read(Server(audit={"data": {}})).devices == ()


def test_nodes_of_another_storage_are_none_and_those_that_are_denied_are_unknown() -> None:
    assert read(Server(storage=RequestRefused("404", status=404))).nodes == ()
    assert read(Server(storage={"data": None})).nodes == ()
    assert read(Server(storage=AccessDenied("denied"))).nodes is None


def test_unreachable_server_is_an_error() -> None:
    with pytest.raises(Unreachable, match="no route"):
        read(Server(health=Unreachable("no route")))
