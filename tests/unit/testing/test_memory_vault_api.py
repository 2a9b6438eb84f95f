"""Server in memory: what depends on its clock, and the messages of what it does not do."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import pytest

from app_integration.errors import RequestRefused
from app_integration.testing import Fault, MemoryApplication, MemoryVault
from app_integration.testing.leases import DatabaseRole
from app_integration.transport.request import Response
from tests.support.servers.api_calls import memory_exchange

PLAIN = base64.b64encode(b"sand").decode()


@dataclass
class Root:
    """A client with all rights on a server in memory."""

    server: MemoryVault
    token: str

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return memory_exchange(self.server)(method, path, self.token, body, None)


@pytest.fixture
def root() -> Root:
    server = MemoryVault()
    return Root(server, server.tokens.issue("token", ("root",), ttl=float("inf")).value)


def test_version_is_deleted_after_its_time(root: Root) -> None:
    root("POST", "secret/metadata/a", {"delete_version_after": "1m"})
    root("POST", "secret/data/a", {"data": {"value": "x"}})
    root.server.clock.advance(59)
    assert root("GET", "secret/data/a")[0] == 200
    root.server.clock.advance(1)
    assert root("GET", "secret/data/a")[0] == 404
    root("POST", "secret/undelete/a", {"versions": [1]})
    assert root("GET", "secret/data/a")[1]["data"]["data"] == {"value": "x"}
    root.server.clock.advance(60)
    assert root("GET", "secret/data/a")[0] == 404


def test_mount_wide_negative_deletion_time_keeps_versions(root: Root) -> None:
    root("POST", "secret/config", {"delete_version_after": "-1s"})
    root("POST", "secret/metadata/a", {"delete_version_after": "1m"})
    root("POST", "secret/data/a", {"data": {"value": "x"}})
    root.server.clock.advance(10**6)
    assert root("GET", "secret/data/a")[0] == 200


def test_key_is_rotated_after_its_period(root: Root) -> None:
    root("POST", "transit/keys/k", {"auto_rotate_period": "1h"})
    root.server.clock.advance(3599)
    assert root("GET", "transit/keys/k")[1]["data"]["latest_version"] == 1
    root.server.clock.advance(1)
    _, sealed = root("POST", "transit/encrypt/k", {"plaintext": PLAIN})
    assert sealed["data"]["key_version"] == 2


def test_secret_id_expires_after_its_ttl(root: Root) -> None:
    root("POST", "auth/approle/role/r", {"secret_id_ttl": "10m", "role_id": "id"})
    _, made = root("POST", "auth/approle/role/r/secret-id")
    body = {"role_id": "id", "secret_id": made["data"]["secret_id"]}
    root.server.clock.advance(599)
    assert root("POST", "auth/approle/login", body)[0] == 200
    root.server.clock.advance(1)
    assert root("POST", "auth/approle/login", body)[0] == 400


def test_explicit_max_ttl_ends_a_periodic_token(root: Root) -> None:
    body = {"period": "10m", "explicit_max_ttl": "15m", "policies": ["p"]}
    token = root("POST", "auth/token/create", body)[1]["auth"]["client_token"]
    root.server.clock.advance(540)
    _, renewed = root("POST", "auth/token/renew", {"token": token})
    assert renewed["auth"]["lease_duration"] == 360
    root.server.clock.advance(360)
    assert root("POST", "auth/token/lookup", {"token": token})[0] == 403


def test_child_tokens_end_with_an_expired_parent(root: Root) -> None:
    parent = root("POST", "auth/token/create", {"ttl": "1m"})[1]["auth"]["client_token"]
    child = Root(root.server, parent)("POST", "auth/token/create", {"ttl": "1h"})
    token = child[1]["auth"]["client_token"]
    root.server.clock.advance(60)
    assert root("POST", "auth/token/lookup", {"token": parent})[0] == 403
    assert root("POST", "auth/token/lookup", {"token": token})[0] == 403


def test_lease_is_looked_up_and_listed(root: Root) -> None:
    root.server.leases.roles["shop"] = DatabaseRole()
    lease = root("GET", "database/creds/shop")[1]["lease_id"]
    root.server.clock.advance(10)
    status, found = root("POST", "sys/leases/lookup", {"lease_id": lease})
    assert (status, found["data"]["id"], found["data"]["ttl"]) == (200, lease, 3590)
    assert root("LIST", "sys/leases/lookup/")[1]["data"]["keys"] == ["database/"]
    below = root("LIST", "sys/leases/lookup/database/creds/shop")[1]["data"]["keys"]
    assert below == [lease.rpartition("/")[2]]
    root("POST", f"sys/leases/revoke/{lease}")
    assert root("POST", "sys/leases/lookup", {"lease_id": lease})[0] == 400


def test_wrapped_error_and_fault_are_returned_as_they_are(root: Root) -> None:
    def read() -> Response:
        return root.server.answer("GET", "secret/data/a", token=root.token, wrap_ttl=60)

    assert read().status == 404
    with root.server.fault(Fault.SEALED):
        assert read().status == 503
    root("POST", "secret/data/a", {"data": {"value": "x"}})
    assert b"wrap_info" in read().content


def test_policies_do_not_decide(root: Root) -> None:
    rules = 'path "secret/*" { capabilities = ["deny"] }'
    root("POST", "sys/policies/acl/p", {"policy": rules})
    token = root("POST", "auth/token/create", {"policies": ["p"]})[1]["auth"]["client_token"]
    assert Root(root.server, token)("POST", "secret/data/a", {"data": {"v": "x"}})[0] == 200
    root.server.authorise = lambda policies, _capability, path: (
        "root" in policies or not path.startswith("secret/")
    )
    child = Root(root.server, token)
    assert child("GET", "secret/data/a")[0] == 403
    _, found = child("POST", "sys/capabilities-self", {"paths": ["secret/data/a"]})
    assert found["data"]["capabilities"] == ["deny"]


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("transit/encrypt/k", {"plaintext": PLAIN, "nonce": "AAAA"}, "the parameter 'nonce'"),
        ("transit/keys/x", {"type": "xchacha20-poly1305"}, "'xchacha20-poly1305' as 'type'"),
        ("secret/config", {"metadata_cas_required": True}, "parameter 'metadata_cas_required'"),
        ("secret/data/a", {"data": {}, "options": {"x": 1}}, "the parameter 'options.x'"),
        ("auth/approle/role/r", {"token_bound_cidrs": ["::1"]}, "parameter 'token_bound_cidrs'"),
        ("sys/mounts/pki", {"type": "pki"}, "mounts of the type 'pki'"),
        ("sys/remount", {"from": "a", "to": "b"}, "unsupported path"),
    ],
)
def test_what_it_does_not_do_is_named_in_the_error_of_the_session(
    vault: MemoryApplication, path: str, body: dict[str, Any], named: str
) -> None:
    with pytest.raises(RequestRefused, match=named) as caught:
        vault.operator.post(path, body)
    assert "the in-memory Vault does not support" in str(caught.value)
    assert "real_vault" in str(caught.value)


def test_refusal_shows_no_value(vault: MemoryApplication) -> None:
    with pytest.raises(RequestRefused) as caught:
        vault.operator.post("secret/data/a", {"password": "hunter2-and-a-half"})
    assert "hunter2" not in str(caught.value)
