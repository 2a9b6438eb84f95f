"""Django's cache and sessions on leased users of a real Valkey, through rotations and forks."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError
from ruamel.yaml import YAML

from tests.support.databases import django_project
from tests.support.servers.kv_mount import create_kv_mount

django_project.set_up()

from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402 (Django must be set up first)
from django.core.cache import CacheHandler, caches  # noqa: E402 (as above)

from app_integration import default_client  # noqa: E402 (as above)
from app_integration.database import LeasedCredentials  # noqa: E402 (as above)
from app_integration.errors import RequestRefused  # noqa: E402 (as above)
from app_integration.names import Environment, Scope  # noqa: E402 (as above)
from app_integration.settings import Settings  # noqa: E402 (as above)
from tests.support.databases.database import eventually  # noqa: E402 (as above)
from tests.support.databases.redis_load import THREADS, prove_rotations  # noqa: E402 (as above)
from tests.support.databases.redis_site import (  # noqa: E402 (as above)
    RedisSite,
    only_current_user_exists,
    redis_site,
)
from tests.support.servers.dev_server import root  # noqa: E402 (as above)

pytestmark = pytest.mark.requires("embedded")

BACKEND = "app_integration.integrations.django.redis_cache.LeasedRedisCache"
ROOT = Path(__file__).parents[2]
PREFIX = "visits"
ROTATIONS = 5


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSite]:
    with redis_site(tmp_path_factory.mktemp("cache")) as running:
        create_kv_mount(running.session, "secret")
        running.configure_role(json.dumps(documented_rules()))
        url = {"value": running.url.reveal()}
        running.session.post("secret/data/shop/dev/redis-url", {"data": url})
        yield running


def documented_rules() -> list[str]:
    """Return the rules that the how-to declares, for keys that begin with :data:`PREFIX`."""
    text = (ROOT / "docs/howto/Django.md").read_text(encoding="utf-8")
    section = text.partition("## Cache and sessions in Redis")[2]
    declared = YAML(typ="safe").load(section.partition("```yaml\n")[2].partition("```")[0])
    rules: list[str] = declared["redis"]["roles"]["default"]["rules"]
    return [rule.replace("orders", PREFIX) for rule in rules]


@pytest.fixture(autouse=True)
def _shop(site: RedisSite) -> Iterator[None]:
    site.admin.flushall()
    settings = Settings(Scope("shop", Environment.DEV), site.address)
    default_client.configure(settings, session=root(site.address))
    yield
    default_client.close()


def handler(**settings: Any) -> Any:
    """Return Django's caches: a backend for each thread that uses it."""
    return CacheHandler({"default": {"BACKEND": BACKEND, "KEY_PREFIX": PREFIX, **settings}})


@pytest.fixture
def cache() -> Any:
    return handler()["default"]


def users() -> LeasedCredentials:
    """Return the provider of the users that the cache connects as."""
    found = default_client.get_default_client().databases.find_provider(is_redis=True)
    assert isinstance(found, LeasedCredentials)
    return found


def leased_connections(site: RedisSite) -> list[str]:
    """Return the user of each connection of a leased user."""
    leased = site.leased_users()
    return [each["user"] for each in site.admin.client_list() if each["user"] in leased]


def test_cache_stores_and_returns_values(site: RedisSite, cache: Any) -> None:
    cache.set("a", {"name": "Ada"}, timeout=60)
    assert cache.get("a") == {"name": "Ada"}
    assert 0 < site.admin.ttl("visits:1:a") <= 60
    assert not cache.add("a", 1)
    assert cache.add("b", 1)
    assert (cache.incr("b", 2), cache.decr("b")) == (3, 2)
    assert cache.touch("b", None)
    cache.set_many({"c": "3", "d": None}, timeout=60)
    assert cache.get_many(["a", "b", "c", "e"]) == {"a": {"name": "Ada"}, "b": 2, "c": "3"}
    assert cache.get_or_set("e", lambda: "5") == "5"
    assert "d" in cache
    cache.delete("a")
    cache.delete_many(["b", "c"])
    assert cache.get_many("abcd") == {"d": None}
    cache.set("d", 2, version=2)
    assert cache.get("d", version=2) == 2


