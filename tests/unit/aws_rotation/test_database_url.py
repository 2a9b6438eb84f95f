"""Database URLs of the rotation function: parts, another login, and what is refused."""

from __future__ import annotations

import pytest

from app_integration.secret import Secret
from aws.rotation.database_url import DatabaseUrl
from aws.rotation.errors import RotationRefused


def parse(text: str) -> DatabaseUrl:
    return DatabaseUrl.parse(Secret(text), "shop/prod/database-url")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("postgresql://a:b@db/shop", ("db", 5432, "shop")),
        ("postgresql+psycopg://a:b@db:6432/shop?sslmode=require", ("db", 6432, "shop")),
        ("postgres://a:b@[::1]:5433/my%20shop", ("::1", 5433, "my shop")),
    ],
)
def test_url_names_its_server(text: str, server: tuple[str, int, str]) -> None:
    assert parse(text).server == server


def test_login_is_unquoted() -> None:
    url = parse("postgresql://a%40b:c%2Fd@db/shop")
    assert (url.username, url.password) == ("a@b", Secret("c/d"))


@pytest.mark.parametrize(
    "rest", ["db/shop", "db:6432/shop?sslmode=verify-full&options=-c%20x%3D1", "[::1]/a%2Fb"]
)
def test_url_with_another_login_keeps_the_rest(rest: str) -> None:
    changed = parse(f"postgresql+asyncpg://old:old@{rest}").with_login("a@b", Secret("c/d:e@f"))
    text = changed.render().reveal()
    assert text == f"postgresql+asyncpg://a%40b:c%2Fd%3Ae%40f@{rest}"
    assert parse(text) == changed


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("hunter2", "not a URL of a database"),
        ("postgresql://a:b@db:port/shop", "is not a URL"),
        ("mysql://a:b@db/shop", "not a URL of a database"),
        ("postgresql://a:b@db1,db2/shop", "not a URL of a database"),
        ("postgresql://a:b@db/", "not a URL of a database"),
        ("postgresql:///shop", "not a URL of a database"),
        ("postgresql://a@db/shop", "without user and password"),
        ("postgresql://db/shop", "without user and password"),
        ("postgresql://a:b@db/shop?host=other", "the query of .* has host"),
        ("postgresql://a:b@db/shop?hostaddr=10.0.0.1&user=", "has hostaddr, user"),
    ],
)
def test_url_of_no_single_server_and_login_is_refused(text: str, named: str) -> None:
    with pytest.raises(RotationRefused, match=named) as raised:
        parse(text)
    assert "hunter2" not in str(raised.value)


def test_repr_shows_no_part_of_the_password() -> None:
    assert "hunter2" not in repr(parse("postgresql://a:hunter2@db/shop"))
