"""Tests of the checks of people, quotas and password policies that the schema cannot make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.field_errors import Expected, assert_errors
from vault.declare.checks.people import find_errors

PEOPLE = {"ann": {"policies": ("developer",)}}
AUTH: dict[str, Any] = {"jwt": {}, "kubernetes": {}, "cert": {}, "oidc": {}}


def check(expected: Sequence[Expected], **sections: Any) -> None:
    assert_errors(find_errors(sections), expected)


def quotas(*paths: object) -> dict[str, Any]:
    return {f"q{number}": {"path": path} for number, path in enumerate(paths)}


def test_empty_file_is_accepted() -> None:
    check([])


def test_lockout_without_people_is_rejected() -> None:
    start = "the file has the key 'lockout' (expected it only together with 'people', as"
    check([("lockout", start)], lockout={"threshold": 5})
    check([("lockout", start)], lockout={"threshold": 5}, people={})
    check([], lockout={"threshold": 5}, people=PEOPLE)


class TestPasswordPolicies:
    """Reference of a service to a password policy."""

    def test_unknown_policy_is_rejected_with_a_suggestion(self) -> None:
        place = "services.shop.password_policy"
        start = f"{place} is the unknown policy 'datbase' (expected database or strong; did you"
        services = {"mail": {}, "shop": {"password_policy": "datbase"}}
        policies: dict[str, Any] = {"database": {}, "strong": {}}
        expected = (place, start, "mean 'database'?")
        check([expected], services=services, password_policies=policies)

    def test_policy_without_declared_policies_is_rejected(self) -> None:
        place = "services.shop.password_policy"
        start = f"{place} is the unknown policy 'database' (expected none"
        check([(place, start)], services={"shop": {"password_policy": "database"}})

    @pytest.mark.parametrize("policy", [None, 5, ("datbase",), "database"])
    def test_declared_or_malformed_policy_is_accepted(self, policy: object) -> None:
        services = {"shop": {"password_policy": policy}}
        check([], services=services, password_policies={"database": {}})


class TestQuotas:
    """Mounts that a quota limits."""

    @pytest.mark.parametrize(
        "path", ["secret", "transit", "database", "auth/approle", "auth/approle/login", ""]
    )
    def test_quota_on_a_default_mount_is_accepted(self, path: str) -> None:
        check([], quotas=quotas(path))

    @pytest.mark.parametrize("method", ["jwt", "kubernetes", "cert", "oidc", "userpass"])
    def test_quota_on_an_undeclared_auth_method_is_rejected(self, method: str) -> None:
        mount, login = f"auth/{method}", f"auth/{method}/login"
        known = "auth/approle, database, secret or transit"
        expected = [
            (f"quotas.q{n}.path", f"quotas.q{n}.path is '{path}', which is not mounted", known)
            for n, path in enumerate((mount, login))
        ]
        check(expected, quotas=quotas(mount, login))
        if method == "userpass":
            check([], quotas=quotas(mount, login), people=PEOPLE)
        else:
            check([], quotas=quotas(mount, login), auth={method: AUTH[method]})

    def test_unknown_mount_is_rejected_with_a_suggestion(self) -> None:
        start = "quotas.q1.path is 'auth/aprole', which is not mounted (expected auth/approle, "
        expected = ("quotas.q1.path", start, "did you mean 'auth/approle'?")
        check([expected], quotas=quotas("secret", "auth/aprole"))

    @pytest.mark.parametrize("path", ["secret/login", "auth", "auth/approle/", "login"])
    def test_quota_on_part_of_a_mount_is_rejected_except_for_login(self, path: str) -> None:
        start = f"quotas.q0.path is '{path}', which is not mounted"
        check([("quotas.q0.path", start)], quotas=quotas(path))

    @pytest.mark.parametrize("path", ["secret", "auth/approle/login", ""])
    def test_repeated_path_is_rejected_at_each_later_quota(self, path: str) -> None:
        expected = [
            (f"quotas.{name}.path", f"quotas.{name}.path is also the path of 'q0' (expected one")
            for name in ("q1", "q2")
        ]
        check(expected, quotas=quotas(path, path, path, "transit"))

    def test_quota_without_a_path_limits_the_whole_server(self) -> None:
        start = "quotas.b.path is also the path of 'a'"
        check([("quotas.b.path", start)], quotas={"a": {"rate": 5}, "b": {"path": ""}})

    def test_path_that_is_not_text_does_not_hide_later_errors(self) -> None:
        start = "quotas.q1.path is 'nowhere', which is not mounted"
        check([("quotas.q1.path", start)], quotas=quotas(5, "nowhere"))
