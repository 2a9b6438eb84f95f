"""The store's rollout: two colours behind nginx, switched under load, and back on a trigger."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest

from agent.targets.host import Host
from agent.targets.settings import target_settings
from agent.targets.systemd import build
from app_integration.names import Environment, Scope
from app_integration.testing.ports import free_ports
from local.processes import binaries
from tests.support.polling import wait_until
from tests.support.processes import slow_store
from tests.support.processes.running_store import ROOT, Person, RunningStore
from tests.support.processes.unit_runner import UNITS
from tests.support.servers.deployment import Deployment
from tests.support.servers.prometheus_server import prometheus_server, query

pytestmark = [
    pytest.mark.requires("embedded"),
    pytest.mark.requires("prometheus"),
    pytest.mark.requires("nginx"),
    pytest.mark.alone,
]

EXAMPLE: Final = ROOT / "examples/gaara_store/rollout"
SCOPE: Final = Scope("gaara-store", Environment.DEV)
COLOURS: Final = ("blue", "green")
THREADS: Final = 3
#: What a slow version adds to a request, in means of the colour that serves. So it is far above the
#: limit on a machine of any speed.
SLOWER: Final = 10
#: Cores that other tests use make a process slower by chance, so that the limit is wide.
RULES: Final = """
silence: 10s
services:
  gaara-store:
    triggers:
      secret_failures: {enabled: false}
      latency: {percent: 400, minimum: 30}
"""


class Machine:
    """Folder in place of the file system of a machine with both colours, and its nginx."""

    def __init__(self, folder: Path, deployment: Deployment) -> None:
        self.folder = folder
        self.log = folder / "rollout.log"
        self.port, *ports = free_ports(3)
        self.ports = dict(zip(COLOURS, ports, strict=True))
        (folder / "usr/bin").mkdir(parents=True)
        (folder / "usr/bin/bao").symlink_to(binaries.openbao_path())
        (folder / "run").mkdir()
        drop_in = folder / UNITS / "gaara-store-.service.d/credential.conf"
        drop_in.parent.mkdir(parents=True)
        shutil.copy(EXAMPLE / "credential.conf", drop_in)
        for colour in COLOURS:
            credentials = deployment.layout.service_credentials / SCOPE.colour(colour)
            shutil.copytree(credentials, folder / "etc/strongroom" / f"gaara-store-{colour}")
            self.install(deployment, colour, "examples.gaara_store")
        self._write_nginx()

    def install(self, deployment: Deployment, colour: str, module: str, *variables: str) -> None:
        """Install the units of a colour, whose version is *module*, as the how-to says."""
        port = f"STRONGROOM_STORE_PORT={self.ports[colour]}"
        command = ("/usr/bin/env", port, *variables, sys.executable, "-m", module)
        declaration = deployment.local.declaration
        settings = replace(target_settings(declaration, SCOPE), colour=colour)
        etc = self.folder / "etc/strongroom" / f"gaara-store-{colour}"
        for name, text in build(settings, Host(ROOT, command)).items():
            place = self.folder / UNITS if name.endswith(".service") else etc
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            moved = text.replace("/etc/strongroom", f"{self.folder}/etc/strongroom")
            path.write_text(text if name.endswith(".service") else moved.replace(
                "/run/", f"{self.folder}/run/"
            ))  # fmt: skip

    def systemctl(self, action: str, *colours: str) -> None:
        """Start or stop the agents and applications of colours."""
        names = [
            name
            for colour in colours
            for name in (f"strongroom-gaara-store-{colour}-agent", f"gaara-store-{colour}")
        ]
        subprocess.run([*self.runner.split(), action, *names], cwd=ROOT, check=True)

    @property
    def runner(self) -> str:
        """Return the command in place of ``systemctl``."""
        return f"{sys.executable} -m tests.support.processes.unit_runner {self.folder}"

    def store(self, port: int | None = None) -> RunningStore:
        """Return the store behind nginx, or the one at *port*."""
        return RunningStore({}, port or self.port, self.folder / "store.log")

    def roll_out(
        self, prometheus: str, colour: str, watch_for: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the script that switches to *colour*."""
        variables = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "ENVIRONMENT": "dev",
            "PROMETHEUS": prometheus,
            "COLOUR_FILE": str(self.folder / "nginx/colour.conf"),
            "BLUE_PORT": str(self.ports["blue"]),
            "GREEN_PORT": str(self.ports["green"]),
            "SYSTEMCTL": self.runner,
            "NGINX_COMMAND": self.nginx,
            "WATCH_FOR": watch_for,
            "INTERVAL": "1s",
        }
        rules = self.folder / "rollout.yaml"
        rules.write_text(RULES)
        return subprocess.run(
            [EXAMPLE / "rollout.sh", colour, "--rules", rules],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    @property
    def nginx(self) -> str:
        """Return the command of this machine's nginx."""
        return f"nginx -p {self.folder}/nginx -c nginx.conf -e {self.folder}/nginx/error.log"

    @contextmanager
    def running_nginx(self) -> Iterator[None]:
        """Run nginx, which sends requests to blue at first."""
        process = subprocess.Popen([*self.nginx.split(), "-g", "daemon off;"])
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)

    def _write_nginx(self) -> None:
        folder = self.folder / "nginx"
        folder.mkdir()
        text = (EXAMPLE / "nginx.conf").read_text()
        paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        own = "".join(f"  {name}_temp_path {folder}/{name};\n" for name in paths)
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        text = text.replace("worker_shutdown_timeout 30s", "worker_shutdown_timeout 2s")
        text = text.replace("http {\n", f"http {{\n  access_log off;\n{own}")
        (folder / "nginx.conf").write_text(f"pid {folder}/pid;\n{text}")
        (folder / "colour.conf").write_text(f"# blue\nserver 127.0.0.1:{self.ports['blue']};\n")


