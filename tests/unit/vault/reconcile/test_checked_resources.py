"""What is known before the first write of an apply: values that the operator does not provide."""

from __future__ import annotations

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.secret import Secret
from vault.declare.schema.field_types import Endpoint
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.plan import make_plan
from vault.reconcile.resources import AnyResource, CannotChange, Fields
from vault.reconcile.resources.auth import UserpassLogin
from vault.reconcile.resources.database import DatabaseConnection
from vault.reconcile.resources.groups import Group
from vault.reconcile.resources.jwt import OidcConfig
from vault.reconcile.resources.kubernetes import KubernetesConfig
from vault.reconcile.resources.ownership import ManagedResource, Owner
from vault.reconcile.resources.redis import RedisConnection
from vault.reconcile.resources.static_roles import StaticRole
from vault.reconcile.resources.transit import TransitKey

OWNER = Owner(Environment.STAGING)
ENDPOINT = Endpoint("127.0.0.1", 5432)
PATHS = {
    "database-connection": "database/config/shop-staging",
    "redis-connection": "database/config/shop-staging",
    "userpass": "auth/userpass/users/ada",
    "oidc-config": "auth/oidc/config/oidc_client_secret",
    "kubernetes-config": "auth/kubernetes/config/token_reviewer_jwt",
}


def resource(kind: str, inputs: Inputs) -> AnyResource:
    entry = OWNER.entry(kind, "shop-staging")
    if kind == "database-connection":
        return DatabaseConnection(
            "shop-staging", ENDPOINT, "shop", "shop_manager", (), "", inputs, entry
        )
    if kind == "redis-connection":
        return RedisConnection("shop-staging", ENDPOINT, "", "shop_manager", (), "", inputs, entry)
    if kind == "userpass":
        return UserpassLogin("ada", ("read",), 60, 60, inputs, entry)
    if kind == "oidc-config":
        return OidcConfig("oidc", "https://idp.example.com", "", "shop", "role", inputs, entry)
    return KubernetesConfig("kubernetes", "https://k8s.example.com", "", inputs, entry)


def check(checked: AnyResource, before: Fields | None) -> None:
    """Raise what is in the way of a managed resource that has *before* on the server."""
    managed = ManagedResource(checked, OWNER)
    found = None if before is None else {**before, **OWNER.marks}
    for _, error in make_plan([managed], [found]).obstacles:
        raise error


@pytest.mark.parametrize("kind", sorted({*PATHS} - {"kubernetes-config"}))
def test_object_that_needs_a_value_names_its_file_if_none_is_provided(kind: str) -> None:
    message = f"no value is provided for {PATHS[kind]}; write it to the file GIVEN/{PATHS[kind]} "
    with pytest.raises(ConfigurationError, match=message):
        check(resource(kind, Inputs()), None)
    check(resource(kind, Inputs({PATHS[kind]: Secret("given")})), None)


@pytest.mark.parametrize("kind", ["database-connection", "redis-connection", "userpass"])
def test_object_that_keeps_its_value_needs_none(kind: str) -> None:
    checked = resource(kind, Inputs())
    check(checked, dict.fromkeys(checked.desired(), "other"))


def test_reviewer_token_is_needed_if_the_server_has_one() -> None:
    path = PATHS["kubernetes-config"]
    checked = resource("kubernetes-config", Inputs())
    before = dict.fromkeys(checked.desired(), "other")
    check(checked, {**before, "token_reviewer_jwt_set": False})
    with pytest.raises(ConfigurationError, match=f"no value is provided for {path}"):
        check(checked, {**before, "token_reviewer_jwt_set": True})


@pytest.mark.parametrize(
    ("checked", "field"),
    [
        (TransitKey("shop-staging-pii"), "exportable"),
        (Group("ops", ("read",), "oidc", "ops"), "type"),
        (
            StaticRole(
                "shop-staging-a", "shop-staging", "shop_a", 60, "shop/staging/url", Inputs()
            ),
            "username",
        ),
    ],
)
def test_field_that_cannot_change_is_named(checked: AnyResource, field: str) -> None:
    check(checked, {**checked.desired(), field: checked.desired()[field]})
    with pytest.raises(CannotChange, match=f"^{field} is 'other' on the server and "):
        check(checked, {**checked.desired(), field: "other"})


def test_object_that_only_lacks_its_mark_is_not_checked() -> None:
    checked = resource("oidc-config", Inputs())
    unmarked = {**checked.desired(), **dict.fromkeys(OWNER.marks)}
    plan = make_plan([ManagedResource(checked, OWNER)], [unmarked])
    assert len(plan.changes) == 1
    assert plan.obstacles == []
