"""Environments besides dev, staging and prod: from the file to the application, without servers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.compiler.template_compiler import compile_file
from agent.compiler.template_context import TemplateContext
from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.errors import SecretNotFound
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import from_environment
from app_integration.testing.memory_vault import ADDRESS, MemoryVault
from policies.render import render_policies
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.environment_diff import compare, read_state
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning import plan_file
from vault.reconcile.planning.plan import Plan

BASE = Path(__file__).parents[1] / "faults" / "declare" / "base"
PROD = Scope("shop", Environment.PROD)
SECRETS = ("mail-password", "mail-url", "token")


@pytest.fixture(params=["qa", "prod-eu"])
def scope(request: pytest.FixtureRequest) -> Scope:
    return Scope("shop", Environment(request.param))


@pytest.fixture
def declared(scope: Scope, tmp_path: Path) -> Declaration:
    """Return a declaration with a file for the environment, made from that of prod."""
    shutil.copytree(BASE, tmp_path / "site")
    folder, name = tmp_path / "site" / "environments", scope.environment
    text = (folder / "prod.yaml").read_text()
    text = text.replace("environment: prod", f"environment: {name}\nlike: prod")
    (folder / f"{name}.yaml").write_text(text.replace(".example", f".{name}.example"))
    return load(tmp_path / "site", tmp_path / "site" / "templates")


def test_file_makes_an_environment(declared: Declaration, scope: Scope) -> None:
    assert sorted(declared.environments) == sorted({"dev", "prod", scope.environment})
    assert declared.environment(scope.environment).like == Environment.PROD
    assert declared.scopes(scope.environment) == (scope,)
    assert tuple(sorted(declared.secrets(scope))) == SECRETS
    assert declared.resolve_environment(scope.environment) == scope.environment


def test_names_on_the_server_have_the_environment(declared: Declaration, scope: Scope) -> None:
    policies = render_policies(declared, scope.environment)
    resources = desired_resources(declared, scope.environment, policies, Inputs())
    found = {(each.kind, each.name) for each in resources}
    assert {
        ("policy", f"shop-{scope.environment}"),
        ("approle", f"shop-{scope.environment}-starter"),
        ("transit-key", f"shop-{scope.environment}-pii"),
        ("database-connection", f"shop-{scope.environment}"),
        *(("secret-metadata", f"shop/{scope.environment}/{name}") for name in SECRETS),
    } <= found
    assert f'path "secret/data/shop/{scope.environment}/token"' in policies[str(scope)]
    assert "developer" not in policies


def test_template_reads_the_paths_of_the_environment(declared: Declaration, scope: Scope) -> None:
    compiled = compile_file(
        BASE / "templates" / "shop" / "app.yaml.j2",
        TemplateContext(
            scope=scope, secrets=declared.secrets(scope), settings=declared.settings(scope)
        ),
    )
    assert f"secret/data/shop/{scope.environment}/token" in compiled.text


def test_saved_plan_keeps_the_environment(scope: Scope, tmp_path: Path) -> None:
    plan_file.save(tmp_path / "plan.json", plan_file.document(Plan((), 0, ()), scope.environment))
    assert plan_file.load(tmp_path / "plan.json").environment == scope.environment


class Policies:
    """A reader of the rendered policies of one environment, without any value."""

    def __init__(self, declared: Declaration, scope: Scope) -> None:
        self._policies = render_policies(declared, scope.environment)

    def get(self, path: str) -> dict[str, Any]:
        kind, _, name = path.rpartition("/")
        is_policy = kind == "sys/policies/acl"
        return {"data": {"policy": self._policies[name]} if is_policy else {}}


def test_policies_do_not_differ_from_those_of_what_it_is_like(
    declared: Declaration, scope: Scope
) -> None:
    sides = [
        read_state(Policies(declared, each), declared, each, bytes(32))  # type: ignore[arg-type] # reads only
        for each in (PROD, scope)
    ]
    assert not compare(*sides)
    assert sides[0].policies.keys() == sides[1].policies.keys()


@pytest.fixture
def client(scope: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Yield the application's client, with secrets in its process environment and ``.env``."""
    server = MemoryVault()
    token = server.tokens.issue("shop", ("root",), ttl=float("inf"))
    session = Session(ADDRESS, StaticToken(Secret(token.value)), connect=lambda: server)
    session.post(f"secret/data/{scope.secret('token')}", {"data": {"value": "from-server"}})
    (tmp_path / ".env").write_text("TOKEN=from-dotenv\nMAIL_PASSWORD=from-dotenv\n")
    monkeypatch.setenv("MAIL_PASSWORD", "from-process")
    variables = {
        "STRONGROOM_SERVICE": "shop",
        "ENVIRONMENT": scope.environment,
        "VAULT_ADDR": "https://vault",
        "STRONGROOM_DOTENV": str(tmp_path / ".env"),
        "STRONGROOM_AUDIT_FILE": str(tmp_path / "access.jsonl"),
    }
    made = Client(from_environment(variables), session=session)
    yield made
    made.close()


def test_application_reads_from_the_server_only(client: Client, scope: Scope) -> None:
    assert client.secrets.get("token") == "from-server"
    with pytest.raises(SecretNotFound):
        client.secrets.get("mail-password")
    assert client.settings.scope == scope


def test_application_records_the_environment(client: Client, scope: Scope, tmp_path: Path) -> None:
    client.secrets.get("token")
    (record,) = (tmp_path / "access.jsonl").read_text().splitlines()
    assert json.loads(record)["environment"] == scope.environment
