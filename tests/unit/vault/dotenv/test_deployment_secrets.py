"""Secrets that a deployment provides instead of a file's value."""

from __future__ import annotations

import pytest

from app_integration.secret import Secret
from vault.dotenv.deployment_secrets import Provided, in_scheme_of, is_postgresql

OWN = Provided({"redis-url": Secret("redis://:pw@127.0.0.1:16379/0"), "smtp-password": Secret("a")})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://db/shop", True),
        ("postgresql+asyncpg://ada:x@db:5432/shop", True),
        ("POSTGRESQL://db/shop", True),
        ("mysql://db/shop", False),
        ("sqlite:///shop.db", False),
        ("postgres", False),
        ("", False),
    ],
)
def test_is_postgresql_decides_by_the_scheme(url: str, expected: bool) -> None:
    assert is_postgresql(url) is expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("redis-url", "redis://:pw@127.0.0.1:16379/5", False),
        ("redis-url", "redis://127.0.0.1:6379/0", True),
        ("redis-url", "redis://[::1", True),
        ("redis-url", "", True),
        ("smtp-password", "a", False),
        ("smtp-password", "b", True),
        ("other-url", "redis://cache/0", False),
    ],
)
def test_replaces_keeps_a_value_of_the_deployments_own_server(
    name: str,
    value: str,
    expected: bool,
) -> None:
    assert OWN.replaces(name, value) is expected


def test_replaces_a_value_if_the_deployments_own_is_not_known_yet() -> None:
    assert Provided({"redis-url": None}).replaces("redis-url", "redis://cache/0")


@pytest.mark.parametrize(
    ("model", "url", "expected"),
    [
        ("postgres://db/a", "postgresql+psycopg://u:p@h:1/b?x=://", "postgres://u:p@h:1/b?x=://"),
        ("postgresql+asyncpg://db/a", "postgresql://h/b", "postgresql+asyncpg://h/b"),
        ("mysql://db/a", "postgresql://h/b", "postgresql://h/b"),
        ("postgresql://db/a", "redis://h/0", "redis://h/0"),
        ("", "postgresql://h/b", "postgresql://h/b"),
    ],
)
def test_in_scheme_of_replaces_only_one_of_postgresql(model: str, url: str, expected: str) -> None:
    found = in_scheme_of(Secret(model), Secret(url))
    assert f"{found}" == expected
