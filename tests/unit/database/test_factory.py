"""Import of an engine, the lock under which engines are created, and the role of a Redis client."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import redis

from app_integration._internal.private_file import write_private
from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.database.factory import CredentialSource, DatabaseFactory
from app_integration.errors import (
    AccessDenied,
    ConfigurationError,
    SecretDeleted,
    SecretNotFound,
    Unreachable,
)
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits, Settings
from app_integration.transport.request import Request, RequestSender, Response
from tests.support.processes.loaded_modules import loaded_by

URL = "postgresql+psycopg://127.0.0.1/shop"
SCOPE = Scope("shop", Environment.DEV)
PATIENCE = 10.0  # seconds


def test_engine_loads_no_orm() -> None:
    loaded = loaded_by("app_integration.database.engine")
    assert not {"sqlalchemy.orm", "sqlalchemy.ext.asyncio"} & loaded


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    path = tmp_path / "user.json"
    write_private(path, '{"username": "ada", "password": "invented-password"}')
    return path


def test_factory_in_a_forked_child_does_not_wait_for_the_parents_lock(
    user_file: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second.json"
    write_private(second, user_file.read_text())
    client = Client(Settings(Scope("shop", Environment.PROD), "https://vault"))
    client.databases.create("engine", URL, {}, credentials=user_file)
    acquired, done = threading.Event(), threading.Event()

    def hold(lock: AbstractContextManager[object]) -> None:
        with lock:
            acquired.set()
            done.wait(2 * PATIENCE)

    threading.Thread(target=hold, args=(client._lock,), daemon=True).start()
    assert acquired.wait(PATIENCE)
    client.reset_after_fork()  # as in a child, where that thread does not run but its lock stays
    opened = threading.Event()

    def open_another() -> None:
        client.databases.create("engine", URL, {}, credentials=second)
        opened.set()

    threading.Thread(target=open_another, daemon=True).start()
    try:
        assert opened.wait(PATIENCE)
    finally:
        done.set()
    client.close()


def test_parameters_are_those_of_the_url_and_the_provider_is_shared(user_file: Path) -> None:
    url = "postgresql+psycopg://bob:other@127.0.0.1:5433/shop?sslmode=require"
    databases = databases_with(url)
    assert databases.find_parameters() == {
        "host": "127.0.0.1",
        "port": "5433",
        "dbname": "shop",
        "sslmode": "require",
    }
    provider = databases.find_provider(credentials=user_file)
    assert provider is databases.find_provider(credentials=user_file)
    assert provider is databases.find_provider(credentials=str(user_file))
    assert provider.current().username == "ada"


def factory(
    settings: Settings, secret: Callable[[str, bool], Any], session: Any = pytest.fail
) -> DatabaseFactory:
    return DatabaseFactory(
        session, secret, settings, lock=nullcontext, closers=[], clock=time.monotonic
    )


def databases_with(url: str) -> DatabaseFactory:
    """Return a factory whose secrets all are *url*, and which has no server."""
    settings = Settings(Scope("shop", Environment.PROD), "https://vault")
    return factory(settings, lambda _name, _stale: Secret(url))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%zz@h/db",
        "postgresql://u:p@art@h/db",  # a driver would take "art@h" for the host
        "postgresql://u:p@h:art@h:5432/db",  # and "art@h:5432" for the port
    ],
)
def test_url_that_cannot_be_read_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="percent-encode") as caught:
        databases_with(url).find_parameters()
    assert caught.value.__context__ is None
    assert "art" not in locals_of_the_sdk(caught.value)


@pytest.mark.parametrize("kind", ["engine", "async engine"])
@pytest.mark.parametrize(
    "url", ["secret", "postgresql://u:p@art@h/db", "postgresql://u:p@h:art@h:5432/db"]
)
def test_engines_url_that_cannot_be_read_is_not_shown(kind: str, url: str, user_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="percent-encode") as caught:
        databases_with(url).create(kind, None, {}, credentials=user_file)
    assert caught.value.__context__ is None
    assert "art" not in locals_of_the_sdk(caught.value)


@pytest.mark.parametrize("kind", ["engine", "async engine"])
@pytest.mark.parametrize(
    "scheme",
    ["postgres", "postgresql", "postgres+psycopg", "postgresql+psycopg", "postgresql+asyncpg"],
)
def test_engine_of_postgresql_takes_psycopg(kind: str, scheme: str, user_file: Path) -> None:
    databases = databases_with(f"{scheme}://bob:old@h/shop")
    engine = databases.create(kind, None, {}, credentials=user_file)
    assert str(engine.url) == "postgresql+psycopg://h/shop"


def locals_of_the_sdk(error: BaseException) -> str:
    """Return the local variables in the traceback of *error*, without those of the test."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][1:]
    return repr([{**frame.f_locals, "self": None} for frame in frames])


