"""Tests of the import and export of a hostile ``.env`` file with a real server and login."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from app_integration.auth.methods import AppRole
from app_integration.errors import AccessDenied, ConfigRejected
from app_integration.names import Environment, Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.observability.audit_sinks import FileSink
from app_integration.secret import Secret
from app_integration.session.session import Session
from policies.render import render_policies
from tests.support.servers.dev_server import dev_server
from tests.support.servers.dev_server import root as dev_server_root
from vault.declare import load
from vault.declare.declaration import Declaration
from vault.dotenv import import_, parse, swap
from vault.dotenv.choices import Choices
from vault.dotenv.declared_variables import declared_variables
from vault.dotenv.deployment_secrets import Provided
from vault.dotenv.export import Exported, export
from vault.dotenv.plan import ImportPlan, build_import_plan
from vault.dotenv.proof import ReadSecret, ValuesDiffer, service_reader
from vault.reconcile.credentials import ensure_credential
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.plan import make_plan as plan_resources
from vault.reconcile.planning.plan import read_state
from vault.reconcile.resources.ownership import Owner

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
#: Every construct that a .env file can contain, with CRLF line breaks and a byte order mark.
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
    """An exception that stands for a kill of the process."""


@pytest.fixture(scope="module")
def root() -> Iterator[Session]:
    with dev_server() as address, dev_server_root(address) as session:
        yield session


@dataclass
class Shop:
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
        self.read: ReadSecret = service_reader(self.service, self.scope, audit)

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
        declared = declared_variables(self.declaration(), self.scope)
        return build_import_plan(parse.read(self.env), declared, choices)

    def target(self) -> import_.ImportTarget:
        path = self.folder / "services" / f"{self.scope.service}.yaml"
        return import_.ImportTarget(
            path,
            self.root,
            self.apply,
            self.read,
            Owner(Environment.DEV),
            partial(load.check, template_root=self.folder),
        )

    def run(self, say: Callable[[str], None] | None = None) -> bool:
        self.lines.clear()
        return import_.run(self.plan(), self.target(), say or self.lines.append)

    def finish(self) -> bool:
        declared = declared_variables(self.declaration(), self.scope)
        return swap.finish(self.env, declared, self.read, self.lines.append)

    def metadata(self, name: str) -> dict[str, Any]:
        path = f"secret/metadata/{self.scope.secret(name)}"
        data: dict[str, Any] = self.root.get(path)["data"]
        return data

    def write(self, name: str, value: str) -> None:
        self.root.post(f"secret/data/{self.scope.secret(name)}", {"data": {"value": value}})

    def stored(self) -> dict[str, str]:
        """Return the value of each secret of the service on the server."""
        folder = f"{self.scope.service}/{self.scope.environment}"
        return {
            name: self.root.get(f"secret/data/{folder}/{name}")["data"]["data"]["value"]
            for name in self.root.list(f"secret/metadata/{folder}")
        }


@pytest.fixture
def make_shop(root: Session, tmp_path: Path) -> Iterator[Callable[[str], Shop]]:
    """Yield a function that creates a service by name, so that tests share only the server."""
    built: list[Shop] = []

    def make(service: str) -> Shop:
        built.append(Shop(tmp_path / service, root, Scope(service, Environment.DEV)))
        return built[-1]

    yield make
    for shop in built:
        shop.service.close()


@pytest.fixture
def shop(make_shop: Callable[[str], Shop]) -> Shop:
    return make_shop(f"shop-{next(numbers)}")


def test_python_dotenv_reads_the_expected_values(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(ENV.encode())
    assert dotenv_values(tmp_path / ".env") == VALUES


def test_import_moves_secrets_and_keeps_settings(shop: Shop) -> None:
    assert shop.run()
    assert shop.stored() == {
        name.lower().replace("_", "-"): value
        for name, value in VALUES.items()
        if name.lower().replace("_", "-") in SECRETS
    }
    assert shop.env.read_bytes().decode() == SETTINGS_ONLY
    assert swap.backup_path(shop.env).read_bytes().decode() == ENV
    assert "hunter" not in "".join(shop.lines)
    assert "hunter" not in (shop.folder / ".env.example").read_text()


def test_import_extends_the_declaration_and_writes_metadata(shop: Shop) -> None:
    shop.run()
    declared = shop.declaration()
    assert set(declared.secrets(shop.scope)) == SECRETS
    assert declared.settings(shop.scope) == {
        "log-level": "debug",
        "smtp-from": "The Shop\n<shop@example.com>",
        "port": 8080,
        "retries": "007",
    }
    tags = {
        "managed_by": "strongroom",
        "deployment": "strongroom",
        "owner": "shop-team",
        "environment": "dev",
    }
    assert shop.metadata("magic")["custom_metadata"] == tags
    assert shop.metadata("database-url")["custom_metadata"] == {**tags, "rotate_every": "30d"}


def test_import_overwrites_a_generated_value(shop: Shop) -> None:
    assert shop.metadata("jwt-secret")["current_version"] == 1
    shop.run()
    assert shop.metadata("jwt-secret")["current_version"] == 2
    assert shop.read("jwt-secret") == VALUES["JWT_SECRET"]


def test_config_that_is_not_delivered_keeps_the_file(shop: Shop) -> None:
    def fail() -> None:
        assert shop.stored().keys() == SECRETS
        raise ConfigRejected("a field is missing")

    with pytest.raises(ConfigRejected, match="a field is missing"):
        import_.run(shop.plan(), replace(shop.target(), deliver=fail), shop.lines.append)
    assert shop.env.read_bytes() == ENV.encode()
    assert not swap.backup_path(shop.env).exists()


def test_second_import_changes_nothing_and_reports_it(shop: Shop) -> None:
    shop.run()
    before = shop.stored(), [shop.metadata(name) for name in sorted(SECRETS)]
    assert not shop.run()
    expected = f"nothing to do: all secrets in {shop.env} are already imported"
    assert shop.lines[-1] == expected
    assert (shop.stored(), [shop.metadata(name) for name in sorted(SECRETS)]) == before
    assert shop.apply() == 0


def test_skipped_and_mapped_names_are_imported_and_finished(shop: Shop) -> None:
    shop.env.write_text("apiKey=hunter2\nSAML2_IDP_x509=hunter3\n2fa-pin='hunter4'\npageSize=20\n")
    choices = Choices(secrets=frozenset({"SAML2_IDP_x509"}), skipped=frozenset({"2fa-pin"}))
    for is_first in (True, False):
        declared = declared_variables(shop.declaration(), shop.scope)
        file = parse.read(shop.env)
        known = choices if is_first else Choices(skipped=choices.skipped)
        plan = build_import_plan(file, declared, known)
        assert import_.run(plan, shop.target(), shop.lines.append) is is_first
        assert shop.env.read_text() == "2fa-pin='hunter4'\npageSize=20\n"
    assert shop.read("api-key") == "hunter2"
    assert shop.read("saml2-idp-x509") == "hunter3"
    assert "note: 2fa-pin was skipped: it stays in the file and is not declared" in shop.lines
    assert shop.declaration().settings(shop.scope)["page-size"] == 20
    assert "hunter" not in (shop.folder / ".env.example").read_text()
    assert shop.finish()
    assert not swap.backup_path(shop.env).exists()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_replaced_url_comes_back_in_the_scheme_of_the_file(shop: Shop, scheme: str) -> None:
    own, rest = "postgresql+psycopg://shop:pw@127.0.0.1:15432/shop", "shop:pw@127.0.0.1:15432/shop"
    provided = Provided({"database-url": Secret(own), "smtp-password": Secret("own")})
    shop.write("database-url", own)
    shop.write("smtp-password", "own")
    url = f"{scheme}://ada:hunter2@db.example.com/shop"
    shop.env.write_text(f"DATABASE_URL={url}\nSMTP_PASSWORD=hunter3\n")
    plan = build_import_plan(
        parse.read(shop.env), declared_variables(shop.declaration(), shop.scope), provided=provided
    )
    assert import_.run(plan, shop.target(), shop.lines.append)
    assert shop.read("database-url") == f"{scheme}://{rest}"
    assert shop.read("smtp-password") == "own"
    assert "pw@" not in "".join(shop.lines)
    exported(shop, shop.folder / "back.env")
    assert dotenv_values(shop.folder / "back.env")["DATABASE_URL"] == f"{scheme}://{rest}"


def test_import_does_not_write_an_equal_value_again(shop: Shop) -> None:
    shop.write("smtp-password", VALUES["SMTP_PASSWORD"])
    shop.run()
    assert "smtp-password: the server already has this value, version 1" in shop.lines
    assert shop.metadata("smtp-password")["current_version"] == 1


def test_import_restores_a_deleted_secret(shop: Shop) -> None:
    shop.root.delete(f"secret/data/{shop.scope.secret('jwt-secret')}")
    shop.run()
    assert shop.read("jwt-secret") == VALUES["JWT_SECRET"]


def test_file_is_unchanged_if_the_service_reads_another_value(shop: Shop) -> None:
    def overwriting() -> int:
        shop.write("smtp-password", "hunter3")
        return shop.apply()

    target = replace(shop.target(), apply=overwriting)
    with pytest.raises(ValuesDiffer) as caught:
        import_.run(shop.plan(), target, shop.lines.append)
    assert str(caught.value) == (
        "the server's value differs from the file's for smtp-password; "
        f"{shop.env} is unchanged; run the import again"
    )
    assert shop.env.read_bytes().decode() == ENV
    assert not swap.backup_path(shop.env).exists()


def test_file_is_unchanged_if_the_service_may_not_read(shop: Shop) -> None:
    target = replace(shop.target(), apply=lambda: 0)
    with pytest.raises(AccessDenied):
        import_.run(shop.plan(), target, shop.lines.append)
    assert shop.env.read_bytes().decode() == ENV


def test_kill_after_any_step_is_completed_by_the_next_import(
    make_shop: Callable[[str], Shop],
) -> None:
    steps = 0
    while steps < 100:
        shop = make_shop(f"killed-{steps}")
        left = iter(range(steps))

        def say(_line: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Killed

        try:
            shop.run(say)
        except Killed:
            assert shop.env.read_bytes().decode() in {ENV, SETTINGS_ONLY}
            if shop.env.read_bytes().decode() == SETTINGS_ONLY:
                assert swap.backup_path(shop.env).read_bytes().decode() == ENV
        else:
            break
        shop.run()
        assert shop.env.read_bytes().decode() == SETTINGS_ONLY
        assert {name: shop.read(name) for name in SECRETS} == shop.stored()
        assert shop.metadata("magic")["current_version"] == 1
        steps += 1
    assert 10 < steps < 100


def test_finish_deletes_the_backup_only_after_verification(shop: Shop) -> None:
    shop.run()
    shop.write("magic", "changed")
    with pytest.raises(ValuesDiffer, match="for magic; "):
        shop.finish()
    assert swap.backup_path(shop.env).exists()
    shop.write("magic", VALUES["MAGIC"])
    assert shop.finish()
    assert not swap.backup_path(shop.env).exists()
    assert not shop.finish()


def exported(shop: Shop, path: Path) -> tuple[Exported, list[dict[str, Any]]]:
    records: list[dict[str, Any]] = []
    audit = AuditLog(shop.scope, lambda line: records.append(json.loads(line)))
    done = export(
        shop.declaration(),
        shop.scope,
        read=shop.read,
        audit=audit,
        path=path,
        reason="the new release can't start",
    )
    return done, records


def test_export_has_the_values_of_the_original_file(shop: Shop) -> None:
    shop.run()
    done, records = exported(shop, shop.folder / "back.env")
    assert dotenv_values(done.path) == VALUES
    assert done.missing == ()
    assert [record["reason"] for record in records] == ["the new release can't start"]


def test_import_of_an_export_changes_no_value(shop: Shop) -> None:
    shop.run()
    shop.finish()
    exported(shop, shop.folder / "back.env")
    before = shop.stored()
    shop.env = (shop.folder / "back.env").rename(shop.folder / "again.env")
    assert shop.run()
    assert shop.stored() == before
    assert shop.metadata("magic")["current_version"] == 1
