"""Tests of the checks of databases that several services use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.field_errors import Expected, assert_errors
from vault.declare.checks.database_ownership import find_environment_errors, find_errors
from vault.declare.checks.service import owns_database

OWN = {"engine": "postgresql", "name": "shop", "roles": {"default": {}}}
SHOP: dict[str, Any] = {"database": {**OWN, "share": {"mail": ("readonly",)}}}
MAIL: dict[str, Any] = {"database": {"of": "shop", "roles": {"readonly": {}}}}
SERVICES: dict[str, Any] = {"shop": SHOP, "mail": MAIL, "plain": {}, "unknown": None}
OF = "database.of"


def check(expected: Sequence[Expected], data: Any, stem: str = "mail", **others: Any) -> None:
    services = {**SERVICES, **others, stem: data}
    assert_errors(find_errors(data, stem=stem, services=services), expected)


def using(owner: object, *roles: str) -> dict[str, Any]:
    return {"database": {"of": owner, "roles": {key: {} for key in roles or ("readonly",)}}}


class TestOwner:
    """The service that ``of`` names."""

    def test_admitted_service_is_accepted(self) -> None:
        check([], MAIL)
        check([], SHOP, "shop")

    @pytest.mark.parametrize("data", [{}, {"database": None}, {"database": 5}, using(5)])
    def test_service_that_names_no_owner_is_accepted(self, data: dict[str, Any]) -> None:
        check([], data)

    def test_unknown_owner_is_rejected_with_a_similar_name(self) -> None:
        start = f"{OF} is the unknown service 'shoop' (expected plain, shop or unknown; did you"
        check([(OF, start, "mean 'shop'?")], using("shoop"))

    def test_owner_whose_file_is_invalid_is_not_judged(self) -> None:
        check([], using("unknown"))

    def test_service_itself_is_rejected(self) -> None:
        start = f"{OF} is the service itself (expected another service, or engine and name"
        check([(OF, start)], using("mail"))

    def test_service_without_a_database_is_rejected(self) -> None:
        start = f"{OF} is 'plain', which declares no database (expected a service with a database"
        check([(OF, start, "of its own")], using("plain"))

    @pytest.mark.parametrize("further", ["shop", "mail"], ids=["chain", "circle"])
    def test_service_that_itself_uses_another_one_is_rejected(self, further: str) -> None:
        start = f"{OF} is 'relay', which itself uses the database of {further} (expected the"
        expected = "service that owns the database; one with engine and name"
        check([(OF, start, expected)], using("relay"), relay=using(further))


class TestAdmission:
    """Roles that the owner's file admits."""

    PLACE = "database.roles.readonly"

    @pytest.mark.parametrize(
        "share",
        [{}, {"plain": ("readonly",)}, {"mail": ()}, {"mail": ("writer",)}, {"mail": "readonly"}],
        ids=["nobody", "another", "to nothing", "to something else", "no list"],
    )
    def test_role_that_is_not_admitted_is_rejected(self, share: dict[str, Any]) -> None:
        start = f"{self.PLACE} is not admitted by services/shop.yaml (expected 'mail: [readonly]'"
        expected = (self.PLACE, start, "under its 'database.share'")
        check([expected], MAIL, shop={"database": {**OWN, "share": share}})

    def test_each_role_is_checked(self) -> None:
        place = "database.roles.writer"
        check([(place, f"{place} is not admitted")], using("shop", "readonly", "writer"))

    def test_unknown_service_in_share_is_rejected(self) -> None:
        place = "database.share.mial"
        start = "database.share admits the unknown service 'mial' (expected mail, plain or unknown"
        shop = {"database": {**OWN, "share": {"mial": ("readonly",), "mail": ("readonly",)}}}
        check([(place, start, "did you mean 'mail'?")], shop, "shop")

    def test_owner_in_its_own_share_is_rejected(self) -> None:
        place = "database.share.shop"
        start = "database.share admits 'shop', the service itself (expected another service"
        shop = {"database": {**OWN, "share": {"shop": ("readonly",)}}}
        check([(place, start)], shop, "shop")


class TestEnvironments:
    """A service runs where the owner of its database runs."""

    def check(self, expected: Sequence[Expected], *running: str) -> None:
        data: dict[str, Any] = {"services": {key: {} for key in running}}
        assert_errors(find_environment_errors(data, services=SERVICES), expected)

    @pytest.mark.parametrize(
        "running", [(), ("shop",), ("shop", "mail"), ("mail", "shop"), ("plain",), ("unknown",)]
    )
    def test_environment_with_the_owner_is_accepted(self, running: tuple[str, ...]) -> None:
        self.check([], *running)

    def test_environment_without_the_owner_is_rejected(self) -> None:
        start = "services.mail uses the database of 'shop', which does not run here (expected an "
        self.check([("services.mail", start, "entry for shop under")], "plain", "mail")

    def test_unknown_owner_is_reported_in_the_service_file_only(self) -> None:
        data: dict[str, Any] = {"services": {"mail": {}, "other": {}}}
        found = find_environment_errors(data, services={"mail": using("nobody")})
        assert_errors(found, [])


@pytest.mark.parametrize(
    ("data", "expected"), [({}, False), (MAIL, False), (SHOP, True), ({"database": None}, True)]
)
def test_owned_database_has_no_of(data: dict[str, Any], expected: bool) -> None:
    assert owns_database(data) is expected
