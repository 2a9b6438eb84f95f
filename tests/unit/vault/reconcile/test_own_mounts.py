"""Paths of a deployment with mounts and an id of its own: none is of the default ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from agent.auto_auth import AppRoleAutoAuth
from agent.compiler.template_compiler import compile_text
from agent.compiler.template_context import TemplateContext
from agent.config_file import AgentSettings, render_agent_config
from app_integration.errors import ConfigurationError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Environment, Scope
from policies.render import render_policies, scoped_apply_policy
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.declare.schema.adopted_secret import Adoption
from vault.declare.schema.server import MountPaths
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.hcl.policy_rules import parse_rules
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import ReadSession

DEV = Environment.DEV
OWN = Mounts("team/kv", "team/keys", "team/db", "team/roles")
SCOPE = Scope("gaara-store", DEV)
USUAL = re.compile(
    r"^(sys/mounts/)?(secret|transit|database|auth/approle)/|strongroom-(plan|apply|rotator|audit|f)"
)


def declared(**vault: Any) -> Declaration:
    """Return the project's declaration with a team's mounts and id in dev, and an adopted user."""
    found = load()
    dev = found.environment(DEV)
    mounts = {
        "kv": OWN.kv,
        "transit": OWN.transit,
        "database": OWN.database,
        "approle": OWN.approle,
    }
    server = dev.vault.model_copy(update={"mounts": MountPaths(**mounts), **vault})
    adopted = {"database-url": Adoption(username="shop_app")}
    store = dev.services["gaara-store"].model_copy(update={"adopted": adopted})
    update = {"vault": server, "deployment": "team", "services": {"gaara-store": store}}
    environments = {**found.environments, DEV: dev.model_copy(update=update)}
    return Declaration(found.services, environments)


class RecordingReader:
    """A reader of an empty server, which records the paths that are read."""

    def __init__(self) -> None:
        self.paths: set[str] = set()

    def get(self, path: str) -> dict[str, Any]:
        self.paths.add(path)
        return {"data": {}}

    def list(self, path: str) -> list[str]:
        self.paths.add(path)
        return []

    def post(self, path: str, body: object = None) -> dict[str, Any]:
        self.paths.add(path)
        return {"data": {"hmac": str(body)}}


@pytest.mark.parametrize("role", ["root", "scoped"])
def test_policies_name_no_default_mount_and_no_default_job(role: str) -> None:
    found = declared(apply_role=role)
    texts = render_policies(found, DEV)
    if role == "scoped":
        texts["team-apply"] = scoped_apply_policy(found, DEV)
    assert {"team-plan", "team-apply", "team-rotator", "team-auditor"} <= texts.keys()
    paths = [rule.path for text in texts.values() for rule in parse_rules(text, "")]
    assert len(paths) > 60
    assert [path for path in paths if USUAL.search(path)] == []
    assert "team/db/creds/gaara-store-dev/*" in texts[str(SCOPE)]


def test_desired_resources_read_no_default_mount() -> None:
    found = declared()
    reader: Any = RecordingReader()
    resources = desired_resources(found, DEV, render_policies(found, DEV), Inputs())
    read = _read_all(resources, reader)
    assert len(read) > 20
    assert [path for path in read if USUAL.search(path)] == []
    assert {"team/kv/metadata/gaara-store/dev/jwt-secret", "auth/team/roles/role/team-plan"} <= read


def _read_all(resources: Any, reader: ReadSession) -> set[str]:
    for each in resources:
        try:
            each.read(reader)
        except (KeyError, TypeError):  # because the server's response is empty
            continue
    paths: set[str] = reader.paths  # type: ignore[attr-defined] # of the fake
    return paths


def test_scoped_apply_role_is_not_declared_and_its_policy_is_not_applied() -> None:
    found = declared(apply_role="scoped")
    policies = render_policies(found, DEV)
    assert "team-apply" not in policies
    names = {each.name for each in desired_resources(found, DEV, policies, Inputs())}
    assert "team-apply" not in names
    assert {"team-plan", "team-fingerprint"} <= names


def test_scoped_policy_without_the_declared_role_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'apply_role: scoped'"):
        scoped_apply_policy(declared(), DEV)


def test_agent_logs_in_and_reads_at_the_own_mounts() -> None:
    template = compile_text(
        "url: {{ secret('url') }}\ntoken: {{ secret('token') }}\n",
        "app.yaml.j2",
        TemplateContext(
            scope=SCOPE, secrets=("url", "token"), settings={}, adopted=("url",), mounts=OWN
        ),
    )
    paths = {need.path for need in template.needs}
    assert paths == {
        "team/kv/data/gaara-store/dev/token",
        "team/kv/data/gaara-store/dev/url",
        "team/db/static-creds/gaara-store-dev-url",
    }
    assert all(path in template.text for path in paths)
    login = AppRoleAutoAuth(Path("role-id"), Path("secret-id"), OWN)
    config = render_agent_config(AgentSettings(SCOPE, "http://v", login, ()))
    assert 'mount_path  = "auth/team/roles"' in config
    assert '"auth/team/roles/role/gaara-store-dev/secret-id"' in config
    assert DEFAULT_MOUNTS.auth not in config
