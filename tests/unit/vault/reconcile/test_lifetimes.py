"""TTLs in force, by rule; the integration test compares the rules with a real server."""

from __future__ import annotations

import pytest

from vault.reconcile.lifetimes import cap_lifetimes, comparable_lifetimes, longest_lifetime

MOUNT = 1000


@pytest.mark.parametrize(
    ("role", "granted"),
    [
        ({"secret_id_ttl": 900}, {"secret_id_ttl": 900}),
        ({"secret_id_ttl": 1000}, {"secret_id_ttl": 1000}),
        ({"secret_id_ttl": 1001}, {"secret_id_ttl": 1000}),
        ({"secret_id_ttl": 0}, {"secret_id_ttl": 0}),
        ({"token_period": 2000}, {"token_period": 1000}),
        ({"token_ttl": 500, "token_max_ttl": 400}, {"token_ttl": 400, "token_max_ttl": 400}),
        ({"token_ttl": 500, "token_max_ttl": 0}, {"token_ttl": 500, "token_max_ttl": 0}),
        ({"default_ttl": "10m", "max_ttl": "1h"}, {"default_ttl": 600, "max_ttl": 1000}),
        ({"default_ttl": 600, "max_ttl": 300}, {"default_ttl": 300, "max_ttl": 300}),
        ({"policies": ["x"], "ttl": 5000}, {}),
    ],
)
def test_ttl_is_capped_by_role_and_mount(role: dict[str, object], granted: dict[str, int]) -> None:
    assert cap_lifetimes(role, MOUNT) == granted


@pytest.mark.parametrize("field", ["token_max_ttl", "token_explicit_max_ttl"])
def test_token_period_is_capped_by_the_roles_maximum(field: str) -> None:
    assert cap_lifetimes({"token_period": 600, field: 60}, MOUNT)["token_period"] == 60


def test_ttl_of_a_role_that_differs_is_compared_uncapped() -> None:
    role = {"token_period": 2000, "secret_id_ttl": 3000}
    assert comparable_lifetimes(role, MOUNT, {"token_period": 2000, "secret_id_ttl": 2500}) == {
        "token_period": 1000,
        "secret_id_ttl": 3000,
    }


def test_longest_lifetime_ignores_fields_that_are_no_ttl() -> None:
    role = {"token_period": 3600, "secret_id_ttl": 86_400, "token_num_uses": 10**9}
    assert longest_lifetime(role) == 86_400
    assert longest_lifetime({"policy": "x"}) == 0
