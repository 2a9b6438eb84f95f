from __future__ import annotations

import pytest

from console.local_urls import move, with_placeholders

URL = "postgresql+psycopg://shop_app:p%40ss@127.0.0.1:15432/shop"


@pytest.mark.parametrize(
    "stored", [URL, f"{URL}?sslmode=disable", "redis://:secret@127.0.0.1:15432/0", "http://h:15432"]
)
def test_moved_url_has_the_current_port_and_keeps_the_rest(stored: str) -> None:
    current = stored.partition("?")[0].replace("15432", "25432")
    assert move(stored, current) == stored.replace("15432", "25432")


def test_url_with_the_current_port_is_not_written_again() -> None:
    assert move(URL, URL) is None


@pytest.mark.parametrize(
    "stored",
    [
        URL.replace("shop_app", "other"),
        URL.replace("p%40ss", "other"),
        URL.replace("127.0.0.1", "db.example.com"),
        URL.replace("/shop", "/other"),
        URL.replace("postgresql+psycopg", "postgresql"),
        "not a URL",
        "postgresql://host:port/shop",
        "postgresql://[::1/shop",
        "",
    ],
)
def test_url_of_another_server_user_or_database_stays(stored: str) -> None:
    assert move(stored, URL.replace("15432", "25432")) is None


def test_template_of_an_adopted_url_moves_too() -> None:
    stored = "postgresql+psycopg://{username}:{password}@127.0.0.1:15432/shop"
    current = with_placeholders(URL.replace("15432", "25432"))
    assert move(stored, current) == stored.replace("15432", "25432")
