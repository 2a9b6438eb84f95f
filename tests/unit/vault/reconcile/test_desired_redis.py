"""Desired connections, roles and policies of leased Redis users, and the errors of their files."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app_integration.names import Environment
from policies.render import render_policies, scoped_apply_policy
from vault.audit.report.declared_objects import find_declared
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError
from vault.declare.load import load
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs

CA = Path("tests/faults/declare/base/environments/ca.pem")
RULES = ["~orders:*", "&orders:*", "+@read", "-keys"]
SERVICE = {
    "service": "shop",
    "owner": "team-a",
    "description": "A service.",
    "redis": {
        "roles": {
            "default": {"rules": RULES, "ttl": "1h", "max_ttl": "24h"},
            "reports": {"rules": ["~orders:*", "+get"], "ttl": "10m", "max_ttl": "20m"},
        }
    },
}
ENVIRONMENT = {
    "environment": "prod",
    "owner": "platform-team",
    "vault": {"address": "https://vault.example.com:8200", "apply_role": "scoped"},
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5s"},
    "password_policies": {"database": {"length": 32}},
    "services": {
        "shop": {
            "redis": {"address": "redis.example.com:6379", "ca": "ca.pem"},
            "password_policy": "database",
        }
    },
}

MARKS = {"managed_by": "strongroom", "deployment": "strongroom"}


class Files:
    """Files of a declaration, which a test may change before it loads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.service: dict[str, Any] = copy.deepcopy(SERVICE)
        self.environment: dict[str, Any] = copy.deepcopy(ENVIRONMENT)

    @property
    def role(self) -> dict[str, Any]:
        role: dict[str, Any] = self.service["redis"]["roles"]["default"]
        return role

    @property
    def deployment(self) -> dict[str, Any]:
        deployment: dict[str, Any] = self.environment["services"]["shop"]
        return deployment

    def load(self) -> Declaration:
        for folder in ("services", "environments"):
            (self.folder / folder).mkdir()
        (self.folder / "services/shop.yaml").write_text(json.dumps(self.service))
        (self.folder / "environments/prod.yaml").write_text(json.dumps(self.environment))
        shutil.copy(CA, self.folder / "environments/ca.pem")
        return load(self.folder, self.folder)

    def error(self) -> str:
        """Return the only error of the files, without its place."""
        with pytest.raises(DeclarationError) as found:
            self.load()
        (error,) = str(found.value).splitlines()
        return error.partition(": ")[2]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def resources(declaration: Declaration, kind: str) -> dict[str, Any]:
    found = desired_resources(declaration, Environment.PROD, {}, Inputs())
    return {each.name: each.desired() for each in found if each.kind == kind}


def test_connection_of_redis_uses_tls_with_the_declared_ca(files: Files) -> None:
    found = resources(files.load(), "database-connection")
    assert list(found) == ["shop-prod-redis"]
    assert found["shop-prod-redis"] == {
        "plugin_name": "redis-database-plugin",
        "host": "redis.example.com",
        "port": 6379,
        "tls": True,
        "insecure_tls": False,
        "ca_cert": CA.read_text(),
        "username": "shop_manager",
        "password_policy": "database-prod",
        "allowed_roles": ["shop-prod-redis", "shop-prod-redis-reports"],
        **MARKS,
    }


def test_roles_of_redis_create_users_with_their_rules(files: Files) -> None:
    found = resources(files.load(), "database-role")
    assert list(found) == ["shop-prod-redis", "shop-prod-redis-reports"]
    role = found["shop-prod-redis"]
    assert [json.loads(each) for each in role["creation_statements"]] == [RULES]
    assert (role["db_name"], role["revocation_statements"]) == ("shop-prod-redis", [])
    assert (role["default_ttl"], role["max_ttl"]) == (3600, 86400)


def test_policies_grant_the_leases_and_the_connection(files: Files) -> None:
    declaration = files.load()
    policies = render_policies(declaration, Environment.PROD)
    for role in ("shop-prod-redis", "shop-prod-redis-reports"):
        assert f'path "database/creds/{role}"' in policies["shop-prod"]
        assert f'"database/creds/{role}/*"' in policies["shop-prod"]
    # Redis forgets a rotated password when it restarts.
    assert "rotate-root" not in policies["strongroom-rotator"]
    text = scoped_apply_policy(declaration, Environment.PROD)
    block = text[text.index('path "database/config/shop-prod-redis"') :]
    assert '"plugin_name" = ["redis-database-plugin"]' in block[: block.index("path", 1)]


def test_audit_report_knows_the_roles(files: Files) -> None:
    found = find_declared(files.load(), Environment.PROD).objects
    assert {(each.server_name, each.kind, each.name) for each in found} == {
        ("shop-prod-redis", "database-role", "redis"),
        ("shop-prod-redis-reports", "database-role", "redis-reports"),
    }


@pytest.mark.parametrize(
    "rule", ["nopass", ">password", "on", "reset", "(+get ~a)", "~a b", "allkeys", "+GET", ""]
)
def test_rule_that_is_not_a_right_is_rejected(files: Files, rule: str) -> None:
    files.role["rules"] = ["+get", rule]
    assert "(expected an ACL rule such as ~orders:*" in files.error()


@pytest.mark.parametrize(
    "rule",
    [
        *("+@all", "+@admin", "+@dangerous", "+@slow", "+acl", "+acl|setuser", "+config"),
        *("+config|set", "+module|load", "+replicaof", "+debug"),
    ],
)
def test_rule_that_lets_a_user_create_others_is_rejected(files: Files, rule: str) -> None:
    files.role["rules"] = [rule]
    assert "with which a leased user could create others" in files.error()


def test_roles_without_the_default_are_rejected(files: Files) -> None:
    roles = files.service["redis"]["roles"]
    del roles["default"]
    assert "lacks the role 'default' (expected it, as redis_client() leases" in files.error()


def test_environment_without_a_redis_server_is_rejected(files: Files) -> None:
    del files.deployment["redis"]
    assert "lacks the key 'redis' (expected a mapping with address and ca)" in files.error()


def test_server_of_a_service_without_redis_is_rejected(files: Files) -> None:
    del files.service["redis"]
    assert "(expected nothing, as services/shop.yaml declares no redis)" in files.error()


def test_server_elsewhere_without_a_ca_is_rejected(files: Files) -> None:
    del files.deployment["redis"]["ca"]
    assert "lacks the key 'ca' (expected a PEM file with the CA of Redis)" in files.error()


def test_server_on_a_loopback_address_needs_no_ca(files: Files) -> None:
    files.deployment["redis"] = {"address": "127.0.0.1:6379"}
    connection = resources(files.load(), "database-connection")["shop-prod-redis"]
    assert connection["tls"] is False
    assert "ca_cert" not in connection


def test_ca_that_does_not_exist_is_rejected(files: Files) -> None:
    files.deployment["redis"]["ca"] = "other.pem"
    assert "is 'other.pem', which does not exist" in files.error()


def test_database_role_with_the_name_of_a_redis_role_is_rejected(files: Files) -> None:
    lease = {"ttl": "1h", "max_ttl": "24h"}
    roles = {"default": lease, "redis": lease}
    files.service["database"] = {"engine": "postgresql", "name": "shop", "roles": roles}
    files.deployment["database"] = "db.example.com:5432"
    assert "shop-prod-redis" in files.error()
