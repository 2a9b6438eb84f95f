"""Paths of a policy compared with those that a service needs."""

from __future__ import annotations

import pytest

from app_integration.mounts import DEFAULT_MOUNTS
from app_integration.names import Environment, Scope
from policies.coverage import find_missing, find_reaching
from vault.reconcile.hcl.policy_rules import PolicyRules, Rule

SCOPE = Scope("shop", Environment.DEV)
NEEDED = "secret/data/shop/dev/smtp/password"


def rules(*paths: str, capability: str = "read") -> PolicyRules:
    return frozenset(Rule(path, frozenset((capability,))) for path in paths)


@pytest.mark.parametrize(
    "path",
    [
        NEEDED,
        "*",
        "secret/*",
        "secret/data/shop/dev/*",
        "secret/data/shop/dev/smtp/pass*",
        "secret/data/+/dev/smtp/password",
        "secret/+/shop/+/*",
        "secret/data/{{identity.entity.name}}/smtp/password",
    ],
)
def test_path_of_the_policy_covers_the_needed_one(path: str) -> None:
    assert list(find_missing(rules(path), rules(NEEDED))) == []


@pytest.mark.parametrize(
    "path",
    [
        "secret/dta/shop/dev/smtp/password",
        "secret/data/shop/dev/smtp",
        "secret/data/shop/dev/smtp/+/x",
        "secret/data/shop/dev/+",
        "secret/data/sh+/dev/smtp/password",
        "secret/*/shop/dev/smtp/password",
        "Secret/data/shop/dev/smtp/password",
        "secretXdata/shop/dev/smtp/password",
    ],
)
def test_path_of_the_policy_does_not_cover_the_needed_one(path: str) -> None:
    found = list(find_missing(rules(path), rules(NEEDED)))
    assert found == [(NEEDED, frozenset(("read",)))]


def test_rule_for_the_path_itself_decides_and_capabilities_are_compared() -> None:
    everything = rules("*")
    assert list(find_missing(everything | rules(NEEDED, capability="list"), rules(NEEDED)))
    assert list(find_missing(everything | rules(NEEDED, capability="deny"), rules(NEEDED)))
    # The server takes the closest pattern, which is not evaluated here.
    assert not list(find_missing(everything | rules("s*", capability="deny"), rules(NEEDED)))


@pytest.mark.parametrize(
    "path",
    [
        "*",
        "secret/*",
        "secret/data/*",
        "secret/data/+/dev/*",
        "secret/data/+/dev/smtp/password",
        "transit/decrypt/*",
        "database/creds/+",
    ],
)
def test_path_that_covers_another_service_is_found(path: str) -> None:
    own = rules(path, NEEDED)
    assert find_reaching(own, rules(NEEDED), SCOPE, DEFAULT_MOUNTS) == [path]


@pytest.mark.parametrize(
    "path",
    [
        "secret/data/shop/dev/*",
        "secret/data/shop/+/smtp/password",
        "transit/decrypt/shop-dev-*",
        "database/creds/shop-dev-+",
        "auth/token/*",
        "secret/data/mail/dev/token",  # written out, so that it was meant
        "secret/data/{{identity.entity.name}}/*",
    ],
)
def test_path_that_covers_no_other_service_is_not_found(path: str) -> None:
    assert find_reaching(rules(path), rules(NEEDED), SCOPE, DEFAULT_MOUNTS) == []


def test_path_that_only_denies_is_not_found() -> None:
    own = rules("secret/data/*", capability="deny")
    assert find_reaching(own, rules(NEEDED), SCOPE, DEFAULT_MOUNTS) == []
