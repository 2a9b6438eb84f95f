"""Deployment of `docker-compose.yml`: the same as the embedded one, in confined containers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from rich.console import Console

from app_integration.config.loader import load_config
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.testing.ports import free_ports
from console.commands.start.adoption import Adoption
from console.compose_init import ROOT as INSIDE
from console.target.checkout import DECLARATION, Checkout
from console.target.target import open_target
from examples.gaara_store.config import StoreConfig
from examples.gaara_store.keys import KEYS_LOST
from local.deployment import LocalDeployment
from local.deployment_setup import DeploymentSetup, UpResult
from local.docker.compose import LABEL, TITLES, sort_by_dependency
from local.docker.engine import open_engine
from local.docker.init_container import ComposeInit
from local.layout import Layout
from local.ports import Ports, setting
from local.runtime_interface import StartFailed, no_progress
from local.runtimes.container_runtime import ContainerRuntime
from local.runtimes.embedded_runtime import EmbeddedRuntime
from local.runtimes.runtime_choice import ContainersOf, select_runtime
from local.taken_ports import check_free
from tests.support.polling import wait_until
from tests.support.processes.adoption_worker import NAME
from tests.support.processes.running_store import ROOT, Person, RunningStore
from tests.support.servers.compose_stack import Stack, find_in_image
from tests.support.servers.deployment import require_images
from vault.adoption.database_user import DatabaseRefused, connect
from vault.declare.load import load
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.resources.static_roles import parse_database_url

pytestmark = [pytest.mark.requires("docker"), pytest.mark.timeout(600)]

SERVICE = "gaara-store"
GAARA = Person(
    "gaara", "sand-and-more-sand", "gaara@suna.example", "+81 3 1234 5678", "1 Dune Road"
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start the deployment with plain `docker compose up --wait`."""
    require_images()
    layout = Layout(tmp_path_factory.mktemp("containers") / ".strongroom")
    local = LocalDeployment(layout, Ports(*free_ports(6)), load(), ContainersOf(ROOT))
    stack = Stack(local)
    try:
        for done in (stack.build(), stack.compose("up", "--wait")):
            assert done.returncode == 0, done.stderr
        yield stack
    finally:
        stack.compose("down", "--volumes")


@pytest.fixture(scope="module")
def joined(stack: Stack) -> UpResult:
    """Return the changes that `make vault-up RUNTIME=docker` makes after that start."""
    return stack.local.up(no_progress)


@pytest.fixture(scope="module")
def store(stack: Stack) -> RunningStore:
    """Return the store in its container, with GAARA as a customer."""
    running = RunningStore({}, stack.local.ports.store, Path(os.devnull))
    running.register(GAARA)
    return running


@pytest.fixture(scope="module")
def secrets(stack: Stack, joined: UpResult, store: RunningStore) -> dict[str, str]:
    """Return every secret value in use, by a description."""
    del joined
    layout = stack.local.layout
    files = [
        *(each for each in layout.passwords.rglob("*") if each.is_file()),
        *layout.root.glob("*credentials/*/secret-id"),
    ]
    found = {str(path.relative_to(layout.root)): path.read_text().strip() for path in files}
    config = load_config(StoreConfig, layout.config(SERVICE))
    found["signing secret"] = config.jwt.secret.get_secret_value()
    found["login token"] = store.login(GAARA)
    assert len(found) >= 10
    return found


def test_up_after_plain_compose_changes_nothing(joined: UpResult) -> None:
    assert joined.started == ()
    assert joined.plan.changes == ()
    assert joined.issued == ()
    assert joined.plan.unchanged > 20


def test_customer_registers_logs_in_and_reads_their_own_data(store: RunningStore) -> None:
    response = store.me(store.login(GAARA))
    assert response.json() == {"id": response.json()["id"], "username": "gaara", **GAARA.private}
    assert store.health()["status"] == "ok"


@pytest.mark.usefixtures("joined", "store")
def test_two_audit_logs_contain_the_same_requests(stack: Stack) -> None:
    stack.servers.copy("vault/audit")
    first, second = (
        [line["request"]["id"] for line in map(json.loads, log.read_text().splitlines())]
        for log in stack.local.layout.audit_logs
    )
    assert len(first) > 50
    # Skip the first lines, because the second log is opened after the first one's test entry.
    assert set(first[10:60]) <= set(second)


