"""Store over HTTP, with real Redis and mail servers, SQLite, and keys in this process."""

from __future__ import annotations

import csv
import email
import email.policy
import io
from typing import Any

import pytest
from sqlalchemy import text

from app_integration.secret import Secret
from examples.gaara_store.attempts import LIMIT
from tests.support.servers.store_parts import (
    PASSWORD,
    PERSON,
    Servers,
    Shop,
)

pytestmark = pytest.mark.requires("embedded")


def test_registered_user_logs_in_and_reads_their_own_data(shop: Shop) -> None:
    header = shop.register_and_login("gaara")
    mine = shop.client.get("/me", headers=header).get_json()
    assert {name: mine[name] for name in PERSON} == PERSON
    assert mine["username"] == "gaara"


def test_personal_data_and_password_are_not_in_the_database(shop: Shop) -> None:
    shop.register_and_login("gaara")
    with shop.engine.connect() as connection:
        row = str(connection.execute(text("SELECT * FROM users")).one())
    assert "gaara" in row
    assert [value for value in (*PERSON.values(), PASSWORD) if value in row] == []


def test_data_moved_to_another_users_row_cannot_be_decrypted(shop: Shop) -> None:
    shop.register_and_login("gaara")
    header = shop.register_and_login("temari")
    with shop.engine.begin() as connection:
        connection.execute(
            text("UPDATE users SET email = (SELECT email FROM users WHERE username = 'gaara')")
        )
    answer = shop.client.get("/me", headers=header)
    assert answer.status_code == 500
    assert PERSON["email"] not in answer.text


@pytest.mark.parametrize("written", ["gaara@example.com", "Gaara@Example.COM"])
def test_login_by_e_mail_address_ignores_case(shop: Shop, written: str) -> None:
    shop.register_and_login("gaara")
    token = shop.login(written).get_json()["token"]
    mine = shop.client.get("/me", headers={"Authorization": f"Bearer {token}"}).get_json()
    assert mine["username"] == "gaara"
    assert shop.login(written, "another password").status_code == 401
    assert shop.login("nobody@example.com").status_code == 401


def test_login_by_a_shared_e_mail_address_picks_the_user_by_password(shop: Shop) -> None:
    shop.register_and_login("gaara")
    assert shop.register("temari", password="a fan, and wind").status_code == 201
    for password, name in ((PASSWORD, "gaara"), ("a fan, and wind", "temari")):
        token = shop.login(PERSON["email"], password).get_json()["token"]
        mine = shop.client.get("/me", headers={"Authorization": f"Bearer {token}"}).get_json()
        assert mine["username"] == name


def test_register_with_an_address_as_user_name_is_rejected(shop: Shop) -> None:
    assert shop.register("gaara@example.com").status_code == 400


def test_export_arrives_as_a_csv_file(shop: Shop, servers: Servers) -> None:
    header = shop.register_and_login("gaara")
    before = set(servers.mail.iterdir())
    assert shop.client.post("/export", headers=header).status_code == 200
    (sent,) = set(servers.mail.iterdir()) - before
    message = email.message_from_bytes(sent.read_bytes(), policy=email.policy.default)
    (attached,) = message.iter_attachments()
    (row,) = csv.DictReader(io.StringIO(attached.get_content()))
    assert message["To"] == PERSON["email"]
    assert {name: row[name] for name in PERSON} == PERSON


def test_register_with_a_taken_name_changes_nothing(shop: Shop) -> None:
    header = shop.register_and_login("gaara")
    assert shop.register("gaara", email="other@example.com").status_code == 409
    assert shop.client.get("/me", headers=header).get_json()["email"] == PERSON["email"]


