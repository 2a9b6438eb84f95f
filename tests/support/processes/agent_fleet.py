"""Services on a real server, each with the files of its unit, and one supervisor that runs them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil

from agent.auto_auth import AppRoleAutoAuth
from agent.compiler.template_compiler import compile_text
from agent.compiler.template_context import TemplateContext
from agent.config_file import AgentSettings, render_agent_config
from agent.supervisor.delivered_file import DeliveredFile
from agent.supervisor.run_settings import RunSettings
from agent.supervisor.unit_state import UnitState, read_state
from app_integration.config.confirmation import Health
from app_integration.config.delivery_status import Status, read_status
from app_integration.config.reload import Reload
from app_integration.names import Environment, Scope
from app_integration.settings import Settings
from local.processes import binaries
from policies.render import starter_policy
from tests.support.polling import wait_until
from tests.support.servers.audited_server import AuditedServer

ROOT = Path(__file__).parents[3]
WRAP_TTL = 120  # seconds
WITHIN, SETTLE = 3.0, 0.3  # seconds of a trial
PATIENCE = 120.0  # seconds, because twenty agents start on a busy machine
#: A model without Pydantic, whose import would take most of the time of a delivery.
MODELS = """
class Config:
    @classmethod
    def model_validate(cls, document):
        if len(document["key"]) < 4:
            raise ValueError("the key is too short")
"""
TEMPLATE = 'key: {{ secret("key") }}\n'
_RENEWAL = 'path "auth/token/renew-self" { capabilities = ["update"] }'


@dataclass
class ServiceUnit:
    """A service with a config of one key, and the files of its unit in ``<fleet>/units/<name>``."""

    server: AuditedServer
    fleet: Path
    scope: Scope
    source: str = TEMPLATE
    generation: str = ""
    address: str = ""
    reload: Reload = field(default_factory=Reload)
    health: str | None = None

    def __post_init__(self) -> None:
        self.address = self.address or self.server.address

    @property
    def folder(self) -> Path:
        return self.fleet / "units" / self.scope.service

    @property
    def credentials(self) -> Path:
        return self.fleet / "credentials" / self.scope.service

    @property
    def delivery(self) -> DeliveredFile:
        config = self.fleet / "config" / self.scope.service
        template = self.folder / "app.ctmpl"
        return DeliveredFile(
            template,
            config / "staging" / "app.yaml",
            config / "app.yaml",
            "models:Config",
            self.reload,
            Health(self.health, WITHIN, SETTLE, is_needed_before=True),
        )

    @property
    def state(self) -> UnitState | None:
        return read_state(self.folder)

    @property
    def status(self) -> Status | None:
        """Return the status of the delivery, once the unit runs on its current files."""
        state = self.state
        if state is None or state.generation != self.generation:
            return None
        return read_status(self.delivery.live)

    def agent_pid(self) -> int:
        state = self.state
        assert state is not None
        assert state.pid is not None
        return state.pid

    def has_delivered(self, value: str) -> bool:
        if self.status is None or not self.status.state.is_live or not self.delivery.live.exists():
            return False
        return self.delivery.live.read_text(encoding="utf-8").startswith(f'key: "{value}"\n')

    def put(self, value: str) -> None:
        path = f"secret/data/{self.scope.secret('key')}"
        self.server.root.post(path, {"data": {"value": value}})

    def register(self) -> None:
        """Create the roles of the service and of its starter, and write their credentials."""
        self.credentials.mkdir(mode=0o700, parents=True)
        reading = f'path "secret/data/{self.scope.service}/*" {{ capabilities = ["read"] }}'
        self._register(str(self.scope), reading)
        self._register(self.scope.starter, starter_policy(self.scope, WRAP_TTL))
        role = f"auth/approle/role/{self.scope.starter}"
        secret_id = self.server.root.post(f"{role}/secret-id", retry=False)["data"]["secret_id"]
        self.starter_secret_id.write_text(secret_id, encoding="utf-8")

    def _register(self, name: str, policy: str) -> None:
        root = self.server.root
        root.post(f"sys/policies/acl/{name}", {"policy": policy + _RENEWAL})
        role = {"token_policies": name, "token_no_default_policy": True, "token_period": "1h"}
        root.post(f"auth/approle/role/{name}", role)
        role_id = root.get(f"auth/approle/role/{name}/role-id")["data"]["role_id"]
        (self.credentials / f"{name}.role-id").write_text(role_id, encoding="utf-8")

    @property
    def starter_secret_id(self) -> Path:
        return self.credentials / "starter.secret-id"

    def write(self) -> None:
        """Write the unit's files, ``run.json`` last."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        compiled = compile_text(
            self.source,
            "app.yaml.j2",
            TemplateContext(scope=self.scope, secrets=["key"], settings={}),
        )
        texts = {self.delivery.template: compiled.text, self._agent_config: self._agent_hcl()}
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        texts[self.starter_secret_id] = self.starter_secret_id.read_text(encoding="utf-8")
        self.generation = sha256("\0".join(texts.values()).encode()).hexdigest()
        (self.folder / "run.json").write_text(self._run_settings().to_json(), encoding="utf-8")

    @property
    def _agent_config(self) -> Path:
        return self.folder / "agent.hcl"

    def _agent_hcl(self) -> str:
        role_id = self.credentials / f"{self.scope}.role-id"
        settings = AgentSettings(
            scope=self.scope,
            vault_addr=self.address,
            login=AppRoleAutoAuth(role_id, self.folder / "secret-id"),
            files=(self.delivery.rendered,),
            render_interval=1,
            retries=1,
        )
        return render_agent_config(settings)

    def _run_settings(self) -> RunSettings:
        return RunSettings(
            starter=Settings(
                scope=self.scope,
                vault_addr=self.address,
                role_id_file=self.credentials / f"{self.scope.starter}.role-id",
                secret_id_file=self.starter_secret_id,
            ),
            wrap_ttl=WRAP_TTL,
            program=binaries.openbao_path(),
            agent_config=self._agent_config,
            secret_id_file=self.folder / "secret-id",
            python=Path(sys.executable),
            working_directory=self.fleet / "work",
            deliveries=(self.delivery,),
            generation=self.generation,
        )


