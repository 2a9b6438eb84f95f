"""Login limit, against a real Redis server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from pydantic import SecretStr

from app_integration.testing.ports import free_ports
from examples.gaara_store.attempts import LIMIT, WINDOW, LoginAttempts
from examples.gaara_store.problems import Unavailable
from tests.support.servers.store_parts import Servers, connect_without_leases

pytestmark = pytest.mark.requires("embedded")


@pytest.fixture(autouse=True)
def _without_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    connect_without_leases(monkeypatch)


@pytest.fixture
def attempts(servers: Servers) -> LoginAttempts:
    url = servers.document["redis"]["url"]
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return LoginAttempts(SecretStr(url))


def test_count_above_the_limit_returns_the_seconds_to_wait(
    attempts: LoginAttempts,
) -> None:
    assert [attempts.count("gaara") for _ in range(LIMIT)] == [0] * LIMIT
    assert WINDOW - 5 <= attempts.count("gaara") <= WINDOW


def test_concurrent_attempts_are_all_counted(attempts: LoginAttempts) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: attempts.count("gaara"), range(3 * LIMIT)))
    assert waits.count(0) == LIMIT


def test_attempts_of_one_user_do_not_count_for_another(attempts: LoginAttempts) -> None:
    for _ in range(LIMIT + 1):
        attempts.count("gaara")
    assert attempts.count("temari") == 0


def test_reset_deletes_the_counter(attempts: LoginAttempts) -> None:
    for _ in range(LIMIT + 1):
        attempts.count("gaara")
    attempts.reset("gaara")
    assert attempts.count("gaara") == 0


def test_more_attempts_do_not_extend_the_wait(attempts: LoginAttempts, servers: Servers) -> None:
    attempts.count("gaara")
    with redis.Redis.from_url(servers.document["redis"]["url"]) as client:
        client.expire("login-attempts:gaara", 100)
    waits = [attempts.count("gaara") for _ in range(LIMIT)]
    assert 0 < waits[-1] <= 100


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:a-redis-password@127.0.0.1:{free_ports(1)[0]}/0",
        "http://:a-redis-password@127.0.0.1/",
        "redis://:a-redis-password@127.0.0.1:port/0",
    ],
    ids=["nothing listens", "another scheme", "no port"],
)
def test_count_without_redis_raises_and_hides_the_password(url: str) -> None:
    with pytest.raises(Unavailable) as raised:
        LoginAttempts(SecretStr(url)).count("gaara")
    assert "a-redis-password" not in f"{raised.value} {raised.value.__cause__}"


def test_count_with_a_wrong_redis_password_does_not_repeat_it(servers: Servers) -> None:
    url = f"redis://:a-redis-password@127.0.0.1:{servers.redis.port}/0"
    with pytest.raises(Unavailable) as raised:
        LoginAttempts(SecretStr(url)).count("gaara")
    assert "a-redis-password" not in f"{raised.value} {raised.value.__cause__}"
