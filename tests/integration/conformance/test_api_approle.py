"""AppRole through its API: the server in memory answers each call as the real one does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.servers.api_calls import Call, Compare, Paths

pytestmark = pytest.mark.requires("embedded")

BASE = "auth/<approle>"
CALLS = Paths(BASE)
get, post, refused = CALLS.get, CALLS.post, CALLS.refused


def login(role_id: Any, secret_id: Any, **keep: str) -> Call:
    body = {"role_id": role_id, "secret_id": secret_id}
    return Call("POST", f"{BASE}/login", body, token=None, keep=keep)


ROLES = [
    Call("LIST", f"{BASE}/role"),
    post("role/r", {}),
    get("role/r"),
    post(
        "role/r",
        {
            "token_policies": ["b", "a"],
            "token_ttl": "1h",
            "token_max_ttl": 7200,
            "secret_id_num_uses": 2,
            "secret_id_ttl": "10m",
            "token_no_default_policy": True,
        },
    ),
    get("role/r"),
    *[
        post("role/r", body)
        for body in (
            {"token_ttl": "x"},
            {"token_ttl": -1},
            {"token_ttl": 10**30},
            {"token_max_ttl": 60, "token_ttl": 120},
            {"secret_id_num_uses": -1},
            {"secret_id_num_uses": "x"},
            {"token_num_uses": -1},
            {"bind_secret_id": False},
            {"token_type": "nope"},
            {"token_policies": "x,y"},
            {"token_policies": 5},
            {"token_policies": {"a": 1}},
            {"token_period": 60, "token_num_uses": 3},
            {"bind_secret_id": True, "token_bound_cidrs": [], "token_type": "service"},
            {"token_explicit_max_ttl": 10},
        )
    ],
    get("role/r"),
    *[
        refused("role/r", body)
        for body in (
            {"nope": 1},
            {"token_type": "batch"},
            {"token_bound_cidrs": ["127.0.0.1/32"]},
            {"secret_id_bound_cidrs": ["127.0.0.1/32"]},
            {"local_secret_ids": True},
            {"enable_local_secret_ids": True},
        )
    ],
    Call("LIST", f"{BASE}/role"),
    get("role/none"),
    post("role/own", {"role_id": "own-<n>"}),
    get("role/own/role-id"),
    post("role/r/role-id", {"role_id": "new-<n>"}),
    post("role/r/role-id", {}),
    get("role/r/role-id"),
    get("role/none/role-id"),
    Call("DELETE", f"{BASE}/role/none"),
    Call("DELETE", f"{BASE}/role/r"),
    get("role/r"),
    get("nope"),
    get("role/r/nope"),
    get("role/own/secret-id"),
    post("role", {}),
    refused("role/own/policies", method="GET"),
    refused("tidy/secret-id"),
]

NEW_SECRET_IDS: tuple[Any, ...] = (
    None,
    {"metadata": '{"a":"b"}'},
    {"metadata": "x"},
    {"metadata": '{"a":1}'},
    {"metadata": {"a": "b"}},
    {"ttl": "5m", "num_uses": 1},
    {"ttl": "1h"},
    {"ttl": "x"},
    {"num_uses": 7},
    {"num_uses": -1},
    {"num_uses": 10**30},
    {"cidr_list": []},
)
SECRET_IDS = [
    post("role/r", {"secret_id_num_uses": 5, "secret_id_ttl": "10m", "role_id": "id-<n>"}),
    Call("LIST", f"{BASE}/role/r/secret-id"),
    post("role/r/secret-id", {}, one="data.secret_id", accessor="data.secret_id_accessor"),
    Call("LIST", f"{BASE}/role/r/secret-id"),
    post("role/r/secret-id/lookup", {"secret_id": "<one>"}),
    post("role/r/secret-id-accessor/lookup", {"secret_id_accessor": "<accessor>"}),
    *[post("role/r/secret-id", body) for body in NEW_SECRET_IDS],
    *[
        refused("role/r/secret-id", body)
        for body in (
            {"nope": 1},
            {"cidr_list": ["127.0.0.1/32"]},
            {"token_bound_cidrs": ["127.0.0.1/32"]},
        )
    ],
    *[
        post("role/r/custom-secret-id", body)
        for body in (
            {"secret_id": "mine-<n>", "num_uses": 2, "ttl": 60},
            {"secret_id": "mine-<n>"},
            {"secret_id": ""},
            {},
            {"secret_id": "tagged-<n>", "metadata": '{"k":"v"}'},
        )
    ],
    login("id-<n>", "mine-<n>"),
    post("role/r/secret-id/lookup", {"secret_id": "mine-<n>"}),
    login("id-<n>", "mine-<n>"),
    login("id-<n>", "mine-<n>"),
    post("role/r/secret-id/lookup", {"secret_id": "mine-<n>"}),
    login("id-<n>", "tagged-<n>"),
    *[post(f"role/r/secret-id/{each}", {}) for each in ("lookup", "destroy")],
    *[post(f"role/r/secret-id/{each}", {"secret_id": "x"}) for each in ("lookup", "destroy")],
    *[post(f"role/r/secret-id-accessor/{each}", {}) for each in ("lookup", "destroy")],
    *[
        post(f"role/r/secret-id-accessor/{each}", {"secret_id_accessor": "x"})
        for each in ("lookup", "destroy")
    ],
    post("role/r/secret-id/destroy", {"secret_id": "<one>"}),
    login("id-<n>", "<one>"),
    post("role/r/secret-id", {}, two="data.secret_id", second="data.secret_id_accessor"),
    post("role/r/secret-id-accessor/destroy", {"secret_id_accessor": "<second>"}),
    login("id-<n>", "<two>"),
    *[post(f"role/none/secret-id{each}", {"secret_id": "x"}) for each in ("/lookup", "/destroy")],
    post("role/none/secret-id", {}),
    Call("LIST", f"{BASE}/role/none/secret-id"),
]

LOGINS = [
    post("role/r", {"role_id": "id-<n>", "token_ttl": "1h", "token_policies": ["b", "a"]}),
    post("role/r/custom-secret-id", {"secret_id": "s-<n>"}),
    login("id-<n>", "s-<n>", token="auth.client_token", of="auth.accessor"),
    Call("GET", "auth/token/lookup-self", token="<token>"),
    Call("POST", "auth/token/lookup", {"token": "<token>"}),
    *[
        login(*each)
        for each in (
            ("id-<n>", "nope"),
            ("x", "s-<n>"),
            (5, "s-<n>"),
            ("id-<n>", None),
            ("id-<n>", ["x"]),
        )
    ],
    Call("POST", f"{BASE}/login", {"secret_id": "s-<n>"}, token=None),
    Call("POST", f"{BASE}/login", {}, token=None),
    Call("POST", f"{BASE}/login", {"role_id": "id-<n>"}, token=None),
    Call("POST", f"{BASE}/login", {"role_id": "id-<n>", "nope": 1}, token=None, refused=True),
    post("role/r", {"token_period": "10m", "token_no_default_policy": True}),
    login("id-<n>", "s-<n>"),
    post("role/r", {"token_period": 0, "token_ttl": 0, "token_explicit_max_ttl": "30m"}),
    login("id-<n>", "s-<n>"),
    post("role/r", {"token_num_uses": 1}),
    login("id-<n>", "s-<n>", once="auth.client_token"),
    Call("POST", "auth/token/lookup", {"token": "<once>"}),
    Call("DELETE", f"{BASE}/role/r"),
    login("id-<n>", "s-<n>"),
]


@pytest.mark.parametrize(
    "calls", [ROLES, SECRET_IDS, LOGINS], ids=["roles", "secret-ids", "logins"]
)
def test_approle_call_is_answered_alike(compare: Compare, calls: list[Call]) -> None:
    assert compare(calls) == []
