"""A hostile ``.env`` file moved to a real server and back, under the service's real credentials."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from app_integration.auth.methods import AppRole, StaticToken
from app_integration.errors import AccessDenied
from app_integration.names import Environment, Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.observability.audit_sinks import FileSink
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from policies.render import render_policies
from vault.declare import load
from vault.declare.declaration import Declaration
from vault.dotenv import import_, parse, swap
from vault.dotenv.export import Exported, export
from vault.dotenv.plan import Choices, ImportPlan, make_plan
from vault.dotenv.proof import Read, ValuesDiffer, service_reader
from vault.reconcile.credentials import ensure_credential
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.plan import make_plan as plan_resources
from vault.reconcile.planning.plan import read_state
from vault.runtime.processes import binaries

pytestmark = pytest.mark.requires("embedded")

SERVICE = """\
service: {service}
owner: shop-team
description: A shop.

secrets:
  database-url: {{source: given, rotate_every: 30d}}
  jwt-secret: {{source: generated, length: 48}}  # drawn before the import

# What is no secret.
settings:
  log-level: {{type: text, default: debug}}
"""
DEV = """\
environment: dev
owner: platform-team
tokens: {{period: 1h, secret_id_ttl: 90d, wrap_ttl: 2m}}
agent: {{render_interval: 5s}}
services:
  {service}: {{}}
"""
#: Each thing that a .env file can hold, with CRLF line breaks and a byte order mark.
ENV = """\
\ufeff# The shop, as it was for years
export DATABASE_URL=postgresql+psycopg://shop:pa%2Fss@127.0.0.1:5432/shop  # primary
LOG_LEVEL = debug
# SMTP_PASSWORD=hunter0

