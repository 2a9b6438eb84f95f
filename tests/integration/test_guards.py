"""What the declared guards do on a real server: waiting, refusing, longer passwords."""

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
from vault.reconcile.credentials import APPLY_ROLE
from vault.reconcile.pacing import Pace
from vault.reconcile.planning.build import build_plan
from vault.reconcile.resources.guards import RateLimit

pytestmark = pytest.mark.requires("embedded")

USER = "auth/userpass/users/guarded"


@pytest.fixture
def login(deployment: Deployment) -> Iterator[str]:
    """Where somebody of our own logs in, with the password ``right``."""
    deployment.operator.post(USER, {"password": "right"})
    yield f"{deployment.local.access.vault_address}/v1/auth/userpass/login/guarded"
    deployment.operator.delete(USER)


def attempt(login: str, password: str) -> int:
    """The HTTP status of a login."""
    return requests.post(login, json={"password": password}, timeout=10).status_code


def test_whoever_guesses_has_to_wait_even_with_the_right_password(
    deployment: Deployment, login: str
) -> None:
    lockout = load().environment("dev").lockout
    assert lockout is not None
    assert attempt(login, "right") == HTTPStatus.OK
    for _ in range(lockout.threshold):
        assert attempt(login, "wrong") != HTTPStatus.OK
    assert attempt(login, "right") == HTTPStatus.FORBIDDEN
    accessor = deployment.operator.get("sys/auth")["data"]["userpass/"]["accessor"]
    deployment.operator.post(f"sys/locked-users/{accessor}/unlock/guarded")
    assert attempt(login, "right") == HTTPStatus.OK


def test_whoever_asks_too_often_is_refused(deployment: Deployment, login: str) -> None:
    quota = RateLimit("guarded-dev", "auth/userpass", 2, 60, 0)
    quota.write(deployment.operator, None)
    try:
        statuses = [attempt(login, "right") for _ in range(4)]
    finally:
        deployment.operator.delete("sys/quotas/rate-limit/guarded-dev")
    assert statuses == [HTTPStatus.OK] * 2 + [HTTPStatus.TOO_MANY_REQUESTS] * 2
    assert attempt(login, "right") == HTTPStatus.OK


def test_a_plan_keeps_to_a_quota(deployment: Deployment) -> None:
    local = deployment.local
    resources = local.desired(local.supply())
    quota = RateLimit("paced-dev", "", 30, 3, 0)
    hurried = Limits(deadline=2.0)
    login = AppRole(local.layout.role_id(APPLY_ROLE), local.layout.secret_id(APPLY_ROLE))
    address = local.access.vault_address
    quota.write(deployment.operator, None)
    try:
        with Session(address, login, limits=hurried) as session, pytest.raises(RateLimited):
            build_plan(session, resources)
        with Session(address, login, limits=hurried, through=Pace()) as session:
            changes = build_plan(session, resources).changes
    finally:
        with Session(address, login, through=Pace()) as session:
            session.delete("sys/quotas/rate-limit/paced-dev")
    assert changes == ()


def test_passwords_of_database_users_are_drawn_by_the_declared_policy(
    deployment: Deployment,
) -> None:
    policy = load().environment(Environment.DEV).password_policies["database"]
    lease = deployment.operator.get("database/creds/gaara-store-dev")
    password = lease["data"]["password"]
    deployment.operator.post("sys/leases/revoke", {"lease_id": lease["lease_id"]})
    assert len(password) == policy.length > 20
    assert password.isalnum()
