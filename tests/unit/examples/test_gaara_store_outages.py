"""The store while a part is away: it answers what it can, says what it can't, and recovers."""

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

from app_integration.config.deliver import status_file
from app_integration.errors import Unreachable
from examples.gaara_store import keys, mail
from tests.support.servers.store_parts import Servers, Shop, open_shop, running_servers

pytestmark = pytest.mark.requires("embedded")

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running_servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture
def shop(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with open_shop(servers, tmp_path, monkeypatch) as opened:
        yield opened


def unavailable(answer: TestResponse) -> str:
    """What *answer*, a 503, says of the part that is away."""
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    said: str = answer.get_json()["message"]
    return said.removesuffix(" isn't available now; try again later")


@contextmanager
def no_new_connection(shop: Shop, error: Exception) -> Iterator[None]:
    """Let every new connection to the database fail with *error*."""

    def refuse(*_: Any) -> NoReturn:
        raise error

    shop.engine.dispose()
    event.listen(shop.engine, "do_connect", refuse)
    try:
        yield
    finally:
        event.remove(shop.engine, "do_connect", refuse)


def test_without_the_key_service_what_was_read_before_is_still_read(shop: Shop) -> None:
    header = shop.customer("gaara")
    shop.keys.away = True
    assert shop.client.get("/me", headers=header).status_code == 200
    assert shop.register("temari").status_code == 201


def test_a_key_that_is_not_held_is_said_to_be_unavailable_until_it_is(shop: Shop) -> None:
    header = shop.customer("gaara")
    shop.forget_keys()
    shop.keys.away = True
    assert unavailable(shop.client.get("/me", headers=header)) == "the encryption key"
    assert unavailable(shop.register("temari")) == "the encryption key"
    shop.keys.away = False
    assert shop.client.get("/me", headers=header).status_code == 200


def test_without_redis_nobody_logs_in_and_whoever_is_logged_in_does_not_notice(
    shop: Shop, servers: Servers
) -> None:
    header = shop.customer("gaara")
    servers.redis.stop()
    try:
        assert unavailable(shop.login("gaara")) == "the login counter"
        assert shop.client.get("/me", headers=header).status_code == 200
        assert shop.client.get("/health").get_json()["parts"]["redis"] is False
    finally:
        servers.redis.start()
    assert shop.login("gaara").status_code == 200


def test_without_the_mail_server_only_exports_wait(shop: Shop, servers: Servers) -> None:
    header = shop.customer("gaara")
    servers.smtp.stop()
    try:
        assert unavailable(shop.client.post("/export", headers=header)) == "the mail server"
        assert shop.client.get("/me", headers=header).status_code == 200
    finally:
        servers.smtp.start()
    assert shop.client.post("/export", headers=header).status_code == 200


@pytest.mark.parametrize("password", ["a-wrong-mail-password", "a-p\u00e4ssword-beyond-ascii"])
def test_a_mail_password_that_is_refused_is_not_repeated(
    shop: Shop, password: str, caplog: pytest.LogCaptureFixture
) -> None:
    header = shop.customer("gaara")
    shop.deliver("smtp", password=password)
    answer = shop.client.post("/export", headers=header)
    assert unavailable(answer) == "the mail server"
    assert "SMTP" in caplog.text
    assert password not in answer.text + caplog.text


def test_mail_is_not_sent_in_clear_beyond_this_machine(
    shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = shop.customer("gaara")
    monkeypatch.setattr(mail, "_LOOPBACK", frozenset())  # so that the sink counts as far away
    assert unavailable(shop.client.post("/export", headers=header)) == "the mail server"
    assert "SMTPNotSupportedError" in caplog.text


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (sqlite3.OperationalError("connection refused"), "the database"),
        (Unreachable("no user can be leased"), "the secrets server"),
    ],
    ids=["database away", "no leased user"],
)
def test_without_a_database_connection_every_request_says_so(
    shop: Shop, error: Exception, part: str
) -> None:
    header = shop.customer("gaara")
    with no_new_connection(shop, error):
        assert unavailable(shop.client.get("/me", headers=header)) == part
        assert unavailable(shop.login("gaara")) == part
        assert shop.client.get("/health").status_code == 503
    assert shop.client.get("/me", headers=header).status_code == 200


def test_the_reason_goes_to_the_log_and_not_to_the_client(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    header = shop.customer("gaara")
    with no_new_connection(shop, Unreachable("http://10.1.2.3:8200 can't be reached")):
        answer = shop.client.get("/me", headers=header)
    assert "10.1.2.3" not in answer.text
    assert "10.1.2.3" in caplog.text


def test_health_tells_part_by_part_and_stays_200_without_vault(shop: Shop) -> None:
    answer = shop.client.get("/health")
    parts = {"vault": False, "database": True, "redis": True, "config": True, "keys": True}
    assert answer.status_code == 200
    assert answer.get_json()["status"] == "degraded"
    assert answer.get_json()["parts"] == parts
    assert 0 <= answer.get_json()["config_age_seconds"] < 60


def test_a_config_that_the_store_refuses_changes_nothing_and_shows_in_health(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    header = shop.customer("gaara")
    shop.deliver("jwt", secret="short-canary")
    assert shop.client.get("/me", headers=header).status_code == 200
    assert shop.client.get("/health").get_json()["parts"]["config"] is False
    assert "jwt.secret" in caplog.text
    assert "short-canary" not in caplog.text


def test_a_config_that_was_not_delivered_shows_in_health(shop: Shop) -> None:
    status_file(shop.path).write_text(json.dumps({"state": "refused"}))
    assert shop.client.get("/health").get_json()["parts"]["config"] is False


def test_a_config_that_went_away_changes_nothing(shop: Shop) -> None:
    header = shop.customer("gaara")
    shop.path.unlink()
    shop.clock.now += 60
    health = shop.client.get("/health").get_json()
    assert shop.client.get("/me", headers=header).status_code == 200
    assert health["config_age_seconds"] is None
    assert health["parts"]["config"] is False


def test_a_store_that_can_not_start_says_why(tmp_path: Path) -> None:
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
    assert f"the store can't start: {tmp_path / 'app.yaml'} cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_lost_keys_are_told_plainly_and_in_health(shop: Shop) -> None:
    header = shop.customer("gaara")
    shop.lose_keys()
    answer = shop.client.get("/me", headers=header)
    assert answer.status_code == 503
    assert answer.get_json()["message"].startswith("the encryption keys are gone: ")
    assert "Retry-After" not in answer.headers
    health = shop.client.get("/health")
    assert health.status_code == 503
    assert health.get_json()["parts"]["keys"] is False
    assert health.get_json()["message"] == answer.get_json()["message"]


def test_a_server_that_nobody_set_up_again_has_no_keys_either(shop: Shop) -> None:
    header = shop.customer("gaara")
    shop.forget_keys()
    shop.keys.away = True
    assert unavailable(shop.client.get("/me", headers=header)) == "the encryption key"
    shop.patch.setattr(keys, "_is_blank", lambda: True)
    answer = shop.client.get("/me", headers=header)
    assert answer.status_code == 503
    assert answer.get_json()["message"] == keys.GONE


def test_keys_are_not_called_gone_while_nothing_was_encrypted(shop: Shop) -> None:
    shop.lose_keys()
    assert shop.client.get("/health").get_json()["parts"]["keys"] is True
