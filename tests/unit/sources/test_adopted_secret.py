"""Adopted secrets: they are composed, and expire with their password."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import make_url

from app_integration.errors import AccessDenied, RequestRefused, StrongroomError
from app_integration.names import COMPOSED_KEY, Environment, Scope
from app_integration.secret import Secret
from app_integration.sources import FetchedSecret
from app_integration.sources.adopted_secret import fill_template
from app_integration.sources.vault import VaultSource
from vault.reconcile.resources.static_roles import NotAdoptable, template_from_url

SCOPE = Scope("shop", Environment.PROD)
ENTRY = "secret/data/shop/prod/database-url"
CREDS = "database/static-creds/shop-prod-database-url"
TEMPLATE = "postgresql+psycopg://{username}:{password}@db:5432/shop?sslmode=verify-full"
UNKNOWN = RequestRefused("unknown role", status=400)


ADOPTED = {COMPOSED_KEY: "3", "owner": "shop"}


class StubSession:
    """A session with a fixed response for each path, and a secret with the given metadata."""

    def __init__(self, marks: object = ADOPTED, **data: Any) -> None:
        metadata = {"version": 3, "custom_metadata": marks}
        self.by_path: dict[str, Any] = {
            ENTRY: {"data": {"data": data, "metadata": metadata}, "request_id": "kv"},
            CREDS: {
                "data": {"username": "shop_app", "password": "p%@:/{password}", "ttl": 60},
                "request_id": "db",
            },
        }
        self.asked: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        answer = self.by_path[path]
        if isinstance(answer, StrongroomError):
            raise answer
        found: dict[str, Any] = answer
        return found


def fetch(answers: StubSession) -> FetchedSecret:
    return VaultSource(answers, SCOPE).fetch("database-url")  # type: ignore[arg-type] # a stub


def test_compose_encodes_user_and_password_reversibly() -> None:
    fetched = fetch(StubSession(template=TEMPLATE))
    url = make_url(fetched.value.reveal())
    assert (url.username, url.password) == ("shop_app", "p%@:/{password}")
    assert (url.host, url.query["sslmode"]) == ("db", "verify-full")
    assert (fetched.version, fetched.request_id) == (3, "db")


def test_adopted_secret_expires_one_second_after_its_password() -> None:
    assert fetch(StubSession(template=TEMPLATE)).expires_in == 61


def test_plain_secret_takes_one_request_and_does_not_expire() -> None:
    answers = StubSession(None, value="postgresql://a:b@c/d")
    fetched = fetch(answers)
    assert fetched.value == "postgresql://a:b@c/d"
    assert fetched.expires_in is None
    assert answers.asked == [ENTRY]


@pytest.mark.parametrize("marks", [None, {}, {"owner": "shop"}])
def test_secret_with_field_template_is_not_adopted(marks: object) -> None:
    answers = StubSession(marks, value="<b>{}</b>", template=TEMPLATE)
    assert fetch(answers).value == "<b>{}</b>"
    assert answers.asked == [ENTRY]


def test_adopted_secret_with_role_ignores_old_value() -> None:
    old = "postgresql://old:one@db/shop"
    answers = StubSession({COMPOSED_KEY: "0"}, template=TEMPLATE, value=old)
    assert "old" not in fetch(answers).value.reveal()
    answers.by_path[CREDS] = UNKNOWN
    assert fetch(answers).value == old


@pytest.mark.parametrize("error", [UNKNOWN, AccessDenied("denied")], ids=["no role", "denied"])
def test_adopted_secret_without_password_raises(error: StrongroomError) -> None:
    answers = StubSession(template=TEMPLATE)
    answers.by_path[CREDS] = error
    with pytest.raises(type(error)):
        fetch(answers)


@pytest.mark.parametrize("password", ["plain", "{username}", "{password}", "a b+c%20/@:?#", "é日"])
def test_compose_preserves_any_password(password: str) -> None:
    made = template_from_url(Secret("postgresql://shop_app:old@db/shop?x=%7B1%7D"), "database-url")
    url = make_url(fill_template(made, "shop_app", password).reveal())
    assert (url.password, url.query["x"]) == (password, "{1}")
    assert "old" not in made


def test_template_keeps_the_scheme_of_the_url() -> None:
    made = template_from_url(Secret("postgres://shop_app:old@db/shop"), "database-url")
    assert made == "postgres://{username}:{password}@db/shop"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("hunter2", "holds no URL"),
        ("mysql://a:hunter2@db/shop", "no URL of a PostgreSQL database"),
        ("postgresql://a:hunter2@db", "no URL of a PostgreSQL database"),
        ("postgresql://db/shop", "without user and password"),
        ("postgresql://a@db/shop", "without user and password"),
        ("postgresql://other:hunter2@db/shop", "of the database user other, not shop_app"),
    ],
)
def test_template_of_invalid_url_is_rejected_without_value(value: str, reason: str) -> None:
    with pytest.raises(NotAdoptable, match=reason) as caught:
        template_from_url(Secret(value), "database-url", "shop_app")
    assert "hunter2" not in str(caught.value)
