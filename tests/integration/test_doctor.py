"""Diagnosis of a service: each broken deployment is named at the first part that does not work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest
import redis
from rich.console import Console

from agent.supervisor.unit_state import RunState, read_state, write_state
from app_integration import settings
from app_integration.auth.from_settings import build_auth_method
from app_integration.diagnosis.check import Broken, Outcome, run
from app_integration.diagnosis.command import FAILS, main, show
from app_integration.diagnosis.leased_user import NeededUser
from app_integration.diagnosis.service import Needs, Service, checks
from app_integration.errors import ServerFault
from app_integration.testing.ports import free_ports
from console.commands.every_day.shown_deployment import show_use
from local.services.service_deployment import ServiceDeployment
from tests.support.databases.database import eventually
from tests.support.databases.redis_site import running_valkey
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment
from tests.support.servers.local_server import Server, serve, write_certificate
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.redis import RedisServer

pytestmark = pytest.mark.requires("embedded")

SECRETS = ("database-url", "jwt-secret", "redis-url", "smtp-password")
SMTP = "gaara-store/dev/smtp-password"
REDIS_URL = "secret/data/gaara-store/dev/redis-url"
DATABASE_URL = "secret/data/gaara-store/dev/database-url"
NEEDS = Needs(SECRETS, database=NeededUser(), redis=NeededUser())


@dataclass
class Scene:
    """A service's variables and needs, which a test breaks."""

    deployment: Deployment
    folder: Path
    stack: ExitStack
    variables: dict[str, str]
    needs: Needs = NEEDS
    ahead: timedelta = field(default_factory=timedelta)

    def serve(self, content: object, certificate: Path | None = None) -> str:
        """Start a server with this response, and return its address."""
        server = Server(content=json.dumps(content).encode())
        return self.stack.enter_context(serve(server, certificate)).address

    def diagnose(self) -> list[Outcome]:
        def now() -> datetime:
            return datetime.now(UTC) + self.ahead

        read = lambda: settings.from_environment(self.variables)  # noqa: E731 (a short one)
        return list(run(checks(read, self.needs, now)))

    def file(self, text: str, mode: int = 0o600) -> str:
        path = self.folder / "file"
        path.write_text(text)
        path.chmod(mode)
        return str(path)


