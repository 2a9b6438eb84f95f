"""Logins of another environment than the variables name."""

from __future__ import annotations

import pytest

from app_integration.names import Environment, Scope
from app_integration.session.foreign_login import describe_foreign_login, is_surely_foreign

LOCAL = Scope("billing", Environment("local"))


@pytest.mark.parametrize(
    "policies",
    [
        (),
        ("default",),
        ("billing-local",),
        ("billing-local-green", "default"),
        ("billing-dev", "billing-local"),
        ("strongroom-plan",),
        ("billingx-dev",),
    ],
)
def test_login_of_this_environment_or_of_no_service_is_not_described(
    policies: tuple[str, ...],
) -> None:
    assert describe_foreign_login(LOCAL, policies) == ""


@pytest.mark.parametrize("policies", [("default", "billing-dev"), ("billing-locally",)])
def test_login_of_another_environment_is_described(policies: tuple[str, ...]) -> None:
    other = f"this login is that of {policies[-1]}, but the variables name billing-local: "
    assert describe_foreign_login(LOCAL, policies).startswith(other)
    assert "STRONGROOM_SERVICE" not in describe_foreign_login(LOCAL, policies)
    assert is_surely_foreign(LOCAL, policies)


def test_login_of_another_service_perhaps_is_described_as_such() -> None:
    policies = ("default", "billing-admin-local")
    described = describe_foreign_login(LOCAL, policies)
    assert described == (
        "this login is that of billing-admin-local (perhaps another service), but the variables "
        "name billing-local: set STRONGROOM_ENVIRONMENT (or ENVIRONMENT) to the environment and "
        "STRONGROOM_SERVICE to the service of the login, or log in as billing-local"
    )
    assert not is_surely_foreign(LOCAL, policies)
    assert is_surely_foreign(LOCAL, (*policies, "billing-dev"))
    assert not is_surely_foreign(LOCAL, (*policies, "billing-local"))