@pytest.mark.usefixtures("joined")
def test_files_copied_to_the_host_are_private(stack: Stack) -> None:
    root = stack.local.layout.root
    assert root.stat().st_mode & 0o777 == 0o700
    assert [path for path in root.rglob("*") if path.stat().st_mode & 0o077] == []


def test_every_container_is_confined(stack: Stack) -> None:
    containers = stack.inspect()
    assert set(containers) == {*TITLES, "network", "prepare", "apply"}
    for name, container in containers.items():
        host = container["HostConfig"]
        confined = {
            "user": container["Config"]["User"],
            "read only": host["ReadonlyRootfs"],
            "privileged": host["Privileged"],
            "dropped": host["CapDrop"],
            "added": host["CapAdd"],
            "options": host["SecurityOpt"],
            "core": [each for each in host["Ulimits"] if each["Name"] == "core"],
        }
        assert confined == {
            "user": "10001:10001",
            "read only": True,
            "privileged": False,
            "dropped": ["ALL"],
            "added": None,
            "options": ["no-new-privileges:true"],
            "core": [{"Name": "core", "Hard": 0, "Soft": 0}],
        }, name


def test_kernel_confirms_the_confinement(stack: Stack) -> None:
    for name in TITLES:
        status = Path("/proc", str(stack.inspect()[name]["State"]["Pid"]), "status")
        if not status.exists():
            pytest.skip("the engine's processes are not this machine's")
        fields = dict(re.findall(r"^(\w+):\t(.*)$", status.read_text(), re.MULTILINE))
        assert fields["Uid"].split() == ["10001"] * 4, name
        assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0, name
        assert fields["NoNewPrivs"] == "1", name


def test_ports_are_published_on_the_loopback_address_only(stack: Stack) -> None:
    bindings = stack.inspect()["network"]["HostConfig"]["PortBindings"]
    published = {each["HostIp"] for bound in bindings.values() for each in bound}
    assert published == {"127.0.0.1"}
    ports = stack.local.ports
    expected = {ports.vault, ports.database, ports.redis, ports.smtp, ports.store}
    assert {int(port.partition("/")[0]) for port in bindings} == expected


def test_output_of_the_engine_contains_no_secret(stack: Stack, secrets: dict[str, str]) -> None:
    texts = {
        "inspect": json.dumps(stack.inspect()),
        "images": json.dumps(stack.images()),
        "volumes": json.dumps(stack.volumes()),
        "config": stack.compose("config").stdout,
        "up": "".join(stack.output("up", "--wait")),
        "logs": "".join(stack.output("logs")),
    }
    assert "vault is unsealed" in texts["logs"]
    for what, text in texts.items():
        assert [name for name, value in secrets.items() if value in text] == [], what
        assert not re.search(r"Root Token|Unseal Key|\bs\.[A-Za-z0-9]{24}\b", text), what


def test_layers_of_the_project_image_contain_no_secret(secrets: dict[str, str]) -> None:
    found = find_in_image("strongroom:local", [*secrets.values(), "def get_secret("])
    assert found == {"def get_secret("}


def test_containers_mount_no_secrets_of_another(stack: Stack) -> None:
    seen = {
        name: {mount["Destination"] for mount in container["Mounts"]}
        for name, container in stack.inspect().items()
    }
    root, credentials = str(INSIDE), f"{INSIDE}/service-credentials"
    own, other = f"{credentials}/{SERVICE}-dev", f"{credentials}/orders-mail-dev"
    configs = {f"{root}/config/{SERVICE}", f"{root}/config/orders-mail"}
    assert seen["network"] == set()
    assert seen["vault"] == {f"{root}/vault"}
    assert seen["database"] == {f"{root}/postgres"}
    assert seen["redis"] - {"/data"} == {f"{root}/redis"}
    assert seen["smtp"] == {f"{root}/smtp"}
    every = {f"{root}/agent", f"{root}/config", credentials, own, other}
    assert seen["agent"] == every | configs
    assert seen["store"] == {f"{root}/config/{SERVICE}", own}
    assert seen["worker"] == {f"{root}/config/orders-mail", other}


