"""A local deployment of a service that leases Redis users: `up`, application, restart, changes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError
from rich.console import Console
from ruamel.yaml import YAML

from app_integration import async_redis_client, default_client, redis_client
from app_integration.names import Environment
from app_integration.testing.ports import free_ports
from console.commands.every_day.shown_deployment import show_deployment
from local.deployment import LocalDeployment
from local.layout import Layout
from local.ports import Ports
from local.runtime_interface import no_progress
from local.runtimes.embedded_runtime import EmbeddedRuntime
from vault.declare.load import load
from vault.reconcile.planning.build import Prune, build_plan

pytestmark = pytest.mark.requires("embedded")

ROLE = {"rules": ["~visits:*", "+@read", "+@write"], "ttl": "1h", "max_ttl": "24h"}
SERVICE = {
    "service": "counter",
    "owner": "team-a",
    "description": "Counts visits.",
    "secrets": {"redis-url": {"source": "given"}},
}
ENVIRONMENT = {
    "environment": "dev",
    "owner": "team-a",
    "vault": {"address": "http://127.0.0.1:8200"},
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5s"},
}


class Site:
    """A deployment whose service gets Redis roles when it runs already."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(folder / ".strongroom")
        self.ports = Ports(*free_ports(6))

    def deployment(self, **redis: object) -> LocalDeployment:
        address = {"redis": {"address": "127.0.0.1:16379"}} if redis else {}
        for name, content in (
            ("services/counter.yaml", {**SERVICE, **redis}),
            ("environments/dev.yaml", {**ENVIRONMENT, "services": {"counter": address}}),
        ):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_text(json.dumps(content))
        declaration = load(self.folder, self.folder)
        return LocalDeployment(self.layout, self.ports, declaration, EmbeddedRuntime)


@pytest.fixture(scope="module")
def local(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalDeployment]:
    """Yield a deployment that ran without Redis roles before they were declared."""
    site = Site(tmp_path_factory.mktemp("team"))
    pytestconfig.pluginmanager.getplugin("tests.support.processes.canaries").plant(site.layout)
    before = site.deployment()
    try:
        before.up(no_progress)
        running = site.deployment(redis={"roles": {"default": ROLE}})
        running.up(no_progress)
        yield running
    finally:
        before.started.reset()


@pytest.fixture
def counter(local: LocalDeployment) -> Iterator[None]:
    """Configure the SDK's functions for the service."""
    default_client.configure(local.service("counter").settings())
    yield
    default_client.close()


@pytest.mark.usefixtures("counter")
def test_application_counts_with_a_leased_user() -> None:
    redis = redis_client()
    before = int(redis.get("visits:a") or 0)
    assert redis.incr("visits:a") == before + 1


@pytest.mark.usefixtures("counter")
def test_application_on_an_event_loop_counts_with_a_leased_user() -> None:
    async def count() -> int:
        redis = async_redis_client()
        try:
            return int(await redis.incr("visits:b"))
        finally:
            await redis.aclose()

    assert asyncio.run(count()) == 1


def test_show_logs_in_to_redis_as_the_application_does(local: LocalDeployment) -> None:
    assert "redis_client()  →  logged in to Redis: V_APPROLE_COUNTER-DEV-REDIS_" in shown(local)


def test_show_names_doctor_if_no_user_can_be_leased(local: LocalDeployment) -> None:
    access = local.service("counter").access
    with Redis.from_url(access.redis.url().reveal()) as admin:
        admin.execute_command("ACL", "SETUSER", "counter_manager", "-@all")
    try:
        assert (
            "redis_client()  →  no user can be leased; to find out why: "
            "strongroom doctor --service counter --env dev"
        ) in shown(local)
    finally:
        access.ensure_redis_manager()


def test_service_is_not_set_up_without_its_manager(local: LocalDeployment) -> None:
    access = local.service("counter").access
    assert local.is_set_up("counter")
    with Redis.from_url(access.redis.url().reveal()) as admin:
        admin.execute_command("ACL", "DELUSER", "counter_manager")
    try:
        assert not local.is_set_up("counter")
    finally:
        access.ensure_redis_manager()
    assert local.is_set_up("counter")


def shown(local: LocalDeployment) -> str:
    """Return what ``up`` prints about the running deployment."""
    file = StringIO()
    show_deployment(Console(file=file, width=500), local)
    return file.getvalue()


