"""The policy of a job for more services than a server stores one policy for."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.errors import RequestRefused
from app_integration.names import Environment
from benchmarks.plan import build_declaration
from policies.render import render_policies
from tests.support.servers.raft_cluster import raft_cluster
from vault.reconcile.hcl.policy_parts import part_names
from vault.reconcile.resources.auth import AppRole
from vault.reconcile.resources.policies import Policy

pytestmark = pytest.mark.requires("embedded")

ROTATOR = "strongroom-rotator"
SERVICES = 150


def test_rotator_of_150_services_has_its_rights_on_raft_storage(tmp_path: Path) -> None:
    policies = render_policies(build_declaration(SERVICES), Environment.DEV)
    parts = part_names(ROTATOR, policies)
    with raft_cluster(tmp_path, 1) as cluster:
        root = cluster.root
        root.post("sys/auth/approle", {"type": "approle"})
        whole = Policy(ROTATOR, "".join(policies[part] for part in parts))
        with pytest.raises(RequestRefused, match="value being too large"):
            whole.write(root, None)
        for part in parts:
            Policy(part, policies[part]).write(root, None)
        AppRole(ROTATOR, parts).write(root, None)
        login = {
            "role_id": root.get(f"auth/approle/role/{ROTATOR}/role-id")["data"]["role_id"],
            "secret_id": root.post(f"auth/approle/role/{ROTATOR}/secret-id", {})["data"][
                "secret_id"
            ],
        }
        token = root.post("auth/approle/login", login)["auth"]["client_token"]
        paths = [f"secret/destroy/shop-{each:03}/dev/a" for each in (0, SERVICES - 1, SERVICES)]
        found = root.post("sys/capabilities", {"token": token, "paths": paths})["data"]
        assert [found[path] for path in paths] == [["update"], ["update"], ["deny"]]