SMTP_PASSWORD='hunter1'
SMTP_PASSWORD='it\\'s "hunter2" #\\\\'
SMTP_FROM="The Shop\\n<shop@example.com>"
PORT=8080
JWT_SECRET="line one
line two	with a tab
${LOG_LEVEL}"
MAILER_URL=smtp://shop:${SMTP_PASSWORD}@mail.example.com
MAGIC=\u00fc\u2028 \U0001f511 $dollar ${open
EMPTY_TOKEN=
'RETRIES'=007
""".replace("\n", "\r\n")
VALUES = {
    "DATABASE_URL": "postgresql+psycopg://shop:pa%2Fss@127.0.0.1:5432/shop",
    "LOG_LEVEL": "debug",
    "SMTP_PASSWORD": 'it\'s "hunter2" #\\',
    "SMTP_FROM": "The Shop\n<shop@example.com>",
    "PORT": "8080",
    "JWT_SECRET": "line one\nline two\twith a tab\ndebug",
    "MAILER_URL": 'smtp://shop:it\'s "hunter2" #\\@mail.example.com',
    "MAGIC": "\u00fc\u2028 \U0001f511 $dollar ${open",
    "EMPTY_TOKEN": "",
    "RETRIES": "007",
}
SECRETS = {"database-url", "smtp-password", "jwt-secret", "mailer-url", "magic", "empty-token"}
SETTINGS_ONLY = """\
# The shop, as it was for years
LOG_LEVEL = debug
SMTP_FROM="The Shop\\n<shop@example.com>"
PORT=8080
'RETRIES'=007
""".replace("\n", "\r\n")

numbers = itertools.count()


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A development server of its own, spoken to as root."""
    home = tmp_path_factory.mktemp("bao")
    address = f"127.0.0.1:{free_ports(2)[0]}"
    options = ("-dev", "-dev-no-store-token", f"-dev-listen-address={address}")
    with (
        (home / "log").open("w") as log,
        subprocess.Popen(
            [binaries.openbao_path(), "server", *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=home,
            env={"HOME": str(home)},
        ) as server,
    ):
        try:
            yield Session(f"http://{address}", StaticToken(Secret(printed_token(server))))
        finally:
            server.terminate()


def printed_token(server: subprocess.Popen[str]) -> str:
    """The root token, which a development server prints when it is ready."""
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith("Root Token: "):
            return line.split()[-1]
    raise AssertionError("the server ended before it was ready")


@dataclass
class House:
    """One service with its declaration, its credentials and its ``.env`` file."""

    folder: Path
    root: Session
    scope: Scope
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for part, text in (("services", SERVICE), ("environments", DEV)):
            (self.folder / part).mkdir(parents=True)
            stem = self.scope.service if part == "services" else "dev"
            content = text.format(service=self.scope.service)
            (self.folder / part / f"{stem}.yaml").write_text(content)
        self.env = self.folder / ".env"
        self.env.write_bytes(ENV.encode())
        self.apply()
        ensure_credential(self.root, str(self.scope), self.folder / "credential")
        credential = self.folder / "credential"
        login = AppRole(credential / "role-id", credential / "secret-id")
        self.service = Session(self.root._addresses[0], login)
        audit = AuditLog(self.scope, FileSink(self.folder / "audit.log"))
        self.read: Read = service_reader(self.service, self.scope, audit)

    def declaration(self) -> Declaration:
        return load.load(self.folder, template_root=self.folder)

    def apply(self) -> int:
        declared = self.declaration()
        policies = render_policies(declared, self.scope.environment)
        resources = desired_resources(declared, self.scope.environment, policies, Inputs())
        plan = plan_resources(resources, read_state(self.root, resources))
        apply(self.root, plan, lambda _: None)
        return len(plan.changes)

    def plan(self) -> ImportPlan:
        choices = Choices(secrets=frozenset({"MAGIC"} & dotenv_values(self.env).keys()))
        return make_plan(parse.read(self.env), self.declaration(), self.scope, choices)

    def deployment(self) -> import_.ImportTarget:
        path = self.folder / "services" / f"{self.scope.service}.yaml"
        return import_.ImportTarget(path, self.root, self.apply, self.read, self.folder)

    def run(self, say: Callable[[str], None] | None = None) -> bool:
        self.lines.clear()
        return import_.run(self.plan(), self.deployment(), say or self.lines.append)

    def finish(self) -> bool:
        return swap.finish(self.env, self.declaration(), self.scope, self.read, self.lines.append)

    def metadata(self, name: str) -> dict[str, Any]:
        path = f"secret/metadata/{self.scope.secret(name)}"
        data: dict[str, Any] = self.root.get(path)["data"]
        return data

    def write(self, name: str, value: str) -> None:
        self.root.post(f"secret/data/{self.scope.secret(name)}", {"data": {"value": value}})

    def stored(self) -> dict[str, str]:
        """Every secret of the service on the server."""
        folder = f"{self.scope.service}/{self.scope.environment}"
        return {
            name: self.root.get(f"secret/data/{folder}/{name}")["data"]["data"]["value"]
            for name in self.root.list(f"secret/metadata/{folder}")
        }


@pytest.fixture
def build(root: Session, tmp_path: Path) -> Iterator[Callable[[str], House]]:
    """Makes a house for a service of that name, so that tests share nothing but the server."""
    built: list[House] = []

    def make(service: str) -> House:
        built.append(House(tmp_path / service, root, Scope(service, Environment.DEV)))
        return built[-1]

    yield make
    for house in built:
        house.service.close()


@pytest.fixture
def house(build: Callable[[str], House]) -> House:
    return build(f"shop-{next(numbers)}")


def test_the_file_is_what_python_dotenv_says_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(ENV.encode())
    assert dotenv_values(tmp_path / ".env") == VALUES


def test_an_import_moves_the_secrets_and_leaves_the_settings(house: House) -> None:
    assert house.run()
    assert house.stored() == {
        name.lower().replace("_", "-"): value
        for name, value in VALUES.items()
        if name.lower().replace("_", "-") in SECRETS
    }
    assert house.env.read_bytes().decode() == SETTINGS_ONLY
    assert swap.kept_path(house.env).read_bytes().decode() == ENV
    assert "hunter" not in "".join(house.lines)
    assert "hunter" not in (house.folder / ".env.example").read_text()


def test_an_import_extends_the_declaration_and_tags_what_it_writes(house: House) -> None:
    house.run()
    declared = house.declaration()
    assert set(declared.secrets(house.scope)) == SECRETS
    assert declared.settings(house.scope) == {
        "log-level": "debug",
        "smtp-from": "The Shop\n<shop@example.com>",
        "port": 8080,
        "retries": "007",
    }
    tags = {"managed_by": "strongroom", "owner": "shop-team", "environment": "dev"}
    assert house.metadata("magic")["custom_metadata"] == tags
    assert house.metadata("database-url")["custom_metadata"] == {**tags, "rotate_every": "30d"}


def test_an_imported_value_takes_over_from_a_generated_one(house: House) -> None:
    assert house.metadata("jwt-secret")["current_version"] == 1
    house.run()
    assert house.metadata("jwt-secret")["current_version"] == 2
    assert house.read("jwt-secret") == VALUES["JWT_SECRET"]


def test_a_second_import_changes_nothing_and_says_so(house: House) -> None:
    house.run()
    before = house.stored(), [house.metadata(name) for name in sorted(SECRETS)]
    assert not house.run()
    assert house.lines[-1] == f"nothing to do: {house.env} holds no secret that isn't imported"
    assert (house.stored(), [house.metadata(name) for name in sorted(SECRETS)]) == before
    assert house.apply() == 0


def test_a_value_that_the_server_has_is_not_written_again(house: House) -> None:
    house.write("smtp-password", VALUES["SMTP_PASSWORD"])
    house.run()
    assert "smtp-password: the server has it already, version 1" in house.lines
    assert house.metadata("smtp-password")["current_version"] == 1


def test_a_deleted_secret_gets_the_files_value(house: House) -> None:
    house.root.delete(f"secret/data/{house.scope.secret('jwt-secret')}")
    house.run()
    assert house.read("jwt-secret") == VALUES["JWT_SECRET"]


def test_the_file_is_untouched_when_the_service_reads_something_else(house: House) -> None:
    def overwriting() -> int:
        house.write("smtp-password", "hunter3")
        return house.apply()

    deployment = replace(house.deployment(), apply=overwriting)
    with pytest.raises(ValuesDiffer) as caught:
        import_.run(house.plan(), deployment, house.lines.append)
    assert str(caught.value) == (
        "the server's value is not the file's for smtp-password; "
        f"{house.env} is as it was; run the import again"
    )
    assert house.env.read_bytes().decode() == ENV
    assert not swap.kept_path(house.env).exists()


def test_the_file_is_untouched_when_the_service_may_not_read(house: House) -> None:
    deployment = replace(house.deployment(), apply=lambda: 0)
    with pytest.raises(AccessDenied):
        import_.run(house.plan(), deployment, house.lines.append)
    assert house.env.read_bytes().decode() == ENV


def test_killed_after_any_step_an_import_is_completed_by_the_next(
    build: Callable[[str], House],
) -> None:
    steps = 0
    while steps < 100:
        house = build(f"killed-{steps}")
        left = iter(range(steps))

        def say(_line: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Killed

        try:
            house.run(say)
        except Killed:
            assert house.env.read_bytes().decode() in {ENV, SETTINGS_ONLY}
            if house.env.read_bytes().decode() == SETTINGS_ONLY:
                assert swap.kept_path(house.env).read_bytes().decode() == ENV
        else:
            break
        house.run()
        assert house.env.read_bytes().decode() == SETTINGS_ONLY
        assert {name: house.read(name) for name in SECRETS} == house.stored()
        assert house.metadata("magic")["current_version"] == 1
        steps += 1
    assert 10 < steps < 100


def test_finish_deletes_the_old_file_and_only_with_proof(house: House) -> None:
    house.run()
    house.write("magic", "changed")
    with pytest.raises(ValuesDiffer, match="for magic; "):
        house.finish()
    assert swap.kept_path(house.env).exists()
    house.write("magic", VALUES["MAGIC"])
    assert house.finish()
    assert not swap.kept_path(house.env).exists()
    assert not house.finish()


def exported(house: House, path: Path) -> tuple[Exported, list[dict[str, Any]]]:
    records: list[dict[str, Any]] = []
    audit = AuditLog(house.scope, lambda line: records.append(json.loads(line)))
    done = export(
        house.declaration(),
        house.scope,
        read=house.read,
        audit=audit,
        path=path,
        reason="the new release can't start",
    )
    return done, records


def test_an_export_gives_the_application_what_it_had_before(house: House) -> None:
    house.run()
    done, records = exported(house, house.folder / "back.env")
    assert dotenv_values(done.path) == VALUES
    assert done.missing == ()
    assert [record["reason"] for record in records] == ["the new release can't start"]


def test_an_export_can_be_imported_again_and_changes_no_value(house: House) -> None:
    house.run()
    house.finish()
    exported(house, house.folder / "back.env")
    before = house.stored()
    house.env = (house.folder / "back.env").rename(house.folder / "again.env")
    assert house.run()
    assert house.stored() == before
    assert house.metadata("magic")["current_version"] == 1
