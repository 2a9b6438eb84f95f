"""The API below ``sys/``: the server in memory answers each call as the real one does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.servers.api_calls import Call, Compare, Paths

pytestmark = pytest.mark.requires("embedded")

CALLS = Paths("sys")
get, post, refused = CALLS.get, CALLS.post, CALLS.refused

RULES = 'path "secret/data/*" { capabilities = ["read", "list"] }'


def delete(path: str) -> Call:
    return Call("DELETE", f"sys/{path}")


STATE = [
    *[get(path, token) for path in ("health", "seal-status", "init") for token in ("<root>", None)],
    Call("HEAD", "sys/health", token=None),
    get("leader"),
    get("nope"),
    Call("GET", "nope"),
    Call("GET", "auth/nope/x"),
    get("mounts", None),
]

MOUNTS = [
    Call("GET", "sys/mounts", shared=True),
    get("mounts/<kv>"),
    get("mounts/<transit>"),
    get("mounts/none"),
    get("mounts/<kv>/tune"),
    get("mounts/none/tune"),
    post("mounts/<kv>", {"type": "kv"}),
    post("mounts/<kv>/below", {"type": "kv-v2"}),
    post("mounts/a<n>", {"type": "kv-v2", "description": "d"}),
    get("mounts/a<n>"),
    get("mounts/a<n>/tune"),
    post("mounts/b<n>", {"type": "transit"}),
    Call("POST", "b<n>/keys/k", {}),
    Call("GET", "b<n>/keys/k"),
    Call("GET", "<transit>/keys/k"),
    post("mounts/c<n>", {}),
    post("mounts/c<n>", {"type": "nope"}),
    post("mounts/c<n>", {"type": 5}),
    post("mounts/c<n>", {"type": "kv", "options": "x"}),
    post("mounts/sys/x", {"type": "kv", "options": {"version": "2"}}),
    post("mounts/auth/x", {"type": "kv", "options": {"version": "2"}}),
    post("mounts/c<n>/", {"type": "transit"}),
    refused("mounts/c<n>", {"type": "kv"}),
    refused("mounts/c<n>", {"type": "pki"}),
    refused("mounts/c<n>", {"type": "database"}),
    refused("mounts/c<n>", {"type": "transit", "nope": 1}),
    refused("mounts/c<n>", {"type": "transit", "local": True}),
    refused("mounts/c<n>", {"type": "transit", "config": {"max_lease_ttl": "1h"}}),
    refused("mounts/<kv>/tune", {"max_lease_ttl": "1h"}),
    refused("remount", {"from": "<kv>", "to": "x"}),
    delete("mounts/b<n>"),
    delete("mounts/b<n>"),
    Call("GET", "b<n>/keys/k"),
    delete("mounts/sys"),
    delete("mounts/cubbyhole"),
    post("mounts", {}),
]

AUTH_METHODS = [
    Call("GET", "sys/auth", shared=True),
    get("auth/<approle>"),
    get("auth/none"),
    get("auth/<approle>/tune"),
    post("auth/<approle>", {"type": "approle"}),
    post("auth/a<n>", {"type": "approle", "description": "d"}),
    Call("LIST", "auth/a<n>/role"),
    Call("POST", "auth/a<n>/role/r", {"role_id": "id-<n>"}),
    Call("POST", "auth/a<n>/role/r/custom-secret-id", {"secret_id": "s-<n>"}),
    Call("POST", "auth/a<n>/login", {"role_id": "id-<n>", "secret_id": "s-<n>"}, token=None),
    post("auth/b<n>", {}),
    post("auth/b<n>", {"type": "nope"}),
    post("auth/token", {"type": "token"}),
    refused("auth/b<n>", {"type": "userpass"}),
    refused("auth/b<n>", {"type": "approle", "nope": 1}),
    delete("auth/a<n>"),
    delete("auth/a<n>"),
    delete("auth/token"),
    Call("LIST", "auth/a<n>/role"),
]

POLICIES = [
    post("policies/acl/p<n>", {"policy": RULES}),
    get("policies/acl/p<n>"),
    get("policy/p<n>"),
    post("policies/acl/P<n>", {"policy": f"# again\n{RULES}"}),
    get("policies/acl/p<n>"),
    *[post("policies/acl/p<n>", body) for body in ({}, {"policy": ""}, {"policy": None})],
    post("policies/acl/p<n>", {"policy": ["x"]}),
    refused("policies/acl/p<n>", {"policy": RULES, "nope": 1}),
    refused("policies/acl/p<n>", {"policy": RULES, "ttl": "1h"}),
    get("policies/acl/root"),
    get("policies/acl/none"),
    delete("policies/acl/p<n>"),
    get("policies/acl/p<n>"),
    *[delete(f"policies/acl/{name}") for name in ("p<n>", "root", "default")],
    Call("PUT", "sys/policy/q<n>", {"policy": RULES}),
    get("policy/q<n>"),
    delete("policy/q<n>"),
    get("policy/q<n>"),
    post("policies/acl/b<n>", {"policy": RULES}),
    post("policies/acl/a<n>", {"policy": RULES}),
    Call("LIST", "sys/policies/acl", shared=True),
    Call("LIST", "sys/policy", shared=True),
    Call("GET", "sys/policy", shared=True),
    get("policies/acl"),
    get("policies/nope"),
    refused("policies/password/x", method="GET"),
]

QUERIES: tuple[Any, ...] = (
    {"path": "secret/data/x"},
    {"paths": ["secret/data/x", "y"]},
    {"paths": "secret/data/x,y"},
    {"paths": 5},
    {"paths": []},
    {"paths": {"a": 1}},
    {},
)
CAPABILITIES = [
    *[post("capabilities-self", body) for body in QUERIES],
    Call("POST", "auth/token/create", {}, keep={"t": "auth.client_token", "of": "auth.accessor"}),
    post("capabilities", {"token": "<t>", "paths": ["x"]}),
    post("capabilities", {"token": "nope", "paths": ["x"]}),
    post("capabilities-accessor", {"accessor": "<of>", "paths": ["x"]}),
    post("capabilities-accessor", {"accessor": "nope", "paths": ["x"]}),
    refused("capabilities-self", {"paths": ["x"], "nope": 1}),
]

AUDIT = [
    get("audit"),
    post("audit/file", {"type": "file", "options": {"file_path": "/nowhere"}}),
    delete("audit/nope"),
    post("audit-hash/nope", {"input": "x"}),
    post("audit-hash/nope", {}),
]

LEASES = [
    *[post("leases/lookup", body) for body in ({"lease_id": "x"}, {})],
    *[post("leases/renew", body) for body in ({"lease_id": "x"}, {}, {"increment": "y"})],
    post("leases/renew/x/y", {}),
    *[post("leases/revoke", body) for body in ({"lease_id": "x"}, {})],
    *[post(f"leases/{each}/x", {}) for each in ("revoke", "revoke-prefix", "revoke-force")],
    Call("PUT", "sys/leases/revoke", {"lease_id": "x"}),
    Call("PUT", "sys/leases/renew", {"lease_id": "x", "increment": 60}),
    Call("LIST", "sys/leases/lookup/database"),
    get("leases/nope"),
    refused("leases/tidy"),
    refused("leases/count", method="GET"),
    refused("leases/renew", {"lease_id": "x", "nope": 1}),
]


def wrapped(method: str, path: str, ttl: str, body: Any = None, **keep: str) -> Call:
    return Call(method, path, body, wrap_ttl=ttl, keep=keep)


WRAPPING = [
    wrapped("POST", "sys/wrapping/wrap", "60", {"a": "b"}, w="wrap_info.token"),
    post("wrapping/wrap", {"a": "b"}),
    *[wrapped("POST", "sys/wrapping/wrap", ttl, {"a": "b"}) for ttl in ("-5", "x", "0", "1h")],
    wrapped("POST", "sys/wrapping/wrap", "9" * 30, {"a": "b"}),
    Call("POST", "sys/wrapping/wrap", {"a": "b"}, token=None, wrap_ttl="60"),
    post("wrapping/lookup", {"token": "<w>"}),
    Call("POST", "sys/wrapping/lookup", {"token": "<w>"}, token=None),
    post("wrapping/lookup", {"token": "x"}),
    post("wrapping/lookup", {}),
    get("wrapping/lookup", "<w>"),
    post("wrapping/rewrap", {"token": "<w>"}, again="wrap_info.token"),
    post("wrapping/rewrap", {"token": "x"}),
    post("wrapping/unwrap", {"token": "<w>"}),
    Call("POST", "sys/wrapping/unwrap", {}, token="<again>"),
    post("wrapping/unwrap", {"token": "<again>"}),
    Call("POST", "sys/wrapping/unwrap", {}, token="nope"),
    Call("POST", "sys/wrapping/unwrap", {"token": "nope"}, token=None),
    Call("POST", "sys/wrapping/unwrap", {}, token=None),
    get("wrapping/nope"),
    wrapped("GET", "<kv>/data/none", "60"),
    wrapped("DELETE", "<kv>/data/none", "60"),
    wrapped("POST", "auth/token/create", "60", {}, token="wrap_info.token"),
    post("wrapping/unwrap", {"token": "<token>"}),
    wrapped("POST", "<kv>/data/a", "60", {"data": {"x": 1}}, write="wrap_info.token"),
    Call("PUT", "sys/wrapping/unwrap", {"token": "<write>"}),
]


@pytest.mark.parametrize(
    "calls",
    [STATE, MOUNTS, AUTH_METHODS, POLICIES, CAPABILITIES, AUDIT, LEASES, WRAPPING],
    ids=["state", "mounts", "auth", "policies", "capabilities", "audit", "leases", "wrapping"],
)
def test_system_call_is_answered_alike(compare: Compare, calls: list[Call]) -> None:
    assert compare(calls) == []
