"""Store while a part is unavailable: it serves what it can, returns 503 else, and recovers."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from sqlalchemy import event
from werkzeug.test import TestResponse

from app_integration.config.delivery_status import status_file
from app_integration.errors import Unreachable
from examples.gaara_store import keys, mail
from tests.support.servers.store_parts import Servers, Shop

pytestmark = pytest.mark.requires("embedded")

ROOT = Path(__file__).parents[2]


def unavailable(answer: TestResponse) -> str:
    """Return the part that *answer*, a 503, reports as unavailable."""
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    message: str = answer.get_json()["message"]
    return message.removesuffix(" is not available now; try again later")


@contextmanager
def failing_connections(shop: Shop, error: Exception) -> Iterator[None]:
    """Make every new connection to the database fail with *error*."""

    def fail(*_: Any) -> NoReturn:
        raise error

    shop.engine.dispose()
    event.listen(shop.engine, "do_connect", fail)
    try:
        yield
    finally:
        event.remove(shop.engine, "do_connect", fail)


def test_cached_data_keys_work_without_the_key_service(shop: Shop) -> None:
    header = shop.register_and_login("gaara")
    shop.keys.unavailable = True
    assert shop.client.get("/me", headers=header).status_code == 200
    assert shop.register("temari").status_code == 201


def test_uncached_data_key_without_the_key_service_returns_503(shop: Shop) -> None:
    header = shop.register_and_login("gaara")
    shop.clear_key_caches()
    shop.keys.unavailable = True
    assert unavailable(shop.client.get("/me", headers=header)) == "the encryption key"
    assert unavailable(shop.register("temari")) == "the encryption key"
    shop.keys.unavailable = False
    assert shop.client.get("/me", headers=header).status_code == 200


def test_without_redis_only_logins_fail(shop: Shop, servers: Servers) -> None:
    header = shop.register_and_login("gaara")
    servers.redis.stop()
    try:
        assert unavailable(shop.login("gaara")) == "the login counter"
        assert shop.client.get("/me", headers=header).status_code == 200
        assert shop.client.get("/health").get_json()["parts"]["redis"] is False
    finally:
        servers.redis.start()
    assert shop.login("gaara").status_code == 200


def test_without_the_mail_server_only_exports_fail(shop: Shop, servers: Servers) -> None:
    header = shop.register_and_login("gaara")
    servers.smtp.stop()
    try:
        assert unavailable(shop.client.post("/export", headers=header)) == "the mail server"
        assert shop.client.get("/me", headers=header).status_code == 200
    finally:
        servers.smtp.start()
    assert shop.client.post("/export", headers=header).status_code == 200


@pytest.mark.parametrize("password", ["a-wrong-mail-password", "a-p\u00e4ssword-beyond-ascii"])
def test_rejected_mail_password_is_not_repeated(
    shop: Shop, password: str, caplog: pytest.LogCaptureFixture
) -> None:
    header = shop.register_and_login("gaara")
    shop.deliver("smtp", password=password)
    answer = shop.client.post("/export", headers=header)
    assert unavailable(answer) == "the mail server"
    assert "SMTP" in caplog.text
    assert password not in answer.text + caplog.text


def test_mail_to_another_host_without_tls_is_not_sent(
    shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = shop.register_and_login("gaara")
    monkeypatch.setattr(mail, "_LOOPBACK", frozenset())  # so that the sink counts as remote
    assert unavailable(shop.client.post("/export", headers=header)) == "the mail server"
    assert "SMTPNotSupportedError" in caplog.text


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (sqlite3.OperationalError("connection refused"), "the database"),
        (Unreachable("no user can be leased"), "the secrets server"),
    ],
    ids=["database unavailable", "no leased user"],
)
def test_without_a_database_connection_every_request_returns_503(
    shop: Shop, error: Exception, part: str
) -> None:
    header = shop.register_and_login("gaara")
    with failing_connections(shop, error):
        assert unavailable(shop.client.get("/me", headers=header)) == part
        assert unavailable(shop.login("gaara")) == part
        assert shop.client.get("/health").status_code == 503
    assert shop.client.get("/me", headers=header).status_code == 200


def test_error_reason_is_logged_and_not_returned(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    header = shop.register_and_login("gaara")
    with failing_connections(shop, Unreachable("http://10.1.2.3:8200 can't be reached")):
        answer = shop.client.get("/me", headers=header)
    assert "10.1.2.3" not in answer.text
    assert "10.1.2.3" in caplog.text


def test_health_reports_each_part_and_returns_200_without_vault(shop: Shop) -> None:
    answer = shop.client.get("/health")
    parts = {"secrets": False, "database": True, "redis": True, "config": True, "keys": True}
    assert answer.status_code == 200
    assert answer.get_json()["status"] == "degraded"
    assert answer.get_json()["parts"] == parts
    assert 0 <= answer.get_json()["config_age_seconds"] < 60


def test_invalid_config_is_ignored_and_reported_by_health(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    header = shop.register_and_login("gaara")
    shop.deliver("jwt", secret="short-canary")
    assert shop.client.get("/me", headers=header).status_code == 200
    assert shop.client.get("/health").get_json()["parts"]["config"] is False
    assert "jwt.secret" in caplog.text
    assert "short-canary" not in caplog.text


def test_rejected_delivery_is_reported_by_health(shop: Shop) -> None:
    status_file(shop.path).write_text(json.dumps({"state": "refused"}))
    assert shop.client.get("/health").get_json()["parts"]["config"] is False


def test_deleted_config_keeps_the_store_running(shop: Shop) -> None:
    header = shop.register_and_login("gaara")
    shop.path.unlink()
    shop.clock.now += 60
    health = shop.client.get("/health").get_json()
    assert shop.client.get("/me", headers=header).status_code == 200
    assert health["config_age_seconds"] is None
    assert health["parts"]["config"] is False


def test_store_that_cannot_start_prints_the_reason(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.gaara_store"],
        cwd=ROOT,
        env={
            "PATH": os.defpath,
            "STRONGROOM_SERVICE": "gaara-store",
            "ENVIRONMENT": "development",
            "STRONGROOM_CONFIG": str(tmp_path / "app.yaml"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"the store cannot start: {tmp_path / 'app.yaml'} cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_lost_keys_are_reported_to_clients_and_by_health(shop: Shop) -> None:
    header = shop.register_and_login("gaara")
    shop.lose_keys()
    answer = shop.client.get("/me", headers=header)
    assert answer.status_code == 503
    assert answer.get_json()["message"].startswith("the encryption keys are lost: ")
    assert "Retry-After" not in answer.headers
    health = shop.client.get("/health")
    assert health.status_code == 503
    assert health.get_json()["parts"]["keys"] is False
    assert health.get_json()["message"] == answer.get_json()["message"]


def test_uninitialised_server_counts_as_lost_keys(shop: Shop) -> None:
    header = shop.register_and_login("gaara")
    shop.clear_key_caches()
    shop.keys.unavailable = True
    assert unavailable(shop.client.get("/me", headers=header)) == "the encryption key"
    shop.patch.setattr(keys, "_is_uninitialised", lambda: True)
    answer = shop.client.get("/me", headers=header)
    assert answer.status_code == 503
    assert answer.get_json()["message"] == keys.KEYS_LOST


def test_keys_are_not_lost_while_nothing_was_encrypted(shop: Shop) -> None:
    shop.lose_keys()
    assert shop.client.get("/health").get_json()["parts"]["keys"] is True
