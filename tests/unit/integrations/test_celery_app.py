"""Settings of a Celery application on leased Redis users, its statistics and its results."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, _state
from kombu.utils import json

from app_integration import default_client
from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from app_integration.integrations.celery import use_leased_redis
from app_integration.integrations.celery.source import RedisSource
from app_integration.names import Environment, Scope
from app_integration.settings import Settings

URL = "redis://redis.example.com/0"
OLD_URL = "redis://visits:invented-password@old.example.com/1"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[RedisSource]:
    credentials = tmp_path / "redis.json"
    write_private(credentials, '{"username": "visits", "password": "invented-password"}')
    default_client.configure(Settings(Scope("shop", Environment.DEV), "https://vault"))
    yield RedisSource(credentials=credentials)
    default_client.close()


def leased_app(**options: Any) -> Celery:
    app = Celery("visits", set_as_current=False, **options)
    use_leased_redis(app, url=URL)
    return app


def is_leased(app: Celery) -> bool:
    """Return whether the broker and the results of *app* are those of the leased users."""
    connections = (app.connection_for_read(), app.connection_for_write(), app.connection())
    shown = {connection.as_uri() for connection in connections} | {app.backend.as_uri()}
    return shown == {"redis (role default)"}


@pytest.mark.parametrize("url", [OLD_URL, f"{OLD_URL};redis://b", "amqp://old.example.com"])
def test_statistics_of_a_worker_have_nothing_of_an_old_broker_url(url: str) -> None:
    statistics = json.dumps(leased_app(broker=url).connection_for_read().info())
    assert '"transport": "redis (role default)"' in statistics
    assert "old.example.com" not in statistics
    assert "invented-password" not in statistics


def test_old_broker_url_with_a_transport_of_its_own_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis+socket:///run/redis.sock")
    app = leased_app()
    assert is_leased(app)
    assert type(app.connection_for_write().transport).__name__ == "LeasedTransport"


@pytest.mark.parametrize("namespace", [None, "CELERY"])
@pytest.mark.parametrize("is_read", [True, False])
def test_settings_that_are_loaded_later_replace_no_leased_user(
    is_read: bool, namespace: str | None
) -> None:
    app = Celery("visits", set_as_current=False)
    if is_read:
        assert app.conf.timezone is None
    use_leased_redis(app, url=URL)
    settings = {"broker_url": OLD_URL, "result_backend": OLD_URL, "timezone": "Europe/Berlin"}
    if namespace:
        settings = {f"{namespace}_{name.upper()}": settings[name] for name in settings}
    app.config_from_object(settings, namespace=namespace)
    assert is_leased(app)
    assert app.conf.timezone == "Europe/Berlin"


def test_result_after_pickling_has_the_same_source(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Celery("visits", set_as_current=False)
    monkeypatch.setattr(_state._tls, "current_app", app)
    use_leased_redis(app, "reports", url=URL)
    result = pickle.loads(pickle.dumps(app.AsyncResult("5f4dcc3b")))  # noqa: S301 (its own data)
    assert result.id == "5f4dcc3b"
    assert result.backend.source == app.backend.source
    assert result.backend.as_uri() == "redis (role reports)"


@pytest.mark.parametrize("scheme", ["redis://redis.example.com/0", "unix:///run/redis.sock"])
def test_tls_options_without_a_tls_url_are_refused(source: RedisSource, scheme: str) -> None:
    plain = RedisSource(url=scheme, credentials=source.credentials)
    with pytest.raises(ConfigurationError, match=r"ssl_ca_certs: .* rediss://"):
        plain.build_pool({"ssl_ca_certs": "/etc/ssl/redis.pem"})


def test_tls_options_with_a_tls_url_are_passed_on(source: RedisSource) -> None:
    encrypted = RedisSource(url="rediss://redis.example.com/0", credentials=source.credentials)
    pool = encrypted.build_pool({"ssl_ca_certs": "/etc/ssl/redis.pem"})
    assert pool.connection_kwargs["ssl_ca_certs"] == "/etc/ssl/redis.pem"


def test_repr_of_a_source_has_no_url() -> None:
    assert "invented-password" not in repr(RedisSource(url=OLD_URL))