def test_plan_of_the_planner_is_empty_with_prune(local: LocalDeployment) -> None:
    with local.operator("strongroom-plan") as planner:
        found = build_plan(planner, local.desired(local.inputs()), Prune(Environment.DEV))
    assert [str(change) for change in found.changes] == []


#: Reads REDIS_URL, as an application that was not changed yet, and leases a user, as one that was.
PROGRAM = """
import os, sys, redis
from app_integration import redis_client
own = redis.Redis.from_url(os.environ["REDIS_URL"])
own.lpush("queue:17", "not shown 1")
own.client_list()
own.publish("news", "not shown 2")
own.config_get("maxmemory")
leased = redis_client()
leased.incr("visits:b")
leased.get("visits:b")
assert leased.hset("carts:1", "a", "not shown 3") == 1
leased.delete("carts:1")
sys.exit(int(sys.argv[1]))
"""


#: Works until it is stopped.
WORKER = """
import signal
from app_integration import redis_client
redis_client().hset("carts:2", "a", "1")
print("works", flush=True)
signal.pause()
"""


def start_recording(local: LocalDeployment, *command: str) -> subprocess.Popen[str]:
    root = str(local.layout.root)
    own = ("redis-rules", "record", "--service", "counter", "--root", root, "--", *command)
    return subprocess.Popen(
        [sys.executable, "-m", "console", *own],
        env={**os.environ, "STRONGROOM_DECLARATION": str(local.layout.root.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def record(local: LocalDeployment, *command: str) -> subprocess.CompletedProcess[str]:
    with start_recording(local, *command) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def test_recording_of_a_worker_ends_when_it_is_stopped(local: LocalDeployment) -> None:
    with start_recording(local, sys.executable, "-c", WORKER) as process:
        assert process.stdout
        assert process.stdout.readline() == "works\n"
        process.terminate()
        printed = process.stdout.read()
        assert process.wait(60) == 143
    assert "~carts:*" in printed


def test_recorded_rules_are_what_the_command_used_beside_the_declared_ones(
    local: LocalDeployment,
) -> None:
    done = record(local, sys.executable, "-c", PROGRAM, "3")
    assert done.returncode == 3, done.stderr
    printed = YAML(typ="safe").load(done.stdout)["redis"]["roles"]["default"]
    assert printed == {
        "ttl": "1h",
        "max_ttl": "24h",
        "rules": [
            *ROLE["rules"],
            *("~carts:*", "~queue:*", "&news", "+client|list", "+client|setinfo", "+publish"),
        ],
    }
    assert "+config|get" in done.stderr
    assert "not shown" not in done.stdout + done.stderr


def test_recording_without_a_declared_role_says_to_declare_one(local: LocalDeployment) -> None:
    folder = local.layout.root.parent
    files = [folder / "services" / "counter.yaml", folder / "environments" / "dev.yaml"]
    declared = [each.read_text() for each in files]
    files[0].write_text(json.dumps(SERVICE))
    files[1].write_text(json.dumps({**ENVIRONMENT, "services": {"counter": {}}}))
    try:
        done = record(local, sys.executable, "-c", "")
    finally:
        for path, text in zip(files, declared, strict=True):
            path.write_text(text)
    assert done.returncode == 0, done.stderr
    assert "counter declares no Redis role default, so redis_client() is denied" in done.stderr


def test_role_has_its_rules_again_after_a_recording(local: LocalDeployment) -> None:
    assert record(local, sys.executable, "-c", PROGRAM, "0").returncode == 0
    assert record(local, "no-such-program").returncode == 1
    default_client.configure(local.service("counter").settings())
    try:
        with pytest.raises(NoPermissionError):
            redis_client().hset("carts:1", "a", "1")
    finally:
        default_client.close()
    with Redis.from_url(local.service("counter").access.redis.url().reveal()) as admin:
        unlimited = [line.split()[1] for line in admin.acl_list() if "+@all" in line]
    assert unlimited == ["default"]


@pytest.mark.usefixtures("counter")
def test_application_counts_after_a_restart_of_redis(local: LocalDeployment) -> None:
    assert isinstance(local.servers, EmbeddedRuntime)
    redis = redis_client()
    redis.incr("visits:a")
    local.servers.processes.stop("redis")
    local.up(no_progress)
    assert redis.incr("visits:a") > 1
