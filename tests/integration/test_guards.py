"""Declared protection on a real server: lockout, rate limits and password policies."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import pytest
import requests

from app_integration.auth.methods import AppRole
from app_integration.errors import RateLimited
from app_integration.names import Environment
from app_integration.session.session import Session
from app_integration.settings import Limits
from tests.support.servers.deployment import Deployment
from vault.declare.load import load
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.resources.guards import RateLimit
from vault.reconcile.shared_backoff import SharedBackoff

pytestmark = pytest.mark.requires("embedded")

USER = "auth/userpass/users/guarded"


@pytest.fixture
def login(deployment: Deployment) -> Iterator[str]:
    """Yield the URL of a userpass login whose password is ``right``."""
    deployment.operator.post(USER, {"password": "right"})
    yield f"{deployment.local.ports.vault_address}/v1/auth/userpass/login/guarded"
    deployment.operator.delete(USER)


def try_login(login: str, password: str) -> int:
    """Return the HTTP status of a login."""
    return requests.post(login, json={"password": password}, timeout=10).status_code


def test_lockout_after_wrong_passwords_rejects_the_right_one(
    deployment: Deployment, login: str
) -> None:
    lockout = load().environment("dev").lockout
    assert lockout is not None
    assert try_login(login, "right") == HTTPStatus.OK
    for _ in range(lockout.threshold):
        assert try_login(login, "wrong") != HTTPStatus.OK
    assert try_login(login, "right") == HTTPStatus.FORBIDDEN
    accessor = deployment.operator.get("sys/auth")["data"]["userpass/"]["accessor"]
    deployment.operator.post(f"sys/locked-users/{accessor}/unlock/guarded")
    assert try_login(login, "right") == HTTPStatus.OK


def test_wrong_secret_ids_do_not_lock_out_the_right_one(deployment: Deployment) -> None:
    layout = deployment.layout
    role_id = layout.service_role_id("gaara-store-dev").read_text()
    right = layout.service_secret_id("gaara-store-dev").read_text()
    login = f"{deployment.local.ports.vault_address}/v1/auth/approle/login"

    def log_in(secret_id: str) -> int:
        body = {"role_id": role_id, "secret_id": secret_id}
        return requests.post(login, json=body, timeout=10).status_code

    assert [log_in("wrong") for _ in range(10)] == [HTTPStatus.BAD_REQUEST] * 10
    assert log_in(right) == HTTPStatus.OK


def test_lockout_of_approle_is_drift(deployment: Deployment) -> None:
    enabled = {"user_lockout_config": {"lockout_disable": False}}
    deployment.operator.post("sys/mounts/auth/approle/tune", enabled)
    local = deployment.local
    plan = build_plan(deployment.operator, local.desired(local.inputs()))
    assert [str(change) for change in plan.changes] == ["update mount auth/approle"]
    apply(deployment.operator, plan, lambda _: None)
    assert build_plan(deployment.operator, local.desired(local.inputs())).changes == ()


def test_requests_above_the_rate_limit_are_rejected(deployment: Deployment, login: str) -> None:
    quota = RateLimit("guarded-dev", "auth/userpass", 2, 60, 0)
    quota.write(deployment.operator, None)
    try:
        statuses = [try_login(login, "right") for _ in range(4)]
    finally:
        deployment.operator.delete("sys/quotas/rate-limit/guarded-dev")
    assert statuses == [HTTPStatus.OK] * 2 + [HTTPStatus.TOO_MANY_REQUESTS] * 2
    assert try_login(login, "right") == HTTPStatus.OK


def test_plan_waits_under_a_rate_limit(deployment: Deployment) -> None:
    local = deployment.local
    resources = local.desired(local.inputs())
    quota = RateLimit("limited-dev", "", 60, 3, 0)
    hurried = Limits(deadline=2.0)
    login = AppRole(local.layout.role_id(APPLY_JOB), local.layout.secret_id(APPLY_JOB))
    address, backoff = local.ports.vault_address, SharedBackoff()
    quota.write(deployment.operator, None)
    try:
        with Session(address, login, limits=hurried) as session, pytest.raises(RateLimited):
            build_plan(session, resources)
        with Session(
            address, login, limits=hurried, clock=backoff.clock, wrap_sender=backoff
        ) as session:
            changes = build_plan(session, resources).changes
    finally:
        with Session(address, login, clock=backoff.clock, wrap_sender=backoff) as session:
            session.delete("sys/quotas/rate-limit/limited-dev")
    assert changes == ()


def test_database_passwords_follow_the_declared_policy(deployment: Deployment) -> None:
    policy = load().environment(Environment.DEV).password_policies["database"]
    lease = deployment.operator.get("database/creds/gaara-store-dev")
    password = lease["data"]["password"]
    deployment.operator.post("sys/leases/revoke", {"lease_id": lease["lease_id"]})
    assert len(password) == policy.length > 20
    assert password.isalnum()
