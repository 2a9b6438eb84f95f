"""The checks of people, quotas and password policies that the schema cannot make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.field_errors import Expected, assert_errors
from vault.declare.checks.people import problems

PEOPLE = {"ann": {"policies": ("developer",)}}
AUTH: dict[str, Any] = {"jwt": {}, "kubernetes": {}, "cert": {}, "oidc": {}}


def check(expected: Sequence[Expected], **sections: Any) -> None:
    assert_errors(problems(sections), expected)


def quotas(*paths: object) -> dict[str, Any]:
    return {f"q{number}": {"path": path} for number, path in enumerate(paths)}


def test_problems_of_an_empty_file_are_none() -> None:
    check([])


def test_a_lockout_without_people_is_rejected() -> None:
    start = "the file has the key 'lockout' (expected it only beside 'people', as nobody"
    check([("lockout", start)], lockout={"threshold": 5})
    check([("lockout", start)], lockout={"threshold": 5}, people={})
    check([], lockout={"threshold": 5}, people=PEOPLE)


class TestPasswordPolicies:
    """The password policy that a service names."""

    def test_an_unknown_policy_is_rejected_with_the_nearest(self) -> None:
        place = "services.shop.password_policy"
        start = f"{place} is the unknown policy 'datbase' (expected database or strong; did you"
        services = {"mail": {}, "shop": {"password_policy": "datbase"}}
        policies: dict[str, Any] = {"database": {}, "strong": {}}
        expected = (place, start, "mean 'database'?")
        check([expected], services=services, password_policies=policies)

    def test_a_policy_where_none_is_declared_is_rejected(self) -> None:
        place = "services.shop.password_policy"
        start = f"{place} is the unknown policy 'database' (expected none"
        check([(place, start)], services={"shop": {"password_policy": "database"}})

    @pytest.mark.parametrize("policy", [None, 5, ("datbase",), "database"])
    def test_a_declared_policy_or_no_text_is_accepted(self, policy: object) -> None:
        services = {"shop": {"password_policy": policy}}
        check([], services=services, password_policies={"database": {}})


class TestQuotas:
    """The mounts that a quota bounds."""

    @pytest.mark.parametrize(
        "path",
        ["secret", "transit", "database", "auth/approle", "auth/approle/login", ""],
        ids=["secrets", "keys", "database", "AppRole", "logins by AppRole", "server"],
    )
    def test_a_quota_of_what_is_always_there_is_accepted(self, path: str) -> None:
        check([], quotas=quotas(path))

    @pytest.mark.parametrize("method", ["jwt", "kubernetes", "cert", "oidc", "userpass"])
    def test_a_quota_of_an_auth_method_needs_that_method(self, method: str) -> None:
        mount, login = f"auth/{method}", f"auth/{method}/login"
        known = "auth/approle, database, secret or transit"
        expected = [
            (f"quotas.q{n}.path", f"quotas.q{n}.path is '{path}', which isn't mounted", known)
            for n, path in enumerate((mount, login))
        ]
        check(expected, quotas=quotas(mount, login))
        if method == "userpass":
            check([], quotas=quotas(mount, login), people=PEOPLE)
        else:
            check([], quotas=quotas(mount, login), auth={method: AUTH[method]})

    def test_an_unknown_mount_is_rejected_with_the_nearest(self) -> None:
        start = "quotas.q1.path is 'auth/aprole', which isn't mounted (expected auth/approle, "
        expected = ("quotas.q1.path", start, "did you mean 'auth/approle'?")
        check([expected], quotas=quotas("secret", "auth/aprole"))

    @pytest.mark.parametrize("path", ["secret/login", "auth", "auth/approle/", "login"])
    def test_a_part_of_a_mount_other_than_logins_is_rejected(self, path: str) -> None:
        start = f"quotas.q0.path is '{path}', which isn't mounted"
        check([("quotas.q0.path", start)], quotas=quotas(path))

    @pytest.mark.parametrize("path", ["secret", "auth/approle/login", ""])
    def test_each_later_quota_of_one_path_is_rejected(self, path: str) -> None:
        expected = [
            (f"quotas.{name}.path", f"quotas.{name}.path is that of 'q0' too (expected one quota")
            for name in ("q1", "q2")
        ]
        check(expected, quotas=quotas(path, path, path, "transit"))

    def test_a_quota_without_a_path_is_of_the_whole_server(self) -> None:
        start = "quotas.b.path is that of 'a' too"
        check([("quotas.b.path", start)], quotas={"a": {"rate": 5}, "b": {"path": ""}})

    def test_a_path_that_is_no_text_hides_no_other(self) -> None:
        start = "quotas.q1.path is 'nowhere', which isn't mounted"
        check([("quotas.q1.path", start)], quotas=quotas(5, "nowhere"))
