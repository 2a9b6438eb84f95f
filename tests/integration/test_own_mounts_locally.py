"""A local deployment with mounts and an id of its own: bootstrap, apply, agent and application."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from app_integration.client import Client
from app_integration.mounts import Mounts
from app_integration.names import Environment
from app_integration.testing.ports import free_ports
from local.deployment import LocalDeployment
from local.layout import Layout
from local.ports import Ports
from local.runtime_interface import no_progress
from local.runtimes.embedded_runtime import EmbeddedRuntime
from vault.declare.load import load
from vault.declare.schema.server import MountPaths
from vault.reconcile.planning.build import Prune, build_plan

pytestmark = pytest.mark.requires("embedded")

OWN = Mounts("team/kv", "team/keys", "team/db", "team/roles")


@pytest.fixture(scope="module")
def local(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalDeployment]:
    """Yield a running deployment on whose server none of the default mounts exists."""
    found = load()
    dev = found.environment(Environment.DEV)
    mounts = MountPaths(kv=OWN.kv, transit=OWN.transit, database=OWN.database, approle=OWN.approle)
    people = {
        name: person.model_copy(update={"policies": ("team-developer",)})
        for name, person in dev.people.items()
    }
    vault = dev.vault.model_copy(update={"mounts": mounts})
    changed = dev.model_copy(update={"vault": vault, "deployment": "team", "people": people})
    declared = replace(found, environments={**found.environments, Environment.DEV: changed})
    layout = Layout(tmp_path_factory.mktemp("team") / ".strongroom")
    ports = Ports(*free_ports(6))
    running = LocalDeployment(layout, ports, declared, EmbeddedRuntime)
    pytestconfig.pluginmanager.getplugin("tests.support.processes.canaries").plant(layout)
    running.up(no_progress)
    yield running
    running.started.reset()


def test_application_uses_the_mounts_that_dev_env_names(local: LocalDeployment) -> None:
    assert "STRONGROOM_KV_MOUNT=team/kv" in local.layout.dev_env.read_text(encoding="utf-8")
    client = Client(local.service("gaara-store").settings())
    try:
        assert client.secrets.get("jwt-secret")
        token = client.cipher("pii").encrypt_field("x", {"id": 1})
        assert client.cipher("pii").decrypt_field(token, {"id": 1}) == "x"
        with client.databases.engine(None, None).connect() as connection:
            user = connection.execute(text("SELECT session_user")).scalar()
        assert str(user).startswith("v-")
    finally:
        client.close()


def test_agent_delivers_from_the_own_mounts(local: LocalDeployment) -> None:
    state = local.started.read_config_states()["gaara-store"]
    assert state.last is not None
    assert state.last.state.is_live
    assert state.live.exists()
    config = (local.layout.agent(local.service("gaara-store").scope) / "agent.hcl").read_text(
        encoding="utf-8"
    )
    assert 'mount_path  = "auth/team/roles"' in config


def test_server_has_none_of_the_default_mounts_and_names(local: LocalDeployment) -> None:
    with local.operator() as operator:
        mounted = {*operator.get("sys/mounts")["data"], *operator.get("sys/auth")["data"]}
        assert not mounted & {"secret/", "transit/", "database/", "approle/"}
        policies = operator.list("sys/policies/acl")
        assert {"team-plan", "team-apply", "gaara-store-dev"} <= {*policies}
        assert [name for name in policies if name.startswith(("strongroom", "developer"))] == []


def test_plan_of_the_planner_is_empty_with_prune(local: LocalDeployment) -> None:
    with local.operator("strongroom-plan") as planner:
        found = build_plan(planner, local.desired(local.inputs()), Prune(Environment.DEV))
    assert [str(change) for change in found.changes] == []
    assert found.kept == ()


def test_second_up_changes_nothing(local: LocalDeployment) -> None:
    assert not local.up(no_progress).has_changes