@dataclass
class AgentFleet:
    """A folder of units and the supervisor that runs them."""

    server: AuditedServer
    folder: Path
    units: dict[str, ServiceUnit] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.units_folder.mkdir(mode=0o700)
        (self.folder / "work").mkdir()
        (self.folder / "work" / "app_integration").symlink_to(ROOT / "app_integration")
        (self.folder / "work" / "models.py").write_text(MODELS, encoding="utf-8")

    @property
    def units_folder(self) -> Path:
        return self.folder / "units"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def add(self, name: str, value: str) -> ServiceUnit:
        unit = ServiceUnit(self.server, self.folder, Scope(name, Environment.DEV))
        unit.register()
        unit.put(value)
        unit.write()
        self.units[name] = unit
        return unit

    def start(self) -> None:
        command = [sys.executable, "-m", "agent.supervisor", "--agents", str(self.units_folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)

    def events(self, kind: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log.splitlines() if line.startswith('{"time"')]
        return [event for event in found if event["event"] == kind]

    def agents(self) -> list[psutil.Process]:
        """Return the agents of these units that run, whoever their parent is."""
        found = psutil.process_iter(["cmdline"])
        mark = f"-config={self.units_folder}/"
        return [
            each for each in found if any(w.startswith(mark) for w in each.info["cmdline"] or ())
        ]

    def check(self) -> tuple[int, list[str]]:
        command = [sys.executable, "-m", "agent.supervisor", "--check", str(self.units_folder)]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return run.returncode, run.stdout.splitlines()


@contextmanager
def agent_fleet(server: AuditedServer, folder: Path) -> Iterator[AgentFleet]:
    """Yield a fleet without units whose supervisor is not started; stop it afterwards."""
    fleet = AgentFleet(server, folder)
    try:
        yield fleet
    finally:
        if fleet.process is not None and fleet.process.poll() is None:
            fleet.stop()


def wait_until_delivered(units: Iterable[ServiceUnit], value: str) -> None:
    wait_until(lambda: all(unit.has_delivered(value) for unit in units), "the deliveries", PATIENCE)