def test_variables_of_the_store_equal_those_of_the_embedded_deployment(stack: Stack) -> None:
    ports = stack.local.ports
    composed = DeploymentSetup(Layout(INSIDE), ports, load(), ComposeInit).service(SERVICE)
    variables = dict(line.split("=", 1) for line in stack.inspect()["store"]["Config"]["Env"])
    # The container's log gets its access records, so that there is no file for them.
    expected = composed.variables()
    del expected["STRONGROOM_AUDIT_FILE"]
    assert {name: variables[name] for name in expected} == expected
    assert variables["STRONGROOM_STORE_HOST"] == "0.0.0.0"  # noqa: S104 (in its own network)


def test_up_of_named_services_is_refused(stack: Stack) -> None:
    with pytest.raises(ConfigurationError, match="run up without the names of services"):
        stack.local.up(no_progress, [SERVICE])


def test_status_lists_each_container(stack: Stack) -> None:
    statuses = stack.local.started.status()
    assert {status.name for status in statuses if status.running} == set(TITLES)
    assert all(status.pid and status.since for status in statuses)


@pytest.mark.usefixtures("joined")
def test_secret_is_adopted_rotated_and_restored(
    stack: Stack, store: RunningStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("services", "environments"):
        shutil.copytree(Checkout().repository.declaration / part, tmp_path / part)
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    for name, port in stack.local.ports.by_name().items():
        monkeypatch.setenv(setting(name), str(port))
    root = stack.local.layout.root
    adoption, first = (
        Adoption(open_target(root=root), SERVICE, Console(quiet=True)),
        delivered_url(stack),
    )
    adoption.adopt(NAME, yes=True)
    adopted = delivered_url(stack)
    adoption.rotate(NAME)
    rotated = delivered_url(stack)
    assert [can_log_in(url) for url in (first, adopted, rotated)] == [False, False, True]
    assert stack.compose("restart", "store").returncode == 0
    wait_until(lambda: is_serving(store), "the store's return")
    adoption.undo(NAME)
    assert can_log_in(delivered_url(stack))
    with stack.local.operator() as operator:
        found = build_plan(
            operator, stack.local.desired(stack.local.inputs()), Prune(Environment.DEV)
        )
    assert found.changes == ()
    assert stack.local.up(no_progress).plan.changes == ()
    assert can_log_in(delivered_url(stack))


def test_store_after_a_restart_of_the_server_reports_lost_keys(
    stack: Stack, store: RunningStore
) -> None:
    assert stack.compose("restart", "vault").returncode == 0
    wait_until(lambda: reports_lost_keys(store), "the message about the lost keys")
    assert is_healthy(stack, "store"), "otherwise up would fail after a minute"

    again = stack.local.up(no_progress)
    assert again.plan.changes == ()  # because the service `apply` has applied them
    assert again.has_lost_data
    assert again.has_changes
    assert reports_lost_keys(store)
    assert stack.compose("restart", "store").returncode == 0  # to empty its key cache
    wait_until(lambda: reports_lost_keys(store), "the store's return")
    # Retry, because the new server's signing secret may be delivered between the two requests.
    wait_until(
        lambda: error_message(store.me(store.login(GAARA))) == KEYS_LOST,
        "the message to a customer",
    )
    assert store.me(store.login(GAARA)).status_code == 503


def test_down_removes_containers_volumes_and_copies(stack: Stack) -> None:
    """Run last, because it removes the stack."""
    assert set(stack.local.started.down(no_progress)) == set(TITLES)
    assert stack.inspect() == {}
    assert not stack.volumes()
    assert not stack.local.layout.credentials.exists()
    assert stack.local.started.down(no_progress) == ()


def delivered_url(stack: Stack) -> Secret:
    """Return the database URL in the file that the agent delivered."""
    stack.servers.copy("config")
    content = yaml.safe_load(stack.local.layout.config(SERVICE).read_text())
    return Secret(content["database"]["url"])


def can_log_in(url: Secret) -> bool:
    try:
        with connect(parse_database_url(url, NAME)) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except DatabaseRefused:
        return False


def is_healthy(stack: Stack, service: str) -> bool:
    """Return whether the health check of *service* succeeds now, run as the engine runs it."""
    _, *command = stack.inspect()[service]["Config"]["Healthcheck"]["Test"]
    return stack.compose("exec", "-T", service, *command).returncode == 0


def error_message(response: Any) -> str:
    text: str = response.json().get("message", "")
    return text


def is_serving(store: RunningStore) -> bool:
    """Return whether every part of the store works."""
    try:
        return bool(store.health()["status"] == "ok")
    except requests.ConnectionError:
        return False


def reports_lost_keys(store: RunningStore) -> bool:
    """Return whether `/health` is a 503 with the message about lost keys."""
    try:
        response = store.request("GET", "/health")
    except requests.ConnectionError:
        return False
    return response.status_code == 503 and error_message(response) == KEYS_LOST


def test_sort_by_dependency_puts_causes_first() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    places = sort_by_dependency(services)
    assert sort_by_dependency(["store", "apply", "agent", "vault"]) == [
        "vault",
        "apply",
        "agent",
        "store",
    ]
    for name, service in services.items():
        for needed in service.get("depends_on", {}):
            assert places.index(needed) < places.index(name)


def check_refused(folder: Path, **variables: str) -> str:
    """Run ``up``, which must name the embedded runtime, and return its error."""
    done = subprocess.run(
        [sys.executable, "-m", "console", "up", "--root", str(folder / ".strongroom")],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "STRONGROOM_RUNTIME": "docker", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "STRONGROOM_RUNTIME=embedded strongroom up" in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_up_without_an_engine_names_the_embedded_runtime(tmp_path: Path) -> None:
    check_refused(tmp_path, HOME=str(tmp_path), DOCKER_HOST=f"unix://{tmp_path}/no.sock")
    # The advice works only if the failed command has not recorded its runtime.
    assert select_runtime(Layout(tmp_path / ".strongroom"), {}) is EmbeddedRuntime


def test_failed_start_shows_the_log_and_frees_the_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_images()
    monkeypatch.setenv("REDIS_IMAGE", "openbao/openbao:2.7.2")  # it has no valkey-server
    layout, ports = Layout(tmp_path / ".strongroom"), Ports(*free_ports(6))
    local = LocalDeployment(layout, ports, load(), ContainersOf(ROOT))
    try:
        with pytest.raises(StartFailed, match=r"redis: exit code \d+; see the end of its log:\n\S"):
            local.up(no_progress)
        check_free(ports)
    finally:
        Stack(local).compose("down", "--volumes")


@pytest.mark.usefixtures("stack")  # because the test needs a container engine
def test_up_without_an_image_is_an_error_and_starts_nothing(tmp_path: Path) -> None:
    ports = {setting(name): str(port) for name, port in Ports(*free_ports(6)).by_name().items()}
    image = {"STRONGROOM_RUNTIME": "docker", "VAULT_IMAGE": "registry.invalid/openbao:1"}
    error = check_refused(tmp_path, **{**os.environ, **ports, **image})
    assert "an image is not available" in error


def test_image_is_the_same_for_each_deployment_of_the_code(tmp_path: Path) -> None:
    require_images()
    found = set()
    for name in ("one", "two"):
        layout = Layout(tmp_path / name / ".strongroom")
        project = ContainerRuntime(layout, Ports(), (), ROOT).project
        project.ensure_images(project.file())
        with open_engine() as engine:
            found.add(engine.images.get("strongroom:local").id)
    assert len(found) == 1


def test_containers_of_another_clone_with_the_same_name_are_not_changed(tmp_path: Path) -> None:
    require_images()
    layout, ports = Layout(tmp_path / ".strongroom"), Ports(*free_ports(6))
    local = LocalDeployment(layout, ports, load(), ContainersOf(ROOT))
    stack = Stack(local)
    labels = {
        f"{LABEL}.project": stack.servers.project.name,
        f"{LABEL}.project.working_dir": str(tmp_path / "another-clone"),
        f"{LABEL}.service": "vault",
    }
    with open_engine() as engine:
        theirs = engine.containers.create("strongroom:local", "true", labels=labels)
        try:
            for act in (local.servers.start, local.servers.stop):
                with pytest.raises(ConfigurationError, match=r"were started from .*another-clone"):
                    act()
            assert set(stack.inspect()) == {"vault"}
        finally:
            theirs.remove()


def test_chosen_runtime_is_the_one_the_deployment_was_started_on(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert select_runtime(layout, {}) is EmbeddedRuntime
    layout.runtime.write_text("docker")
    assert select_runtime(layout, {}) == ContainersOf(None)
    with pytest.raises(ConfigurationError, match="with STRONGROOM_RUNTIME=docker; erase it"):
        select_runtime(layout, {"STRONGROOM_RUNTIME": "embedded"})
    with pytest.raises(ConfigurationError, match="expected one of docker, embedded"):
        select_runtime(layout, {"STRONGROOM_RUNTIME": "podman"})