@pytest.mark.parametrize(
    "changes",
    [
        {"username": "Canary"},
        {"password": "canary"},
        {"email": "canary@b\nBcc: c@d"},
        {"email": "canary@b,c@d"},
        {"phone": "canary" * 10},
        {"address": None},
        {"admin": "canary"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_invalid_registration_is_rejected_without_repeating_values(
    shop: Shop, changes: dict[str, Any]
) -> None:
    answer = shop.register(**{"username": "gaara", **changes})
    (field,) = changes
    assert answer.status_code == 400
    assert field in answer.get_json()["message"]
    assert "canary" not in answer.text.lower()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"username": "\\ud800"}', b"\xff"])
def test_login_with_an_invalid_body_returns_400(shop: Shop, body: bytes) -> None:
    assert shop.client.post("/login", data=body).status_code == 400


def test_register_with_a_too_large_body_returns_413(shop: Shop) -> None:
    assert shop.client.post("/register", data=b" " * 100_000).status_code == 413


def test_wrong_password_and_unknown_name_get_the_same_response(shop: Shop) -> None:
    shop.register("gaara")
    wrong = shop.login("gaara", "not the right one")
    unknown = shop.login("nobody", "not the right one")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.get_json() == unknown.get_json()


def test_login_over_the_limit_is_rejected_even_with_the_right_password(shop: Shop) -> None:
    shop.register("kankuro")
    for _ in range(LIMIT):
        assert shop.login("kankuro", "not the right one").status_code == 401
    answer = shop.login("kankuro")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 300


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Basic Z2FhcmE6eA=="}, {"Authorization": "Bearer x.y.z"}]
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/me"), ("POST", "/export")])
def test_request_without_a_valid_token_returns_401(
    shop: Shop, method: str, path: str, header: dict[str, str]
) -> None:
    answer = shop.client.open(path, method=method, headers=header)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "log in" in answer.get_json()["message"]


def test_token_of_a_deleted_account_is_rejected(shop: Shop) -> None:
    header = shop.register_and_login("gaara")
    with shop.engine.begin() as connection:
        connection.execute(text("DELETE FROM users"))
    assert shop.client.get("/me", headers=header).status_code == 401


def test_changed_signing_key_applies_from_the_next_request(shop: Shop) -> None:
    old = shop.register_and_login("gaara")
    shop.deliver("jwt", secret="signing-key-number-two-of-the-unit-tests")
    assert shop.client.get("/me", headers=old).status_code == 401
    new = {"Authorization": f"Bearer {shop.login('gaara').get_json()['token']}"}
    assert shop.client.get("/me", headers=new).status_code == 200


def test_token_from_before_a_rotation_is_valid_while_the_old_version_exists(
    shop: Shop,
) -> None:
    old, key = shop.register_and_login("gaara"), Secret("signing-key-number-two-of-the-unit-tests")
    shop.server_keys = (key, Secret(shop.document["jwt"]["secret"]))
    assert shop.client.get("/me", headers=old).status_code == 200
    assert shop.signing_key_requests == 0  # the delivered key is enough
    shop.deliver("jwt", secret=key.reveal())
    assert shop.client.get("/me", headers=old).status_code == 200
    shop.server_keys = (key,)
    assert shop.client.get("/me", headers=old).status_code == 401


def test_token_of_an_announced_key_is_valid_before_the_key_is_delivered(shop: Shop) -> None:
    old, key = shop.document["jwt"]["secret"], "signing-key-number-two-of-the-unit-tests"
    shop.register_and_login("gaara")
    shop.deliver("jwt", secret=key)  # to another process
    token = {"Authorization": f"Bearer {shop.login('gaara').get_json()['token']}"}
    shop.deliver("jwt", secret=old)
    shop.server_keys = (Secret(key), Secret(old))
    assert shop.client.get("/me", headers=token).status_code == 200


def test_invalid_tokens_do_not_repeat_requests_to_an_unavailable_server(
    shop: Shop,
) -> None:
    old = shop.register_and_login("gaara")
    shop.deliver("jwt", secret="signing-key-number-two-of-the-unit-tests")
    for _ in range(20):
        assert shop.client.get("/me", headers=old).status_code == 401
    assert shop.signing_key_requests == 1


def test_unknown_path_returns_404_as_json(shop: Shop) -> None:
    answer = shop.client.get("/nothing")
    assert answer.status_code == 404
    assert answer.get_json()["error"] == "Not Found"
