"""Fixtures of the rotation function: PostgreSQL, the function, and a secret with two users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from app_integration.aws.connection import AwsConnection
from app_integration.names import Environment, Scope
from local.servers.accounts import DatabaseAccounts
from tests.support.databases.store_postgres import store_postgres
from tests.support.servers.moto_server import MotoServer, set_identity
from tests.support.servers.rotation_site import (
    Function,
    RotatedSecret,
    create_function,
    pair_secret,
)
from tests.support.servers.secret_backends import PATIENT, AwsSite


@pytest.fixture(autouse=True)
def _identity(aws_site: AwsSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the identity of a test after that of the test run, which it must not take away."""
    assert aws_site.proxy.url
    set_identity(monkeypatch)


@pytest.fixture(scope="session")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseAccounts]:
    store = Scope("parcels", Environment.STAGING)
    with store_postgres(tmp_path_factory.mktemp("postgres"), store) as running:
        yield running


@pytest.fixture(scope="session")
def connection(moto: MotoServer) -> Iterator[AwsConnection]:
    with closing(moto.connection(PATIENT)) as opened:
        yield opened


@pytest.fixture(scope="module")
def function(moto: MotoServer, connection: AwsConnection) -> Function:
    """Create the function for each file, because other tests erase what moto stores."""
    return Function(create_function(moto), connection)


@pytest.fixture
def secret(
    function: Function, aws_site: AwsSite, accounts: DatabaseAccounts
) -> Iterator[RotatedSecret]:
    aws_site.proxy.forget()
    yield pair_secret(function, aws_site, accounts)
    aws_site.proxy.forget()
