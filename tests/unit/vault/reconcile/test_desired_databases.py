"""Desired connections, roles and policies of databases that several services use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app_integration.names import Environment, Scope
from policies.render import render_policies
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.declare.schema.database import Database, SharedDatabase
from vault.reconcile.desired.databases import database_roles
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs

LEASE = {"ttl": "1h", "max_ttl": "24h"}
ENVIRONMENT = {
    "owner": "platform-team",
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5s"},
}
OWNER = {
    "engine": "postgresql",
    "name": "goods",
    "roles": {"default": LEASE, "reports": LEASE, "readonly": LEASE},
    "share": {"mail": ["readonly"], "audit": ["readonly"]},
}
READER = {"of": "shop", "roles": {"readonly": {"ttl": "10m", "max_ttl": "20m"}}}
SERVICES: dict[str, Any] = {"mail": READER, "shop": OWNER, "audit": READER, "bare": None}


@pytest.fixture
def declaration(tmp_path: Path) -> Declaration:
    """Return a declaration with an owner, two services that it admits, and one without needs.

    The second of the admitted services runs in dev only.
    """
    for folder in ("services", "environments"):
        (tmp_path / folder).mkdir()
    for name, database in SERVICES.items():
        service = {"service": name, "owner": "team-a", "description": "A service."}
        content = {**service, "database": database} if database else service
        (tmp_path / f"services/{name}.yaml").write_text(json.dumps(content))
    for environment, absent in (("dev", ""), ("prod", "audit")):
        running: dict[str, Any] = {name: {} for name in SERVICES if name != absent}
        running["shop"] = {"database": f"{environment}.example.com:5432"}
        vault = {"address": f"https://vault.{environment}.example.com:8200"}
        declared = {
            "environment": environment,
            "vault": vault,
            **ENVIRONMENT,
            "services": running,
        }
        (tmp_path / f"environments/{environment}.yaml").write_text(json.dumps(declared))
    return load(tmp_path, tmp_path)


def resources(declaration: Declaration, environment: Environment, kind: str) -> dict[str, Any]:
    found = desired_resources(declaration, environment, {}, Inputs())
    return {each.name: each.desired() for each in found if each.kind == kind}


def test_sections_are_loaded_as_their_own_models(declaration: Declaration) -> None:
    shop, mail = (declaration.service(name).database for name in ("shop", "mail"))
    assert isinstance(shop, Database)
    assert shop.share == {"mail": ("readonly",), "audit": ("readonly",)}
    assert isinstance(mail, SharedDatabase)
    assert mail.of == "shop"
    assert mail.roles["readonly"].ttl == 600


def test_only_the_owner_has_a_connection_and_it_allows_the_admitted_roles(
    declaration: Declaration,
) -> None:
    found = resources(declaration, Environment.DEV, "database-connection")
    assert list(found) == ["shop-dev"]
    assert found["shop-dev"]["connection_url"].partition("@")[2] == (
        "dev.example.com:5432/goods?sslmode=verify-full"
    )
    assert found["shop-dev"]["allowed_roles"] == [
        "audit-dev-readonly",
        "mail-dev-readonly",
        "shop-dev",
        "shop-dev-readonly",
        "shop-dev-reports",
    ]


def test_service_that_does_not_run_in_the_environment_gets_no_role(
    declaration: Declaration,
) -> None:
    found = resources(declaration, Environment.PROD, "database-connection")
    assert "audit-prod-readonly" not in found["shop-prod"]["allowed_roles"]
    assert "audit-prod-readonly" not in resources(declaration, Environment.PROD, "database-role")


def test_readonly_users_get_the_reader_and_others_the_owner(declaration: Declaration) -> None:
    found = resources(declaration, Environment.DEV, "database-role")
    assert {role["db_name"] for role in found.values()} == {"shop-dev"}
    granted = {
        name: [role in " ".join(each["creation_statements"]) for role in ("_owner", "_readonly")]
        for name, each in found.items()
    }
    assert granted == {
        "audit-dev-readonly": [False, True],
        "mail-dev-readonly": [False, True],
        "shop-dev": [True, False],
        "shop-dev-readonly": [False, True],
        "shop-dev-reports": [True, False],
    }
    assert (found["mail-dev-readonly"]["default_ttl"], found["shop-dev"]["max_ttl"]) == (600, 86400)


def test_readonly_user_neither_acts_as_the_reader_nor_leaves_objects(
    declaration: Declaration,
) -> None:
    role = resources(declaration, Environment.DEV, "database-role")["mail-dev-readonly"]
    assert role["creation_statements"][1:] == [
        'GRANT "shop_readonly" TO "{{name}}" WITH INHERIT TRUE, SET FALSE'
    ]
    text = " ".join(role["revocation_statements"])
    assert "REASSIGN" not in text
    assert 'DROP OWNED BY "{{name}}"' in text


def test_policy_grants_the_services_own_role_only(declaration: Declaration) -> None:
    policies = render_policies(declaration, Environment.DEV)
    assert 'path "database/creds/mail-dev-readonly"' in policies["mail-dev"]
    assert "shop-dev" not in policies["mail-dev"]
    assert "mail-dev" not in policies["shop-dev"]
    assert "database/" not in policies["bare-dev"]
    assert "database/rotate-root/mail-dev" not in policies["strongroom-rotator"]


def test_service_without_a_database_has_no_role(declaration: Declaration) -> None:
    assert database_roles(declaration, Scope("bare", Environment.DEV)) == {}
