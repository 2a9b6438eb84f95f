"""Comparison of two environments, on one in-memory server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from app_integration.auth.methods import StaticToken
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from console.commands.deploy.environments import show_differences
from policies.render import render_policies
from tests.support.servers.dev_server import dev_server, root
from vault.declare.load import load
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.environment_diff import Differences, compare, read_state
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan as make_plan
from vault.reconcile.resources.kv import write_value

pytestmark = pytest.mark.requires("embedded")

STAGING, PROD = (Scope("gaara-store", each) for each in (Environment.STAGING, Environment.PROD))
GIVEN = ("database-url", "redis-url", "smtp-password")


@pytest.fixture
def server() -> Iterator[Session]:
    """Yield a server with staging and prod applied, except for databases and rate limits."""
    with dev_server() as address, root(address) as session:
        for scope in (STAGING, PROD):
            values = {
                f"secret/{each.secret(name)}": Secret(f"{name}-{each}")
                for each in load().scopes(scope.environment)
                for name in GIVEN
            }
            policies = render_policies(load(), scope.environment)
            resources = desired_resources(load(), scope.environment, policies, Inputs(values))
            absent = ("database", "rate-limit")
            there = [each for each in resources if not each.kind.startswith(absent)]
            apply(session, make_plan(session, there), lambda _: None)
        yield session


def differences(session: Session) -> Differences:
    key = secrets.token_bytes(32)
    return compare(*(read_state(session, load(), scope, key) for scope in (STAGING, PROD)))


def shown(found: Differences) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        show_differences(console, [found])
    return capture.get()


def test_environments_from_one_declaration_do_not_differ(server: Session) -> None:
    found = differences(server)
    assert not found
    assert found.unread == ()


def test_secret_missing_in_one_environment_is_named(server: Session) -> None:
    server.delete(f"secret/metadata/{PROD.secret('redis-url')}")
    server.delete(f"secret/data/{STAGING.secret('smtp-password')}")
    assert differences(server).missing == (
        "gaara-store/prod/redis-url has no value; gaara-store/staging/redis-url has one",
        "gaara-store/staging/smtp-password has no value; gaara-store/prod/smtp-password has one",
    )


def test_shared_value_is_reported_but_not_shown(server: Session) -> None:
    for scope, name in ((STAGING, "smtp-password"), (PROD, "redis-url")):
        write_value(server, scope.secret(name), Secret("the-same-password"))
    found = differences(server)
    assert found.same == (
        "gaara-store/staging/smtp-password and gaara-store/prod/redis-url have the same value",
    )
    assert "the-same-password" not in shown(found) + repr(found)
    assert "The same value in both: 1" in shown(found)


def test_different_policy_is_reported(server: Session) -> None:
    text = server.get(f"sys/policies/acl/{PROD}")["data"]["policy"]
    more = 'path "secret/data/gaara-store/prod/*" { capabilities = ["read", "list"] }'
    server.post(f"sys/policies/acl/{PROD}", {"policy": f"# by hand\n{text}\n{more}"})
    assert differences(server).policy == (
        "only gaara-store-prod: secret/data/gaara-store/ENV/* [list, read]",
    )
    server.delete(f"sys/policies/acl/{PROD}")
    assert differences(server).policy == (
        "policy gaara-store-prod does not exist or cannot be read",
    )


def test_starter_policy_is_compared(server: Session) -> None:
    path = f"sys/policies/acl/{STAGING.starter}"
    text = server.get(path)["data"]["policy"]
    more = 'path "auth/approle/role/gaara-store-staging/role-id" { capabilities = ["update"] }'
    server.post(path, {"policy": f"{text}\n{more}"})
    (found,) = differences(server).policy
    assert "only gaara-store-staging-starter: auth/approle/role/gaara-store-ENV/role-id" in found


def test_value_with_scheduled_deletion_exists_until_then(server: Session) -> None:
    name = PROD.secret("redis-url")
    server.post(f"secret/metadata/{name}", {"delete_version_after": "2h"})
    write_value(server, name, Secret("for two hours"))
    assert differences(server).missing == ()
    later = datetime.now(UTC) + timedelta(hours=3)
    side = read_state(server, load(), PROD, secrets.token_bytes(32), lambda: later)
    assert "redis-url" not in side.present


def test_values_that_cannot_be_read_are_reported_as_not_compared(server: Session) -> None:
    token = server.post("auth/token/create", {"policies": ["strongroom-plan"]})["auth"]
    with Session(server._addresses[0], StaticToken(Secret(token["client_token"]))) as planner:
        found = differences(planner)
    assert not found
    assert found.unread == ("gaara-store-staging", "gaara-store-prod")
    assert "Values were not compared" in shown(found)
