"""Plan and apply of a Redis connection and its role, on a real Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from app_integration.database import LeasedRedisPool
from app_integration.names import Environment
from app_integration.secret import Secret
from local.ports import HOST
from tests.support.databases.redis_site import ROLE, RedisSite, leased, redis_site
from vault.declare.schema.field_types import Endpoint
from vault.declare.server_names import FINGERPRINT_KEY
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources import Resource
from vault.reconcile.resources.database import DatabaseRole
from vault.reconcile.resources.lease_statements import AclGrant
from vault.reconcile.resources.mounts import KvConfig, Mount
from vault.reconcile.resources.ownership import Owner
from vault.reconcile.resources.redis import RedisConnection
from vault.reconcile.resources.transit import TransitKey

pytestmark = pytest.mark.requires("embedded")

NAME = "shop-dev-redis"
OWNER = Owner(Environment.DEV)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSite]:
    with redis_site(tmp_path_factory.mktemp("redis")) as running:
        running.session.delete(f"database/roles/{ROLE}")
        running.session.delete(f"database/config/{NAME}")
        yield running


def inputs(site: RedisSite, password: str | None = None) -> Inputs:
    value = site.manager.password() if password is None else Secret(password)
    return Inputs({f"database/config/{NAME}": value})


def declared(site: RedisSite, given: Inputs | None = None) -> list[Resource]:
    connection = RedisConnection(
        name=NAME,
        endpoint=Endpoint(HOST, site.valkey.port),
        ca="",
        username=site.manager.username,
        allowed_roles=(ROLE,),
        password_policy="",
        inputs=inputs(site) if given is None else given,
        ownership=OWNER.entry(RedisConnection.kind, NAME),
    )
    grant = AclGrant(("~visits:*", "+@read", "+incrby"))
    return [
        Mount("mounts", "secret", "kv", "secrets", version=2),
        KvConfig("secret", 10),
        Mount("mounts", "transit", "transit", "keys"),
        TransitKey(FINGERPRINT_KEY),
        connection,
        DatabaseRole(ROLE, NAME, grant, ttl=60, max_ttl=120),
    ]


def plan(site: RedisSite, found: list[Resource]) -> Plan:
    return build_plan(site.session, found)


def apply_plan(site: RedisSite, found: Plan) -> None:
    apply(site.session, found, lambda _change: None)


def fields(found: Plan) -> set[str]:
    return {field.field for change in found.changes for field in change.fields}


@pytest.fixture
def applied(site: RedisSite) -> RedisSite:
    apply_plan(site, plan(site, declared(site)))
    return site


def test_second_plan_is_empty(applied: RedisSite) -> None:
    assert plan(applied, declared(applied)).changes == ()


def test_plan_without_the_password_is_empty(applied: RedisSite) -> None:
    assert plan(applied, declared(applied, Inputs())).changes == ()


def test_leased_user_has_the_declared_rules_only(applied: RedisSite) -> None:
    with (
        leased(applied) as users,
        redis.Redis.from_pool(LeasedRedisPool(users, applied.url)) as client,
    ):
        assert client.incr("visits:a") == 1
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.get("others:a")
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.acl_list()


def test_manager_may_not_read_keys(applied: RedisSite) -> None:
    manager = applied.manager
    credentials: dict[str, Any] = {
        "username": manager.username,
        "password": manager.password().reveal(),
    }
    with (
        redis.Redis(host=HOST, port=applied.valkey.port, **credentials) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.get("visits:a")


def test_changed_rules_are_planned_and_applied(applied: RedisSite) -> None:
    *others, role = declared(applied)
    assert isinstance(role, DatabaseRole)
    changed = [*others, replace(role, grant=AclGrant(("~visits:*", "+get")))]
    found = plan(applied, changed)
    assert fields(found) == {"creation_statements"}
    apply_plan(applied, found)
    assert plan(applied, changed).changes == ()


def test_wrong_password_is_rejected_and_the_connection_stays(applied: RedisSite) -> None:
    wrong = declared(applied, inputs(applied, "another-password"))
    found = plan(applied, wrong)
    assert fields(found) == {"password"}
    with pytest.raises(Exception, match="database/config") as failed:
        apply_plan(applied, found)
    assert "another-password" not in str(failed.value)
    assert applied.session.get(f"database/creds/{ROLE}")["data"]["username"]


def test_manager_survives_a_restart_of_redis(applied: RedisSite) -> None:
    applied.restart()
    assert applied.session.get(f"database/creds/{ROLE}")["data"]["username"]


def test_manager_is_created_again_on_a_running_server(applied: RedisSite) -> None:
    username = applied.manager.username
    applied.admin.acl_deluser(username)
    applied.valkey._account.ensure_manager(applied.manager)
    assert username in applied.admin.acl_users()