@dataclass
class Load:
    """Customers who register, log in, order and read their data."""

    store: RunningStore
    failed: list[str] = field(default_factory=list)
    succeeded: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve the load until the block ends."""
        threads = [threading.Thread(target=self._run) for _ in range(THREADS)]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self.stop.set()
            for each in threads:
                each.join(30)

    def _run(self) -> None:
        name = f"user-{secrets.token_hex(4)}"
        person = Person(name, "sand-and-more-sand", f"{name}@suna.example", "+81 3 1", "Suna")
        token = ""
        for count in itertools.count():
            if self.stop.wait(0.02):
                return
            try:
                if count == 0:
                    self.store.register(person)
                if count % 100 == 0:
                    token = self.store.login(person)
                order = {"item": "a gourd", "quantity": "1"}
                answer = (
                    self.store.request("POST", "/orders", token=token, body=order)
                    if count % 10 == 5
                    else self.store.me(token)
                )
                assert answer.status_code in {200, 201}, answer.text
                self.succeeded += 1
            except Exception as error:  # noqa: BLE001 - the test reports it
                self.failed.append(f"{time.time():.1f} {error!r}")


@pytest.fixture
def machine(deployment: Deployment, tmp_path: Path) -> Iterator[Machine]:
    """Yield a machine on which blue serves."""
    if shutil.which("nginx") is None:
        pytest.skip("needs nginx")
    machine = Machine(tmp_path, deployment)
    with ExitStack() as stack:
        stack.callback(machine.systemctl, "stop", *COLOURS)
        machine.systemctl("start", "blue")
        direct = machine.store(machine.ports["blue"])
        wait_until(lambda: is_healthy(direct), f"blue, which printed {logs(machine)}")
        stack.enter_context(machine.running_nginx())
        yield machine


def is_healthy(store: RunningStore) -> bool:
    try:
        return bool(store.health()["status"] == "ok")
    except OSError:
        return False


def mean_latency(prometheus: str, colour: str) -> float:
    """Return the mean duration of a request to a colour, in seconds."""
    metric, target = "http_server_request_duration_seconds", f'{{colour="{colour}"}}'
    (found,) = query(prometheus, f"sum({metric}_sum{target}) / sum({metric}_count{target})")
    _, value = found["value"]
    return float(value)


def logs(machine: Machine) -> str:
    return "\n".join(path.read_text() for path in machine.folder.glob("*.log"))


def test_colours_are_switched_forward_and_back_without_a_failed_request(
    machine: Machine, deployment: Deployment
) -> None:
    targets = {
        f"127.0.0.1:{port}": {
            "service": "gaara-store",
            "environment": str(SCOPE.environment),
            "colour": colour,
        }
        for colour, port in machine.ports.items()
    }
    load = Load(machine.store())
    prometheus = machine.folder / "prometheus"
    prometheus.mkdir()
    with prometheus_server(prometheus, targets, up=1) as address, load.running():
        forward = machine.roll_out(address, "green", "3s")
        assert forward.returncode == 0, f"{forward.stdout}\n{logs(machine)}"
        assert forward.stdout.endswith("green serves, and blue is stopped\n")
        assert not is_healthy(machine.store(machine.ports["blue"]))

        delay = f"{slow_store.DELAY}={SLOWER * mean_latency(address, 'green')}"
        machine.install(deployment, "blue", slow_store.__name__, delay)
        # Ends with the trigger, which needs some requests, however long they take.
        back = machine.roll_out(address, "blue", "3m")
        assert back.returncode == 2, f"{back.stdout}\n{logs(machine)}"
        assert re.search(r"\nblue does not go on: latency: blue .* limit \+400 %", back.stdout)
        assert back.stdout.endswith("requests go to green\n")
        assert is_healthy(machine.store(machine.ports["green"]))
    assert (load.failed, load.succeeded > 100) == ([], True)
    for colour in COLOURS:
        role = SCOPE.colour(colour)
        assert deployment.audit_lines("database/creds/gaara-store-dev", role)
        assert deployment.audit_lines("secret/data/gaara-store/dev/jwt-secret", role)
    files = [(machine.folder / f"run/gaara-store-{each}/app.yaml").stat() for each in COLOURS]
    assert files[0].st_ino != files[1].st_ino
