"""A small declaration with auth methods, and functions that plan and apply it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from policies.render import render_policies
from tests.support.models.declaration_files import write_declaration
from vault.declare.declaration import Declaration
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.planning.plan import Plan

SCOPE = Scope("shop", Environment.DEV)
_SERVICE = {
    "service": "shop",
    "owner": "shop-team",
    "description": "Sells things.",
    "secrets": {"token": {"source": "generated", "length": 48}},
}
_ENVIRONMENT = {
    "environment": "dev",
    "owner": "platform-team",
    "vault": {"address": "http://127.0.0.1:8200"},
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5s"},
}


def declare(
    folder: Path,
    *,
    pems: dict[str, str] | None = None,
    login: dict[str, Any] | None = None,
    **sections: Any,
) -> Declaration:
    """Write the declaration of the service ``shop`` in dev to *folder*, and load it."""
    services = {"shop": {"login": {"approle": {}, **(login or {})}}}
    environment = {**_ENVIRONMENT, **sections, "services": services}
    files = {f"environments/{name}": text for name, text in (pems or {}).items()}
    return write_declaration(folder, environment, _SERVICE, files=files)


def plan(
    session: Session,
    declared: Declaration,
    values: dict[str, str] | None = None,
    *,
    prune: bool = False,
    environment: Environment = Environment.DEV,
) -> Plan:
    inputs = Inputs({path: Secret(value) for path, value in (values or {}).items()})
    policies = render_policies(declared, environment)
    resources = desired_resources(declared, environment, policies, inputs)
    return build_plan(session, resources, Prune(environment) if prune else None)


def apply_declared(
    session: Session,
    declared: Declaration,
    values: dict[str, str] | None = None,
    *,
    prune: bool = False,
    environment: Environment = Environment.DEV,
) -> list[str]:
    """Apply *declared* and return the changes, each as its text."""
    applied: list[str] = []
    found = plan(session, declared, values, prune=prune, environment=environment)
    apply(session, found, lambda change: applied.append(str(change)))
    remaining = plan(session, declared, values, prune=prune, environment=environment).changes
    assert remaining == (), [str(change) for change in remaining]
    return applied
