"""Database users on AWS, which leases none: the URL in a secret is followed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Engine

from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from local.ports import HOST
from local.servers.accounts import DatabaseAccounts
from tests.support.databases.store_postgres import store_postgres
from tests.support.servers import secret_backends
from tests.support.servers.moto_server import set_identity
from tests.support.servers.secret_backends import AwsBackend, AwsSite

pytestmark = pytest.mark.requires("embedded")

USERS: Final = ("parcels_app_a", "parcels_app_b")


@pytest.fixture
def backend(
    aws_site: AwsSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsBackend]:
    set_identity(monkeypatch)
    with secret_backends.aws(aws_site, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseAccounts]:
    store = Scope("parcels", Environment.STAGING)
    with store_postgres(tmp_path_factory.mktemp("postgres"), store) as running:
        running.ensure_users(USERS)
        yield running


def rotate(accounts: DatabaseAccounts, backend: AwsBackend, user: str, password: str) -> None:
    """Give *user* another password, and write the URL as a rotation does."""
    accounts.set_password(user, Secret(password))
    where = f"{HOST}:{accounts.superuser.port}/{accounts.roles.database}"
    backend.put("database-url", f"postgresql+psycopg://{user}:{password}@{where}")


def current_user(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SELECT session_user").scalar())


def test_engine_without_leases_follows_the_secret(
    accounts: DatabaseAccounts, backend: AwsBackend
) -> None:
    rotate(accounts, backend, USERS[0], "first-password")
    engine = backend.client.databases.engine(None, None)
    assert current_user(engine) == USERS[0]
    rotate(accounts, backend, USERS[1], "second-password")
    assert current_user(engine) == USERS[0]
    backend.advance(300.0)
    engine.dispose()
    assert current_user(engine) == USERS[1]


def test_engine_whose_password_was_rotated_reads_the_secret_again(
    accounts: DatabaseAccounts, backend: AwsBackend
) -> None:
    rotate(accounts, backend, USERS[0], "third-password")
    engine = backend.client.databases.engine(None, None)
    assert current_user(engine) == USERS[0]
    rotate(accounts, backend, USERS[0], "fourth-password")
    engine.dispose()
    assert current_user(engine) == USERS[0]


def test_engine_follows_the_password_that_rds_keeps_under_an_arn(
    accounts: DatabaseAccounts, backend: AwsBackend, aws_site: AwsSite
) -> None:
    def write(password: str) -> str:
        accounts.set_password(USERS[0], Secret(password))
        text = json.dumps({"username": USERS[0], "password": password})
        try:
            written = backend.operator.put_secret_value(SecretId=name, SecretString=text)
        except backend.operator.exceptions.ResourceNotFoundException:
            written = backend.operator.create_secret(Name=name, SecretString=text)
        return str(written["ARN"])

    name = f"rds!db-{backend.scope.service}"
    settings = replace(backend.client.settings, secret_arns={"db": write("fifth-password")})
    client = Client(settings, aws=aws_site.connection)
    where = f"{HOST}:{accounts.superuser.port}/{accounts.roles.database}"
    engine = client.databases.create("engine", f"postgresql+psycopg://{where}", {}, secret="db")
    assert current_user(engine) == USERS[0]
    write("sixth-password")
    engine.dispose()
    assert current_user(engine) == USERS[0]
    engine.dispose()


def test_engine_of_a_role_is_rejected(backend: AwsBackend) -> None:
    with pytest.raises(ConfigurationError, match="AWS leases no users"):
        backend.client.databases.engine("reports", None)