def test_socket_with_an_abstract_name_is_a_host() -> None:
    url = "postgresql:///shop?host=@/run/postgresql"
    assert databases_with(url).find_parameters()["host"] == "@/run/postgresql"


class RecordedPaths(RequestSender):
    """A transport that records the paths of requests, and sends none."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def exchange(self, request: Request, **_: object) -> Response:
        self.paths.append(str(request))
        raise Unreachable("unreachable", not_sent=True)

    def close(self) -> None:
        """Do nothing, because nothing is open."""


def test_default_role_is_the_same_source_with_its_name_and_without() -> None:
    assert CredentialSource(role="default") == CredentialSource()
    assert CredentialSource(role="default", is_redis=True) == CredentialSource(is_redis=True)
    assert CredentialSource(role="reports") != CredentialSource()


@pytest.mark.parametrize(
    ("role", "path"),
    [
        (None, "GET database/creds/shop-prod-redis"),
        ("default", "GET database/creds/shop-prod-redis"),
        ("reports", "GET database/creds/shop-prod-redis-reports"),
    ],
)
def test_redis_client_leases_users_of_the_redis_role(role: str | None, path: str) -> None:
    transport = RecordedPaths()
    session = Session(
        "https://vault",
        StaticToken(Secret("given")),
        limits=Limits(retry_window=0.0),
        connect=lambda: transport,
    )
    client = Client(Settings(Scope("shop", Environment.PROD), "https://vault"), session=session)
    leased = client.databases.create("redis", "redis://127.0.0.1:1", {}, role=role)
    with pytest.raises(Unreachable):
        leased.ping()
    assert transport.paths[-1] == path
    client.close()


@pytest.mark.parametrize("role", [None, "default"])
def test_redis_client_on_aws_uses_the_user_in_redis_url(role: str | None) -> None:
    names: list[str] = []

    def read(name: str, _stale: bool) -> Secret:
        names.append(name)
        return Secret("redis://:invented-password@127.0.0.1:1/0")

    settings = Settings(Scope("shop", Environment.PROD), "https://vault", backend="aws")
    with (
        closing(factory(settings, read).create("redis", None, {}, role=role)) as client,
        pytest.raises(redis.ConnectionError),
    ):
        client.ping()
    # Once for host and port, and once for the user of the connection.
    assert names == ["redis-url"] * 2


def test_redis_client_on_aws_with_a_role_names_the_secret_to_use() -> None:
    settings = Settings(Scope("shop", Environment.PROD), "https://vault", backend="aws")
    client = Client(settings)
    with pytest.raises(ConfigurationError, match="AWS leases no users; name a secret"):
        client.databases.create("redis", "redis://127.0.0.1:1", {}, role="reports")
    client.close()


def located(backend: str = "vault", **urls: Any) -> DatabaseFactory:
    """Return a factory with these addresses in the settings, and a URL in each secret."""
    settings = Settings(SCOPE, "http://127.0.0.1", backend=backend, **urls)
    return factory(settings, lambda name, _: Secret(f"the secret {name}"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({}, URL),
        ({"role": "reports"}, URL),
        ({"credentials": "user.json"}, URL),
        ({"is_redis": True}, "redis://127.0.0.1/0"),
        ({"secret": "other-url"}, "the secret other-url"),
        ({"is_redis": True, "secret": "other-url"}, "the secret other-url"),
    ],
)
def test_declared_address_is_used_unless_a_secret_is_named(
    source: dict[str, Any], expected: str
) -> None:
    found = located(database_url=URL, redis_url="redis://127.0.0.1/0").find_url(**source)
    assert found == expected


def test_url_is_that_of_the_secret_without_a_declared_address() -> None:
    assert located().find_url() == "the secret database-url"
    assert located(database_url=URL).find_url(is_redis=True) == "the secret redis-url"


@pytest.mark.parametrize("backend", ["aws", "memory"])
def test_backend_without_leases_has_user_and_address_in_the_secret(backend: str) -> None:
    assert located(backend, database_url=URL).find_url() == "the secret database-url"


@pytest.mark.parametrize("kind", [AccessDenied, SecretNotFound, SecretDeleted])
def test_missing_secret_names_the_variable_that_has_the_address(kind: type[Exception]) -> None:
    def deny(_name: str, _force: bool) -> Any:
        raise kind("not there")

    lacking = factory(Settings(SCOPE, "http://127.0.0.1"), deny, Mock())
    with pytest.raises(
        kind, match=r"^not there; or declare 'database' .* STRONGROOM_DATABASE_URL$"
    ):
        lacking.create("engine", None, {})
    with pytest.raises(kind, match="STRONGROOM_REDIS_URL"):
        lacking.create("redis", None, {})
    with pytest.raises(kind, match=r"^not there$"):
        lacking.create("engine", None, {}, secret="other-url")
