"""Comparison of two environments, without a server: the reported lines, and no secret value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_bytes
from typing import Any

import pytest

from app_integration.errors import AccessDenied
from app_integration.names import Environment, Scope
from policies.render import render_policies
from tests.unit.vault.conftest import FixedResponses
from vault.declare.load import load
from vault.declare.schema.server import MountPaths
from vault.reconcile.environment_diff import Differences, EnvironmentState, compare, read_state

SERVICE = "gaara-store"
STAGING, PROD = Scope(SERVICE, Environment.STAGING), Scope(SERVICE, Environment.PROD)
KEY = bytes(32)
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
NAMES = sorted(load().secrets(STAGING))


class Server(FixedResponses):
    """A server with the policies and secrets of a service in an environment."""

    def __init__(self, scope: Scope) -> None:
        super().__init__({})
        self.scope = scope
        rendered = render_policies(load(), scope.environment)
        for name in (str(scope), scope.starter):
            self.policy(name, rendered[name])
        for name in NAMES:
            self.secret(name, f"{scope.environment}-{name}")

    def policy(self, name: str, text: str) -> None:
        self.responses[f"sys/policies/acl/{name}"] = {"policy": text}

    def secret(self, name: str, value: str, **about: Any) -> None:
        version = {"destroyed": False, "deletion_time": "", **about}
        metadata = {"current_version": 2, "versions": {"1": {}, "2": version}}
        self.responses[f"secret/metadata/{self.scope.secret(name)}"] = metadata
        self.responses[f"secret/data/{self.scope.secret(name)}"] = {"data": {"value": value}}

    def side(self, key: bytes = KEY) -> EnvironmentState:
        return read_state(self, load(), self.scope, key, lambda: NOW)


@pytest.fixture
def staging() -> Server:
    return Server(STAGING)


@pytest.fixture
def prod() -> Server:
    return Server(PROD)


def differences(staging: Server, prod: Server) -> Differences:
    return compare(staging.side(), prod.side())


def test_compare_of_environments_as_declared_is_empty(staging: Server, prod: Server) -> None:
    found = differences(staging, prod)
    assert found == Differences((), (), (), ())
    assert not found


class TestSecrets:
    """Secrets that have a value, and secrets that share one."""

    def test_secret_without_value_is_reported_once(self, staging: Server, prod: Server) -> None:
        del prod.responses[f"secret/metadata/{PROD.secret('jwt-secret')}"]
        found = differences(staging, prod)
        assert found.missing == (
            "gaara-store/prod/jwt-secret has no value; gaara-store/staging/jwt-secret has one",
        )
        assert found

    def test_secret_without_value_is_reported_for_either_side(
        self, staging: Server, prod: Server
    ) -> None:
        del staging.responses[f"secret/metadata/{STAGING.secret('jwt-secret')}"]
        assert differences(staging, prod).missing == (
            "gaara-store/staging/jwt-secret has no value; gaara-store/prod/jwt-secret has one",
        )

    def test_secret_declared_by_one_side_is_reported_as_not_declared(self) -> None:
        nothing: Mapping[str, Any] = {}
        one = EnvironmentState(STAGING, frozenset("a"), frozenset("a"), nothing, {}, unread=False)
        other = EnvironmentState(PROD, frozenset(), frozenset(), nothing, {}, unread=False)
        assert compare(one, other).missing == (
            "gaara-store/prod/a is not declared; gaara-store/staging/a has one",
        )

    @pytest.mark.parametrize(
        ("about", "there"),
        [
            ({"destroyed": True}, False),
            ({"deletion_time": "2026-01-31T09:29:59.5Z"}, False),
            ({"deletion_time": "2026-01-31T09:30:00Z"}, False),
            ({"deletion_time": "2026-01-31T09:30:00.5Z"}, True),
            ({"deletion_time": "2026-01-31T09:30:01Z"}, True),
            ({"deletion_time": ""}, True),
        ],
    )
    def test_deleted_version_counts_as_no_value(
        self, staging: Server, prod: Server, about: dict[str, Any], there: bool
    ) -> None:
        prod.secret("jwt-secret", "x", **about)
        assert (differences(staging, prod).missing == ()) is there

    def test_secret_without_current_version_counts_as_no_value(
        self, staging: Server, prod: Server
    ) -> None:
        metadata = {"current_version": 0, "versions": {}}
        prod.responses[f"secret/metadata/{PROD.secret('jwt-secret')}"] = metadata
        assert len(differences(staging, prod).missing) == 1

    def test_equal_values_are_reported_without_the_value(
        self, staging: Server, prod: Server
    ) -> None:
        staging.secret("jwt-secret", "shared-value")
        prod.secret("smtp-password", "shared-value")
        found = differences(staging, prod)
        assert found.same == (
            "gaara-store/staging/jwt-secret and gaara-store/prod/smtp-password have the same value",
        )
        assert found
        assert "shared-value" not in repr((staging.side(), found))

    def test_values_are_equal_only_under_the_same_key(self, staging: Server, prod: Server) -> None:
        staging.secret("jwt-secret", "shared-value")
        prod.secret("jwt-secret", "shared-value")
        assert compare(staging.side(token_bytes(32)), prod.side(token_bytes(32))).same == ()
        assert len(compare(staging.side(), prod.side()).same) == 1

    def test_values_that_cannot_be_read_are_not_compared(
        self, staging: Server, prod: Server
    ) -> None:
        staging.responses[f"secret/data/{STAGING.secret(NAMES[-1])}"] = AccessDenied("no")
        side = staging.side()
        assert (side.values, side.unread) == ({}, True)
        assert differences(staging, prod).unread == ("gaara-store-staging",)
        assert not prod.side().unread


class TestPolicies:
    """Rules that only one environment's policy has."""

    def test_rule_of_one_side_is_reported_with_its_capabilities(
        self, staging: Server, prod: Server
    ) -> None:
        text = staging.responses["sys/policies/acl/gaara-store-staging"]["policy"]
        more = 'path "secret/data/gaara-store/staging/more" { capabilities = ["update", "read"] }'
        staging.policy("gaara-store-staging", text + more)
        assert differences(staging, prod).policy == (
            "only gaara-store-staging: secret/data/gaara-store/ENV/more [read, update]",
        )

    def test_rules_are_sorted_by_path(self, staging: Server, prod: Server) -> None:
        staging.policy("gaara-store-staging", "")
        told = [line for line in differences(staging, prod).policy if line.startswith("only")]
        assert told == sorted(told, key=lambda line: line.split()[2])
        assert {line.split(":")[0] for line in told} == {"only gaara-store-prod"}

    def test_rules_with_different_limits_differ(self, staging: Server, prod: Server) -> None:
        name = "sys/policies/acl/gaara-store-staging"
        text = staging.responses[name]["policy"]
        assert '"database/creds/gaara-store-staging/*"' in text
        staging.policy(
            "gaara-store-staging", text.replace("creds/gaara-store-staging/*", "creds/*")
        )
        told = differences(staging, prod).policy
        assert [line.split(":")[0] for line in told] == [
            *["only gaara-store-staging"] * 2,
            *["only gaara-store-prod"] * 2,
        ]
        assert all("sys/leases/" in line for line in told)

    def test_missing_policy_is_reported(self, staging: Server, prod: Server) -> None:
        del prod.responses["sys/policies/acl/gaara-store-prod-starter"]
        found = differences(staging, prod).policy
        assert found == ("policy gaara-store-prod-starter does not exist or cannot be read",)

    def test_policy_with_invalid_hcl_is_reported(self, staging: Server, prod: Server) -> None:
        staging.policy("gaara-store-staging", "path {")
        found = differences(staging, prod).policy
        assert found == ("policy gaara-store-staging does not exist or cannot be read",)

    def test_policy_declared_by_one_side_is_reported(self, staging: Server, prod: Server) -> None:
        one, other = staging.side(), prod.side()
        fewer = {name: rules for name, rules in other.policies.items() if "starter" not in name}
        remove = EnvironmentState(
            PROD, other.declared, other.present, fewer, other.values, unread=False
        )
        found = compare(one, remove).policy
        assert found == (
            "only gaara-store-staging declares a policy like gaara-store-staging-starter",
        )

    def test_only_the_services_own_paths_are_made_neutral(self) -> None:
        server = Server(STAGING)
        paths = [
            "secret/data/gaara-store/staging/a",
            "secret/data/other/staging/a",
            "transit/encrypt/gaara-store-staging",
            "transit/encrypt/gaara-store-staging-pii",
            "transit/encrypt/gaara-store-stagings",
            "gaara-store/staging",
            "staging/gaara-store",
        ]
        rules = "".join(f'path "{path}" {{ capabilities = ["read"] }}' for path in paths)
        server.policy("gaara-store-staging", rules)
        found = server.side().policies["gaara-store-ENV"]
        assert found is not None
        assert {rule.path for rule in found} == {
            "secret/data/gaara-store/ENV/a",
            "secret/data/other/staging/a",
            "transit/encrypt/gaara-store-ENV",
            "transit/encrypt/gaara-store-ENV-pii",
            "transit/encrypt/gaara-store-stagings",
            "gaara-store/ENV",
            "staging/gaara-store",
        }


def test_other_mounts_are_no_difference() -> None:
    prod = load().environment(Environment.PROD)
    paths = {"kv": "team/kv", "transit": "team/keys", "database": "team/db", "approle": "team"}
    vault = prod.vault.model_copy(update={"mounts": MountPaths(**paths)})
    changed = prod.model_copy(update={"vault": vault})
    declared = replace(load(), environments={**load().environments, Environment.PROD: changed})
    server = Server(PROD)
    server.responses = {
        path.replace("secret/", "team/kv/", 1): each for path, each in server.responses.items()
    }
    for name in (str(PROD), PROD.starter):
        server.policy(name, render_policies(declared, Environment.PROD)[name])
    found = read_state(server, declared, PROD, KEY, lambda: NOW)
    usual = read_state(Server(STAGING), load(), STAGING, KEY, lambda: NOW)
    assert found.present == frozenset(NAMES)
    assert compare(usual, found).policy == ()
