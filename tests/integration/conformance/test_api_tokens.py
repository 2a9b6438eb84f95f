"""Tokens through their API: the server in memory answers each call as the real one does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.servers.api_calls import ROOT, Call, Compare, Paths

pytestmark = pytest.mark.requires("embedded")

CALLS = Paths("auth/token")
get, post, refused = CALLS.get, CALLS.post, CALLS.refused


def create(body: Any, name: str, token: str = ROOT) -> Call:
    """Return the call that keeps the new token as *name*, and its accessor as ``<name>_of``."""
    keep = {name: "auth.client_token", f"{name}_of": "auth.accessor"}
    return post("create", body, token, **keep)


CREATIONS: tuple[Any, ...] = (
    {"ttl": "x"},
    {"ttl": -1},
    {"ttl": "-1s"},
    {"ttl": 10**30},
    {"ttl": ""},
    {"ttl": "1h"},
    {"policies": ["P<n> ", "a<n>", "a<n>"]},
    {"policies": {"a": 1}},
    {"policies": []},
    {"policies": ["root"], "ttl": "1h"},
    {"no_default_policy": True, "policies": ["p"]},
    {"period": "10m"},
    {"id": "s.x"},
    {"id": "a.b"},
    {"type": "nope"},
    {"type": "service"},
    {"num_uses": -1},
    {"num_uses": "x"},
    {"meta": "x"},
    {"meta": {"a": 1}},
    {"entity_alias": "x"},
    {"explicit_max_ttl": "x"},
    {"ttl": "2h", "explicit_max_ttl": "1h"},
    {"ttl": "100000h"},
    {"renewable": "x"},
    {"display_name": 5},
)
CREATION = [
    create({}, "plain"),
    get("lookup-self", "<plain>"),
    create({"no_parent": True}, "orphan"),
    *[post("create", body) for body in CREATIONS],
    create({"id": "own<n>", "policies": ["default"]}, "own"),
    post("create", {"id": "own<n>"}),
    post("create-orphan", {"policies": ["default"]}),
    post("create/norole", {}),
    refused("create", {"nope": 1}),
    refused("create", {"type": "batch", "policies": ["p"]}),
    create({"policies": ["default"], "ttl": "1h", "meta": {"a": "b"}, "display_name": "x y"}, "t"),
    get("lookup-self", "<t>"),
    get("create"),
    get("nope"),
    refused("tidy"),
]

LOOKUP = [
    create({"policies": ["default"], "ttl": "1h", "meta": {"a": "b"}, "display_name": "d"}, "t"),
    post("lookup", {"token": "<t>"}),
    post("lookup", {"token": "nope"}),
    post("lookup", {}),
    get("lookup"),
    get("lookup/x"),
    post("lookup-self", {}),
    post("lookup-accessor", {"accessor": "<t_of>"}),
    post("lookup-accessor", {"accessor": "nope"}),
    post("lookup-accessor", {}),
    *[get("lookup-self", token) for token in ("nope", None, "")],
]

RENEWAL = [
    create({"policies": ["default"], "ttl": "1h"}, "t"),
    *[
        post("renew", {"token": "<t>", **body})
        for body in ({}, {"increment": 60}, {"increment": "2h"}, {"increment": "x"})
    ],
    post("renew", {"token": "<t>", "increment": -1}),
    post("renew", {"token": "<t>", "increment": 10**9}),
    post("renew", {"token": "<t>", "increment": 10**30}),
    post("renew", {"token": "nope"}),
    post("renew", {}),
    post("renew-self", {"increment": 90}, "<t>"),
    post("renew-self", None, "<t>"),
    post("renew-self", {}),
    post("renew-accessor", {"accessor": "<t_of>"}),
    post("renew-accessor", {"accessor": "x"}),
    create({"policies": ["default"], "ttl": "1h", "renewable": False}, "fixed"),
    post("renew-self", {}, "<fixed>"),
    post("renew", {"token": "<fixed>"}),
    create({"policies": ["default"], "ttl": "1h", "explicit_max_ttl": "90m"}, "limited"),
    post("renew", {"token": "<limited>", "increment": "3h"}),
    post("lookup", {"token": "<limited>"}),
    create({"policies": ["default"], "period": "20m"}, "periodic"),
    post("renew", {"token": "<periodic>", "increment": "3h"}),
    post("lookup", {"token": "<periodic>"}),
]

REVOCATION = [
    create({"ttl": "1h"}, "parent"),
    create({"ttl": "1h"}, "child", "<parent>"),
    post("revoke", {"token": "<parent>"}),
    get("lookup-self", "<child>"),
    create({"ttl": "1h"}, "other"),
    create({"ttl": "1h"}, "left", "<other>"),
    post("revoke-orphan", {"token": "<other>"}),
    get("lookup-self", "<left>"),
    post("revoke-self", {}, "<left>"),
    get("lookup-self", "<left>"),
    create({"ttl": "1h"}, "third"),
    post("revoke-accessor", {"accessor": "<third_of>"}),
    post("lookup", {"token": "<third>"}),
    post("revoke", {"token": "nope"}),
    post("revoke", {}),
    post("revoke-orphan", {"token": "nope"}),
    post("revoke-orphan", {}),
    post("revoke-accessor", {}),
    post("revoke-accessor", {"accessor": "nope"}),
    create({"policies": ["default"], "num_uses": 2}, "counted"),
    *[get("lookup-self", "<counted>")] * 3,
]

ROLES = [
    *[
        post("roles/r<n>", body)
        for body in (
            {"allowed_policies": ["default", "x<n>"], "orphan": True, "renewable": False},
            {"token_period": "1h"},
            {"token_type": "nope"},
            {"token_num_uses": -1},
            # An update is applied wholly or not at all: the read below shows no field of these.
            {"token_num_uses": 9, "orphan": "maybe"},
            {"renewable": True, "token_period": "x"},
            {"token_type": "service", "token_num_uses": -1},
        )
    ],
    get("roles/r<n>"),
    post("create/r<n>", {"policies": ["default"]}),
    post("create/r<n>", {}),
    post("create/r<n>", {"policies": ["other"]}),
    post("roles/r<n>", {"token_explicit_max_ttl": "5h", "disallowed_policies": ["y"]}),
    get("roles/r<n>"),
    Call("LIST", "auth/token/roles", shared=True),
    refused("roles/r<n>", {"nope": 1}),
    refused("roles/r<n>", {"allowed_policies_glob": ["a*"]}),
    Call("DELETE", "auth/token/roles/r<n>"),
    Call("DELETE", "auth/token/roles/r<n>"),
    get("roles/r<n>"),
]


@pytest.mark.parametrize(
    "calls",
    [CREATION, LOOKUP, RENEWAL, REVOCATION, ROLES],
    ids=["creation", "lookup", "renewal", "revocation", "roles"],
)
def test_token_call_is_answered_alike(compare: Compare, calls: list[Call]) -> None:
    assert compare(calls) == []
