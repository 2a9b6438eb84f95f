"""Tests of the checks of database users over a whole declaration."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from tests.support.field_errors import Expected, assert_errors
from vault.declare.checks.database_user import find_errors, find_service_errors

#: Some of these services run in no environment of the test, but their users are reserved too.
SERVICES = ("gaara-store", "shop", "mail", "No Name")


def adopting(**users: object) -> dict[str, Any]:
    """Return an environment file in which secrets, such as ``shop__url``, adopt the users."""
    services: dict[str, Any] = {}
    for place, user in users.items():
        service, secret = place.split("__")
        adopted = services.setdefault(service, {"adopted": {}})["adopted"]
        adopted[secret] = {"username": user}
    return {"services": services}


def check(
    expected: Sequence[Expected], data: dict[str, Any], services: Collection[str] = SERVICES
) -> None:
    assert_errors(find_errors(data, services=services), expected)


class TestAdoptedUsers:
    """Adopted users: one secret for each, and nothing else depends on the user."""

    @pytest.mark.parametrize("data", [{}, {"services": {"shop": {}}}, {"services": None}])
    def test_file_without_adopted_users_is_accepted(self, data: dict[str, Any]) -> None:
        check([], data)

    def test_one_user_for_each_secret_is_accepted(self) -> None:
        check([], adopting(shop__url="shop_app", shop__other="reports", mail__url="mail_app"))

    @pytest.mark.parametrize(
        ("user", "whose"),
        [
            ("postgres", "the superuser"),
            ("pg_monitor", "a name that PostgreSQL reserves"),
            ("shop_manager", "the manager of the service shop"),
            ("shop_owner", "the owner of the service shop"),
            ("shop_readonly", "the readonly role of the service shop"),
            ("gaara_store_manager", "the manager of the service gaara-store"),
            ("gaara_store_owner", "the owner of the service gaara-store"),
        ],
    )
    def test_user_that_others_depend_on_is_rejected(self, user: str, whose: str) -> None:
        place = "services.shop.adopted.url.username"
        start = f"{place} is '{user}', {whose} (expected a user that nothing else depends on"
        check([(place, start)], adopting(shop__url=user))

    @pytest.mark.parametrize("user", ["pgbouncer", "a_pg_", "postgres1", "nobody_manager"])
    def test_user_with_a_similar_name_is_accepted(self, user: str) -> None:
        check([], adopting(shop__url=user))

    def test_repeated_user_is_rejected_at_each_later_secret(self) -> None:
        where = "services.shop.adopted.url (expected one secret for each user"
        places = [
            f"services.{name}.username" for name in ("shop.adopted.other", "mail.adopted.url")
        ]
        expected = [(place, f"{place} is 'reports', as in {where}") for place in places]
        users = {"shop__url": "reports", "shop__other": "reports", "mail__url": "reports"}
        check(expected, adopting(**users))

    @pytest.mark.parametrize("user", ["shop_app", "gaara_store_app"])
    def test_user_of_another_service_is_rejected(self, user: str) -> None:
        place = "services.mail.adopted.url.username"
        service = user.removesuffix("_app").replace("_", "-")
        start = f"{place} is '{user}', the user of the service {service} (expected a user that "
        check([(place, start, "nothing else depends on")], adopting(mail__url=user))

    def test_user_of_an_undeclared_service_is_accepted(self) -> None:
        check([], adopting(mail__url="shop_app"), services=("mail",))

    def test_user_that_is_not_text_does_not_hide_later_errors(self) -> None:
        place = "services.shop.adopted.other.username"
        start = f"{place} is 'postgres', the superuser"
        check([(place, start)], adopting(shop__url=5, shop__other="postgres"))


class TestPairedUsers:
    """Paired users: two for each secret, and nothing else depends on them."""

    @staticmethod
    def pairing(*users: object, **adopted: str) -> dict[str, Any]:
        entry = {"paired": {"url": {"usernames": users}}}
        other = {"adopted": {key: {"username": user} for key, user in adopted.items()}}
        return {"services": {"shop": {**entry, **other}}}

    def test_two_users_are_accepted(self) -> None:
        check([], self.pairing("shop_app_a", "shop_app_b", other="reports"))

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (("shop_a", "postgres"), "is 'postgres', the superuser"),
            (("shop_a", "shop_a"), "is 'shop_a', as in services.shop.paired.url"),
            ((5, "shop_owner"), "is 'shop_owner', the owner of the service shop"),
        ],
    )
    def test_user_that_is_taken_is_rejected(self, data: tuple[object, ...], message: str) -> None:
        place = "services.shop.paired.url.usernames"
        check([(place, f"{place} {message}")], self.pairing(*data))

    def test_user_that_is_adopted_is_rejected(self) -> None:
        place = "services.shop.paired.url.usernames"
        start = f"{place} is 'reports', as in services.shop.adopted.other"
        check([(place, start)], self.pairing("shop_a", "reports", other="reports"))


class TestServices:
    """Names of the users that a service would get."""

    def test_service_with_reserved_user_names_is_rejected(self) -> None:
        start = "service is 'pg-tools', whose database users would begin with pg_ (expected another"
        expected = "first word, as PostgreSQL reserves such names)"
        found = find_service_errors({"database": {}}, stem="pg-tools")
        assert_errors(found, [("service", start, expected)])

    @pytest.mark.parametrize(
        ("data", "stem"),
        [
            ({}, "pg-tools"),
            ({"database": {"of": "shop"}}, "pg-tools"),
            ({"database": {}}, "pgtools"),
            ({"database": {}}, "tools-pg"),
            ({"database": {}}, "PG Tools"),
        ],
        ids=["without a database", "another's", "one word", "last word", "no name"],
    )
    def test_other_service_is_accepted(self, data: dict[str, Any], stem: str) -> None:
        assert_errors(find_service_errors(data, stem=stem), [])