def test_settings_select_server_and_role(site: RedisSite) -> None:
    url = f"redis://127.0.0.1:{site.valkey.port}/0"
    found = handler(LOCATION=url, OPTIONS={"role": "default", "protocol": 3})["default"]
    found.set("a", 1)
    assert found.get("a") == 1
    unknown = handler(LOCATION=url, OPTIONS={"role": "reports"})["default"]
    with pytest.raises(RequestRefused, match="shop-dev-redis-reports"):
        unknown.get("a")


def test_clear_deletes_all_keys_if_the_rules_allow_it(site: RedisSite, cache: Any) -> None:
    site.admin.set("orders:1", "of another application")
    cache.set("a", 1)
    with pytest.raises(NoPermissionError, match="flushdb"):
        cache.clear()
    assert len(site.admin.keys()) == 2
    site.configure_role(json.dumps([*documented_rules(), "+flushdb"]))
    try:
        users().rotate()
        cache.clear()
    finally:
        site.configure_role(json.dumps(documented_rules()))
    assert site.admin.keys() == []


def test_key_outside_of_the_rules_is_refused(site: RedisSite) -> None:
    with pytest.raises(NoPermissionError):
        handler(KEY_PREFIX="orders")["default"].set("a", 1)
    assert site.admin.keys() == []


def test_rotations_lose_and_repeat_no_increment(site: RedisSite) -> None:
    cache = handler(KEY_FUNCTION=lambda key, _prefix, _version: key)["default"]
    cache.set_many({f"visits:{number}": 0 for number in range(THREADS)})
    prove_rotations(site, users(), cache, ROTATIONS)
    assert only_current_user_exists(site, users())


def test_caches_of_threads_share_connections(site: RedisSite) -> None:
    every = handler()

    def use(number: int) -> None:
        every["default"].set(f"a{number}", number)

    for number in range(4):
        thread = threading.Thread(target=use, args=(number,))
        thread.start()
        thread.join()
    assert every["default"].get_many([f"a{number}" for number in range(4)]) == {
        f"a{number}": number for number in range(4)
    }
    assert len(leased_connections(site)) == 1


def test_forked_child_uses_a_user_of_its_own(site: RedisSite, cache: Any) -> None:
    cache.set("a", "of the parent")
    (before,) = leased_connections(site)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            found = cache.get("a")
            (user,) = {*leased_connections(site)} - {before}
            os.write(writer, f"{found}, read by {user}".encode())
            default_client.close()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as received:
        assert received.read().startswith("of the parent, read by V_")
    os.waitpid(child, 0)
    assert cache.get("a") == "of the parent"
    assert leased_connections(site) == [before]


def test_revoked_user_fails_at_most_one_command(site: RedisSite, cache: Any) -> None:
    cache.set("a", 1)
    site.revoke_all()
    with suppress(RedisConnectionError):
        cache.get("a")
    assert cache.get("a") == 1


def test_client_that_was_configured_anew_has_a_pool_of_its_own(site: RedisSite, cache: Any) -> None:
    cache.set("a", 1)
    default_client.close()
    assert eventually(lambda: leased_connections(site) == [])
    settings = Settings(Scope("shop", Environment.DEV), site.address)
    default_client.configure(settings, session=root(site.address))
    assert cache.get("a") == 1


def test_sessions_are_kept_in_the_cache(site: RedisSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "settings", handler().settings)
    monkeypatch.delattr(caches._connections, "default", raising=False)
    session = SessionStore()
    session["user_id"] = 7
    session.save()
    users().rotate()
    assert SessionStore(session.session_key)["user_id"] == 7
    assert len(site.admin.keys()) == 1