@pytest.fixture
def scene(deployment: Deployment, tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(deployment, tmp_path, stack, deployment.variables)


def without_service(scene: Scene) -> None:
    del scene.variables["STRONGROOM_SERVICE"]


def wrong_address(scene: Scene) -> None:
    scene.variables["VAULT_ADDR"] = "ftp://127.0.0.1"


def no_credential(scene: Scene) -> None:
    del scene.variables["STRONGROOM_ROLE_ID_FILE"]


def nothing_listens(scene: Scene) -> None:
    scene.variables["VAULT_ADDR"] = f"http://127.0.0.1:{free_ports(1)[0]}"


def unknown_host(scene: Scene) -> None:
    scene.variables["VAULT_ADDR"] = "http://nowhere.invalid:8200"


def host_without_a_part(scene: Scene) -> None:
    scene.variables["VAULT_ADDR"] = "http://nowhere..invalid:8200"


def no_tls(scene: Scene) -> None:
    scene.variables["VAULT_ADDR"] = scene.variables["VAULT_ADDR"].replace("http:", "https:")


def unknown_authority(scene: Scene) -> None:
    certificate = write_certificate(scene.folder / "server.pem")
    scene.variables["VAULT_ADDR"] = scene.serve({}, certificate)


def other_name(scene: Scene) -> None:
    certificate = write_certificate(scene.folder / "server.pem")
    address = scene.serve({}, certificate).replace("127.0.0.1", "localhost")
    scene.variables |= {"VAULT_ADDR": address, "VAULT_CACERT": str(certificate)}


def authority_is_missing(scene: Scene) -> None:
    unknown_authority(scene)
    scene.variables["VAULT_CACERT"] = str(scene.folder / "missing.pem")


def another_server(scene: Scene) -> None:
    scene.variables["VAULT_ADDR"] = scene.serve("a page")


def late_clock(scene: Scene) -> None:
    scene.ahead = timedelta(minutes=-7)


def not_initialised(scene: Scene) -> None:
    status = {"initialized": False, "sealed": True, "version": "2.7.2"}
    scene.variables["VAULT_ADDR"] = scene.serve(status)


def sealed(scene: Scene) -> None:
    status = {"initialized": True, "sealed": True, "version": "2.7.2"}
    scene.variables["VAULT_ADDR"] = scene.serve(status)


def wrong_secret_id(scene: Scene) -> None:
    scene.variables["STRONGROOM_SECRET_ID_FILE"] = scene.file("a-wrong-secret-id")


def role_id_is_missing(scene: Scene) -> None:
    scene.variables["STRONGROOM_ROLE_ID_FILE"] = str(scene.folder / "missing")


def not_granted(scene: Scene) -> None:
    scene.needs = Needs(("never-declared",))


def no_value(scene: Scene) -> None:
    operator = scene.deployment.operator
    versions = operator.get(f"secret/metadata/{SMTP}")["data"]["current_version"]
    operator.delete(f"secret/data/{SMTP}")
    scene.stack.callback(operator.post, f"secret/undelete/{SMTP}", {"versions": [versions]})


def other_mount(scene: Scene) -> None:
    scene.variables["STRONGROOM_KV_MOUNT"] = "elsewhere"


def unknown_role(scene: Scene) -> None:
    scene.needs = Needs(database=NeededUser("reporting"))


def database_is_elsewhere(scene: Scene) -> None:
    port = scene.deployment.ports.database
    change(scene, "secret/data/gaara-store/dev/database-url", str(port), str(free_ports(1)[0]))


def declared_database_is_elsewhere(scene: Scene) -> None:
    url = f"postgresql+psycopg://127.0.0.1:{free_ports(1)[0]}/gaara_store"
    scene.variables["STRONGROOM_DATABASE_URL"] = url
    scene.needs = Needs(database=NeededUser())


def unknown_redis_role(scene: Scene) -> None:
    scene.needs = Needs(redis=NeededUser("reporting"))


def redis_is_elsewhere(scene: Scene) -> None:
    port = scene.deployment.ports.redis
    change(scene, REDIS_URL, f":{port}/0", f":{free_ports(1)[0]}/0")


def database_url_is_unreadable(scene: Scene) -> None:
    change(scene, DATABASE_URL, "@127.0.0.1:", "@part:@127.0.0.1:")


def declared_redis_is_elsewhere(scene: Scene) -> None:
    scene.variables["STRONGROOM_REDIS_URL"] = f"redis://127.0.0.1:{free_ports(1)[0]}/0"
    scene.needs = Needs(redis=NeededUser())


def no_redis_is_there(scene: Scene) -> None:
    port = scene.deployment.ports.redis
    change(scene, REDIS_URL, f":{port}/0", f":{scene.deployment.ports.vault}/0")


def redis_url_is_unreadable(scene: Scene) -> None:
    change(scene, REDIS_URL, "redis://", "no-scheme://")


def rules_deny_the_database(scene: Scene) -> None:
    port = scene.deployment.ports.redis
    change(scene, REDIS_URL, f":{port}/0", f":{port}/2")


def redis_forgets_users(scene: Scene) -> None:
    """Name another Redis than the one in which the server creates users."""
    running = scene.stack.enter_context(running_valkey(scene.folder))
    scene.variables["STRONGROOM_REDIS_URL"] = (
        f"redis://127.0.0.1:{urlsplit(running.url().reveal()).port}/0"
    )
    scene.needs = Needs(redis=NeededUser())


def manager_may_create_no_users(scene: Scene) -> None:
    access = scene.deployment.local.service("gaara-store").access
    with redis.Redis.from_url(access.redis.url().reveal()) as admin:
        admin.execute_command("ACL", "SETUSER", "gaara_store_manager", "-@all")
    scene.stack.callback(access.ensure_redis_manager)
    scene.needs = Needs(redis=NeededUser())


def leases_are_limited(scene: Scene) -> None:
    operator, quota = scene.deployment.operator, "sys/quotas/rate-limit/few-leases"
    scene.stack.callback(operator.delete, quota)
    operator.post(quota, {"path": "database", "rate": 0.001, "interval": "1h"})
    operator.get("database/creds/gaara-store-dev")  # the only request of the hour
    scene.needs = Needs(database=NeededUser())


def change(scene: Scene, path: str, old: str, new: str) -> None:
    """Replace a part of a secret's value until the test ends."""
    operator = scene.deployment.operator
    value = operator.get(path)["data"]["data"]["value"]
    operator.post(path, {"data": {"value": value.replace(old, new)}})
    scene.stack.callback(operator.post, path, {"data": {"value": value}})


def config_is_missing(scene: Scene) -> None:
    scene.variables["STRONGROOM_CONFIG"] = str(scene.folder / "missing.yaml")


def config_is_open_to_others(scene: Scene) -> None:
    scene.variables["STRONGROOM_CONFIG"] = scene.file("a: 1\n", 0o644)


BROKEN = {
    without_service: ("settings", "STRONGROOM_SERVICE"),
    wrong_address: ("settings", "VAULT_ADDR"),
    no_credential: ("settings", "STRONGROOM_ROLE_ID_FILE is not set"),
    nothing_listens: ("address", "accepts no connection"),
    unknown_host: ("address", "is unknown"),
    host_without_a_part: ("address", "is unknown"),
    no_tls: ("TLS", "does not speak TLS"),
    unknown_authority: ("TLS", "self-signed certificate"),
    other_name: ("TLS", "localhost"),
    authority_is_missing: ("TLS", "missing.pem cannot be read"),
    another_server: ("API", "is no Vault or OpenBao"),
    late_clock: ("clock", "s behind the server's"),
    not_initialised: ("seal", "not initialised"),
    sealed: ("seal", "is sealed"),
    wrong_secret_id: ("login", "was rejected"),
    role_id_is_missing: ("login", "STRONGROOM_ROLE_ID_FILE"),
    not_granted: ("secret never-declared", 'capabilities = ["read"]'),
    no_value: ("secret smtp-password", "deleted"),
    other_mount: ("secret database-url", "elsewhere/data/gaara-store/dev/database-url"),
    unknown_role: ("database", "database/creds/gaara-store-dev-reporting"),
    database_is_elsewhere: ("database", "is unreachable"),
    declared_database_is_elsewhere: ("database", "is unreachable (OperationalError)"),
    database_url_is_unreadable: ("database", "cannot be read; percent-encode"),
    unknown_redis_role: ("Redis", "database/creds/gaara-store-dev-redis-reporting"),
    redis_is_elsewhere: ("Redis", "is unreachable (ConnectionError)"),
    declared_redis_is_elsewhere: ("Redis", "is unreachable (ConnectionError)"),
    no_redis_is_there: ("Redis", "is unreachable (InvalidResponse)"),
    redis_url_is_unreadable: ("Redis", "cannot be read; percent-encode"),
    rules_deny_the_database: ("Redis", "(NoPermissionError)"),
    redis_forgets_users: ("Redis", "(AuthenticationError)"),
    manager_may_create_no_users: ("Redis", "database/creds/gaara-store-dev-redis: status 500"),
    leases_are_limited: ("database", "database/creds/gaara-store-dev: status 429"),
    config_is_missing: ("config", "missing.yaml cannot be read"),
    config_is_open_to_others: ("config", "chmod 0600"),
}
#: A part of the remedy, where one failure has another remedy than the next.
REMEDIES = {
    database_is_elsewhere: "check that the address in database-url is reachable from here",
    declared_database_is_elsewhere: "check that its declared address is reachable from here",
    unknown_redis_role: "strongroom plan --env dev, then strongroom apply --env dev",
    redis_is_elsewhere: "check that the address in redis-url is reachable from here",
    declared_redis_is_elsewhere: "check that its declared address is reachable from here",
    database_url_is_unreadable: "correct what the message names",
    redis_url_is_unreadable: "correct what the message names",
    rules_deny_the_database: "+select",
    redis_forgets_users: "its declared address leads to the Redis of the declaration",
    manager_may_create_no_users: "may create users there, with rules that Redis knows",
    leases_are_limited: "raise the quota that the server applies to users of the database",
}


@pytest.mark.parametrize("breakage", BROKEN, ids=lambda each: each.__name__)
def test_broken_deployment_is_named_at_the_first_wrong_part(
    scene: Scene, breakage: object, capsys: pytest.CaptureFixture[str]
) -> None:
    password = scene.deployment.operator.get(f"secret/data/{SMTP}")["data"]["data"]["value"]
    assert callable(breakage)
    breakage(scene)
    outcomes = scene.diagnose()
    name, words = BROKEN[breakage]
    assert [each.name for each in outcomes if each.remedy] == [outcomes[-1].name]
    assert (outcomes[-1].name, words in outcomes[-1].text) == (name, True), outcomes[-1]
    assert outcomes[-1].remedy
    assert REMEDIES.get(breakage, "") in outcomes[-1].remedy
    assert show(outcomes) == FAILS
    printed = capsys.readouterr().out
    assert f"FAILED {name}: " in printed
    assert password not in printed


def test_rejected_login_shows_reason_and_remedy_once(scene: Scene) -> None:
    wrong_secret_id(scene)
    outcome = scene.diagnose()[-1]
    assert outcome.text.count("invalid role or secret ID") == 1
    assert outcome.remedy is not None
    assert outcome.remedy.endswith(
        "or issue a new secret-id, on a local deployment with strongroom up"
    )
    assert outcome.remedy not in outcome.text


def test_server_that_cannot_log_a_login_leads_to_its_audit_logs(scene: Scene) -> None:
    read = settings.from_environment(scene.variables)
    full = Mock(get=Mock(side_effect=ServerFault("status 500: internal error")))
    with pytest.raises(Broken, match="internal error") as caught:
        Service(read, full, build_auth_method(read)).check_login()
    assert "whether a disk of its audit logs is full" in caught.value.remedy


def test_working_deployment_has_no_wrong_part(scene: Scene) -> None:
    outcomes = scene.diagnose()
    assert [each for each in outcomes if each.remedy] == []
    names = ["settings", "address", "TLS", "API", "clock", "seal", "login"]
    assert [each.name for each in outcomes] == [
        *names,
        *(f"secret {name}" for name in SECRETS),
        "database",
        "Redis",
        "config",
    ]
    assert outcomes[-3].text.startswith("v-approle-")
    assert outcomes[-2].text.startswith("V_APPROLE_GAARA-STORE-DEV-REDIS_")


def test_leased_redis_user_is_revoked_after_the_check(scene: Scene) -> None:
    scene.needs = Needs(redis=NeededUser())
    (*_, outcome, _config) = scene.diagnose()
    access = scene.deployment.local.service("gaara-store").access
    with redis.Redis.from_url(access.redis.url().reveal()) as admin:
        assert eventually(lambda: outcome.text not in admin.acl_users())


def test_check_of_an_application_leases_a_redis_user(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable, text in deployment.variables.items():
        monkeypatch.setenv(variable, text)
    assert main(["redis-url", "--redis"]) == 0
    printed = capsys.readouterr().out
    assert "ok     Redis: V_APPROLE_GAARA-STORE-DEV-REDIS_" in printed
    assert "database:" not in printed


def test_doctor_takes_the_needs_from_the_declaration(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in deployment.variables:
        monkeypatch.delenv(variable, raising=False)
    root = str(deployment.layout.root)
    for port, number in deployment.ports.by_name().items():
        monkeypatch.setenv(f"STRONGROOM_{port.upper()}_PORT", str(number))
    for service in ("gaara-store", "orders-mail"):
        arguments = ("doctor", "--service", service, "--env", "dev", "--root", root)
        assert run_command(monkeypatch, *arguments) == 0
    printed = capsys.readouterr().out
    assert "ok     secret jwt-secret: has a value" in printed
    assert printed.count("ok     database: v-approle-") == 2
    assert printed.count("ok     Redis: V_APPROLE_") == 1


def test_doctor_finds_that_the_agent_does_not_run(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for port, number in deployment.ports.by_name().items():
        monkeypatch.setenv(f"STRONGROOM_{port.upper()}_PORT", str(number))
    doctor = ("doctor", "--service", "gaara-store", "--env", "dev")
    root = ("--root", str(deployment.layout.root))
    assert run_command(monkeypatch, *doctor, *root) == 0
    assert "ok     agent: runs" in capsys.readouterr().out
    try:
        deployment.kill("agent")
        assert run_command(monkeypatch, *doctor, *root) == FAILS
    finally:
        deployment.revive()
    printed = capsys.readouterr().out
    assert "FAILED agent: it does not run" in printed
    assert "to do: strongroom up" in printed


def test_doctor_finds_that_the_agent_of_one_service_does_not_run(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for port, number in deployment.ports.by_name().items():
        monkeypatch.setenv(f"STRONGROOM_{port.upper()}_PORT", str(number))
    agent = deployment.local.service("gaara-store").agent
    assert agent is not None
    state = read_state(agent.folder)
    assert state is not None
    doctor = ("doctor", "--service", "gaara-store", "--env", "dev")
    root = ("--root", str(deployment.layout.root))
    try:
        reason = "the start failed: the server is sealed"
        write_state(agent.folder, replace(state, state=RunState.WAITING, pid=None, reason=reason))
        assert run_command(monkeypatch, *doctor, *root) == FAILS
    finally:
        write_state(agent.folder, state)
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        f"FAILED agent: it does not run, so no change of a secret is delivered: {reason}" in printed
    )
    assert f"its log is {deployment.layout.logs / 'agent.log'}" in printed


def test_show_names_doctor_if_a_declared_address_is_elsewhere(deployment: Deployment) -> None:
    access = deployment.local.service("gaara-store").access
    elsewhere = Endpoint("127.0.0.1", free_ports(1)[0])
    redis_server = RedisServer.model_validate({"address": str(elsewhere)})
    declaration = deployment.local.declaration.with_deployment(
        access.scope, database=elsewhere, redis=redis_server
    )
    without_urls = declaration.service("gaara-store").model_copy(update={"secrets": {}})
    declaration = replace(
        declaration, services={**declaration.services, "gaara-store": without_urls}
    )
    file = StringIO()
    service = ServiceDeployment(access, declaration, None)
    show_use(Console(file=file, width=500), deployment.local, service)
    problem = (
        "no connection to the declared address; to find out why: "
        "strongroom doctor --service gaara-store --env dev"
    )
    assert f"database_engine().connect()  →  {problem}" in file.getvalue()
    assert f"redis_client()  →  {problem}" in file.getvalue()


def test_show_asks_for_urls_that_cannot_be_read_without_showing_them(scene: Scene) -> None:
    change(scene, DATABASE_URL, "@127.0.0.1:", "@part:@127.0.0.1:")
    change(scene, REDIS_URL, "redis://", "part://")
    file = StringIO()
    service = scene.deployment.local.service("gaara-store")
    show_use(Console(file=file, width=500), scene.deployment.local, service)
    for call, secret in (
        ("database_engine().connect", "database-url"),
        ("redis_client", "redis-url"),
    ):
        problem = f"no connection; {secret} may contain another address than this deployment's"
        assert f"{call}()  →  {problem}: write it again" in file.getvalue()
    assert "part" not in file.getvalue()


def test_doctor_refuses_the_variables_of_another_service(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable, text in deployment.variables.items():
        monkeypatch.setenv(variable, text)
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")  # so that it is not the local server
    assert run_command(monkeypatch, "doctor", "--service", "orders-mail", "--env", "dev") == FAILS
    words = "these are the variables of gaara-store-dev, not of orders-mail-dev"
    assert words in " ".join(capsys.readouterr().out.split())
