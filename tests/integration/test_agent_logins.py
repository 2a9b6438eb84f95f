"""Tests of the real agent's logins with a JWT, a service-account token and a certificate."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.auto_auth import AppRoleAutoAuth, auto_auth_from_declaration
from agent.compiler.template_compiler import compile_text
from agent.compiler.template_context import TemplateContext
from agent.config_file import AgentSettings, render_agent_config
from agent.supervisor.delivered_file import DeliveredFile
from agent.supervisor.run_settings import RunSettings
from app_integration.secret import Secret
from app_integration.settings import Settings
from app_integration.testing.ports import free_ports
from local.deployment import LocalDeployment
from local.layout import Layout
from local.ports import Ports
from local.processes import binaries
from local.runtime_interface import no_progress
from tests.support.models.declared import SCOPE, apply_declared, declare
from tests.support.polling import wait_until
from tests.support.servers.audited_server import AuditedServer, audited_server
from tests.support.servers.issuer import Authority, Provider, Signer, public
from tests.support.servers.local_server import serve, write_certificate
from vault.declare import load
from vault.declare.declaration import Declaration
from vault.reconcile.resources.kv import write_value

pytestmark = pytest.mark.requires("embedded")

ROOT = Path(__file__).parents[2]
MODELS = "from pydantic import BaseModel\n\nclass Config(BaseModel):\n    token: str\n"
TEMPLATE = 'token: {{ secret("token") }}\n'
CI = Signer("https://ci.example.com")
SHORT = 3  # explicit max TTL of a token, in seconds
PATIENCE = 40.0  # seconds


@dataclass
class Running:
    """Running agent and its supervisor, in *folder*."""

    folder: Path

    @property
    def live(self) -> Path:
        return self.folder / "live" / "app.yaml"

    def has_delivered(self, value: str) -> bool:
        return self.live.exists() and value in self.live.read_text()

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith('{"time"')]
        return [event for event in found if event["event"] == kind]


@contextmanager
def running_agent(server: AuditedServer, declared: Declaration, folder: Path) -> Iterator[Running]:
    """Run the agent of the service, as *declared*, without a secret-id."""
    agent = Running(folder)
    for name in ("live", "staging", "work"):
        (folder / name).mkdir(parents=True, mode=0o700)
    (folder / "work" / "models.py").write_text(MODELS)
    compiled = compile_text(
        TEMPLATE, "app.yaml.j2", TemplateContext(scope=SCOPE, secrets=["token"], settings={})
    )
    (folder / "app.ctmpl").write_text(compiled.file_text)
    configure(server, declared, agent)
    command = [sys.executable, "-m", "agent.supervisor", "--config", str(folder / "run.json")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield agent
    finally:
        process.terminate()
        process.wait(PATIENCE)


def configure(server: AuditedServer, declared: Declaration, agent: Running) -> None:
    """Write the configuration files of the agent and its supervisor."""
    folder = agent.folder
    staging = folder / "staging" / "app.yaml"
    delivery = DeliveredFile(folder / "app.ctmpl", staging, agent.live, "models:Config")
    approle = AppRoleAutoAuth(folder / "no-role-id", folder / "no-secret-id")
    settings = AgentSettings(
        scope=SCOPE,
        vault_addr=server.address,
        vault_cacert=server.cacert,
        login=auto_auth_from_declaration(declared.environment("dev").agent, approle, server.cacert),
        files=(delivery.rendered,),
        render_interval=1,
        retries=1,
    )
    (folder / "agent.hcl").write_text(render_agent_config(settings))
    run_settings = RunSettings(
        starter=Settings(SCOPE, server.address),
        wrap_ttl=120,
        program=binaries.openbao_path(),
        agent_config=folder / "agent.hcl",
        secret_id_file=approle.secret_id_file,
        python=Path(sys.executable),
        working_directory=folder / "work",
        deliveries=(delivery,),
    )
    (folder / "run.json").write_text(run_settings.to_json())


def value_of(server: AuditedServer) -> str:
    found: str = server.root.get(f"secret/data/{SCOPE.secret('token')}")["data"]["data"]["value"]
    return found


def limit_token_ttl(server: AuditedServer, role: str) -> None:
    """Limit the TTL of tokens of *role* to SHORT, even if they are renewed."""
    declared = server.root.get(role)["data"]
    server.root.post(role, {**declared, "token_explicit_max_ttl": SHORT})


class TestJwt:
    def declared(self, server: AuditedServer, folder: Path) -> Declaration:
        declared = declare(
            folder / "declared",
            pems={"ci.pem": public(CI.key)},
            auth={"jwt": {"issuer": CI.issuer, "keys": ["ci.pem"]}},
            login={"jwt": {"audience": "strongroom", "subject": "shop"}},
            agent={"render_interval": "5s", "login": "jwt", "token_file": str(folder / "jwt")},
        )
        apply_declared(server.root, declared)
        return declared

    def test_agent_logs_in_again_after_token_expiry_without_the_file(
        self, server: AuditedServer, tmp_path: Path
    ) -> None:
        declared = self.declared(server, tmp_path)
        limit_token_ttl(server, f"auth/jwt/role/{SCOPE}")
        (tmp_path / "jwt").write_text(CI.token(life=600.0))
        with running_agent(server, declared, tmp_path / "agent") as agent:
            wait_until(lambda: agent.has_delivered(value_of(server)), "a delivered file", PATIENCE)
            (tmp_path / "jwt").unlink()
            before = server.count("auth/jwt/login")
            wait_until(
                lambda: server.count("auth/jwt/login") > before + 1, "two more logins", PATIENCE
            )
            write_value(server.root, SCOPE.secret("token"), Secret("n" * 48))
            wait_until(lambda: agent.has_delivered("n" * 48), "a delivered change", PATIENCE)
            assert len(agent.events("agent_started")) == 1
            assert agent.events("start_failed") == []

    def test_agent_exits_on_a_rejected_token_and_starts_with_a_valid_one(
        self, server: AuditedServer, tmp_path: Path
    ) -> None:
        declared = self.declared(server, tmp_path)
        (tmp_path / "jwt").write_text(CI.token(sub="another"))
        with running_agent(server, declared, tmp_path / "agent") as agent:
            wait_until(lambda: agent.events("agent_ended") != [], "an agent that ended", PATIENCE)
            assert not agent.live.exists()
            (tmp_path / "jwt").write_text(CI.token())
            wait_until(lambda: agent.has_delivered(value_of(server)), "a delivered file", PATIENCE)


def test_pod_logs_in_with_its_own_token(server: AuditedServer, tmp_path: Path) -> None:
    pem = write_certificate(tmp_path / "cluster.pem")
    ca = "-----BEGIN CERT" + pem.read_text().split("-----BEGIN CERT")[1]
    with serve(Provider(), pem) as cluster:
        assert isinstance(cluster, Provider)
        claims: dict[str, Any] = {
            "kubernetes.io": {"namespace": "shops", "serviceaccount": {"name": "web", "uid": "u-1"}}
        }
        token = Signer("cluster").token(aud=["cluster"], **claims)
        cluster.accounts[token] = "shops:web"
        (tmp_path / "token").write_text(token)
        declared = declare(
            tmp_path / "declared",
            pems={"cluster.pem": ca},
            auth={"kubernetes": {"host": cluster.address, "ca": "cluster.pem"}},
            login={"kubernetes": {"namespaces": ["shops"], "service_accounts": ["web"]}},
            agent={
                "render_interval": "5s",
                "login": "kubernetes",
                "token_file": str(tmp_path / "token"),
            },
        )
        apply_declared(server.root, declared)
        with running_agent(server, declared, tmp_path / "agent") as agent:
            wait_until(lambda: agent.has_delivered(value_of(server)), "a delivered file", PATIENCE)
    # Without a reviewer's token, the server reviews the pod's token with that token itself.
    assert cluster.reviewers[-1] == f"Bearer {token}"


def test_machine_logs_in_with_its_certificate(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("shop.example.com", tmp_path)
    with audited_server(tmp_path, tls=True) as server:
        declared = declare(
            tmp_path / "declared",
            pems={"ca.pem": authority.pem},
            auth={"cert": {"ca": "ca.pem"}},
            login={"cert": {"names": ["shop.example.com"]}},
            agent={
                "render_interval": "5s",
                "login": "cert",
                "certificate_file": str(certificate),
                "key_file": str(key),
            },
        )
        apply_declared(server.root, declared)
        with running_agent(server, declared, tmp_path / "agent") as agent:
            wait_until(lambda: agent.has_delivered(value_of(server)), "a delivered file", PATIENCE)
        assert server.count("auth/cert/login") == 1


def test_agent_of_the_local_deployment_logs_in_as_declared(tmp_path: Path) -> None:
    declaration = tmp_path / "declare"
    shutil.copytree(load.ROOT / "services", declaration / "services")
    shutil.copytree(load.ROOT / "environments", declaration / "environments")
    (declaration / "environments/ci.pem").write_text(public(CI.key))
    dev = declaration / "environments/dev.yaml"
    agent, service = "\nagent:\n", "\n  gaara-store:\n"
    login = "    login: {approle: {}, jwt: {audience: strongroom, subject: shop}}\n"
    auth = f"\nauth:\n  jwt: {{issuer: {CI.issuer}, keys: [ci.pem]}}\n"
    method = f"  login: jwt\n  token_file: {tmp_path}/jwt\n"
    only_the_store, _, _ = dev.read_text().partition("  orders-mail:")
    text = only_the_store.replace(agent, f"{auth}{agent}{method}")
    dev.write_text(text.replace(service, service + login))
    (tmp_path / "jwt").write_text(CI.token(life=600.0))
    layout = Layout(tmp_path / ".strongroom")
    local = LocalDeployment(layout, Ports(*free_ports(6)), load.load(declaration))
    try:
        local.up(no_progress)
        assert local.layout.config("gaara-store").exists()
        assert not local.up(no_progress).has_changes
        log = layout.audit_logs[0].read_text().splitlines()
        assert any('"path":"auth/jwt/login"' in line for line in log)
    finally:
        local.started.reset()
