"""Tests of the checks of an environment's file that its schema cannot make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.support.field_errors import Expected, assert_errors
from vault.declare.checks.environment import (
    find_address_error,
    find_errors,
    find_like_errors,
    find_unknown_policies,
    service_policies,
)

SHOP: dict[str, Any] = {
    "secrets": {"db-url": {"source": "given"}, "token": {"source": "generated"}},
    "database": {"roles": {"default": {}}},
    "settings": {
        "mail-host": {"type": "text"},
        "mail-port": {"type": "integer", "default": 25},
        "tls": {"type": "boolean", "default": True},
    },
}
DEPLOYED = {"database": "127.0.0.1:5432", "settings": {"mail-host": "mail"}}
SERVICES: dict[str, Any] = {"shop": SHOP, "mail": {}, "broken": None}


def file(environment: str = "dev", **sections: Any) -> dict[str, Any]:
    address = "http://127.0.0.1:8200" if environment == "dev" else "https://vault.example.com:8200"
    base = {"environment": environment, "vault": {"address": address}}
    return {**base, "services": {"shop": DEPLOYED}, **sections}


def check(expected: Sequence[Expected], environment: str = "dev", **sections: Any) -> None:
    data = file(environment, **sections)
    assert_errors(find_errors(data, stem=environment, services=SERVICES), expected)


def deployed(**sections: Any) -> dict[str, Any]:
    return {"shop": {**DEPLOYED, **sections}}


class TestWholeFile:
    """A file without faults, its name, its tags and the address of its Vault."""

    @pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
    def test_valid_file_is_accepted(self, environment: str) -> None:
        check([], environment)

    def test_malformed_value_is_left_to_the_schema(self) -> None:
        check([], "prod", vault={"address": 8200})
        for value in (None, 1.5, (1,), {"a": 1}):
            check([], services=deployed(settings={"mail-host": "mail", "mail-port": value}))

    def test_empty_file_is_left_to_the_schema(self) -> None:
        assert_errors(find_errors({}, stem="dev", services=SERVICES), [])

    def test_name_that_differs_from_the_file_is_rejected(self) -> None:
        found = find_errors(file("dev"), stem="staging", services=SERVICES)
        start = "environment is 'dev' (expected 'staging', the name of the file"
        address = "vault.address is 'http://127.0.0.1:8200' (expected https:// in staging"
        assert_errors(found, [("environment", start), ("vault.address", address)])

    @pytest.mark.parametrize(("stem", "name"), [("production", "prod"), ("qa_1", "qa-1")])
    def test_file_whose_name_is_no_environment_is_to_be_renamed(self, stem: str, name: str) -> None:
        found = find_errors(file(name), stem=stem, services=SERVICES)
        start = f"environment is '{name}' in {stem}.yaml (expected {name}.yaml, the name of"
        assert_errors(found, [("environment", start)])

    @pytest.mark.parametrize("tag", ["environment", "owner"])
    def test_reserved_tag_is_rejected(self, tag: str) -> None:
        start = f"tags has the tag '{tag}', which is set from the key '{tag}' (expected another"
        check([(f"tags.{tag}", start)], tags={tag: "x", "stage": "y"})

    @pytest.mark.parametrize(
        ("environment", "address", "expected"),
        [
            ("dev", "http://127.0.0.1:8200", None),
            ("dev", "http://localhost:8200", None),
            ("dev", "http://[::1]:8200", None),
            ("dev", "https://vault.example.com", None),
            ("dev", "http://vault.example.com", "https://, as http:// is for this machine only"),
            ("dev", "http://10.0.0.1:8200", "https://, as http:// is for this machine only"),
            ("prod", "https://127.0.0.1:8200", None),
            ("prod", "http://127.0.0.1:8200", "https:// in prod"),
            ("staging", "http://vault.example.com", "https:// in staging"),
            ("prod", "ftp://vault.example.com", None),
            ("prod", "no address", None),
        ],
    )
    def test_http_address_is_rejected_except_for_loopback_in_dev(
        self, environment: str, address: str, expected: str | None
    ) -> None:
        wrong = find_address_error(environment, address)
        assert (wrong and wrong.expected) == expected
        assert wrong is None or wrong.what == f"is '{address}'"
        message = f"vault.address is '{address}' (expected {expected}"
        errors = [] if expected is None else [("vault.address", message)]
        check(errors, environment, vault={"address": address})

    @pytest.mark.parametrize(
        ("environment", "vault", "expected"),
        [
            ("prod", {"address": "https://a", "extra_addresses": ["https://b"]}, []),
            (
                "prod",
                {"address": "https://a", "extra_addresses": ["https://b", "http://c", 7]},
                [("vault.extra_addresses[1]", "vault.extra_addresses[1] is 'http://c' (expected")],
            ),
            (
                "staging",
                {"extra_addresses": ["https://b"]},
                [("vault.address", "vault.address is not set (expected the first of them")],
            ),
        ],
        ids=["several", "http", "without the first"],
    )
    def test_extra_addresses_are_checked_like_the_first(
        self, environment: str, vault: dict[str, Any], expected: list[Expected]
    ) -> None:
        check(expected, environment, vault=vault)

    def test_missing_address_is_rejected_in_prod_only(self) -> None:
        message = "vault.address is not set (expected https://host:port in prod"
        check([("vault.address", message)], "prod", vault={})
        check([("vault.address", message)], "prod", vault=None)
        check([], "staging", vault={})
        check([], "dev", vault={})


class TestLike:
    """Environments that are like another one."""

    FILES: Mapping[str, dict[str, Any]] = {
        "dev": {}, "prod": {}, "qa": {"like": "prod"}, "staging": {}
    }  # fmt: skip

    @pytest.mark.parametrize(
        ("stem", "like", "start", "hint"),
        [
            ("qa", "prod", None, ""),
            ("qa", "staging", None, ""),
            ("qa", 5, None, ""),
            ("qa", "prd", "is the unknown environment 'prd' (expected prod or staging", "'prod'?"),
            ("qa", "dev", "is 'dev' (expected another environment, as only dev is lenient", ""),
            ("qa", "qa", "is 'qa' (expected prod or staging", ""),
            ("staging", "qa", "is 'qa', which is like 'prod' itself (expected 'prod'", ""),
            ("dev", "prod", "is set (expected nothing, as dev alone is lenient", ""),
        ],
    )
    def test_environment_is_like_a_declared_one_that_is_strict(
        self, stem: str, like: object, start: str | None, hint: str
    ) -> None:
        found = find_like_errors({"like": like}, stem=stem, environments=self.FILES)
        assert_errors(found, [("like", f"like {start}", hint)] if start else [])

    def test_file_without_like_is_accepted(self) -> None:
        assert_errors(find_like_errors({}, stem="qa", environments=self.FILES), [])

    def test_checks_of_prod_apply_to_what_is_like_it(self) -> None:
        message = "vault.address is not set (expected https://host:port in qa, which is like prod"
        check([("vault.address", message)], "qa", vault={}, like="prod")
        check([], "qa", vault={}, like="staging")
        check([], "qa", vault={})


class TestPeople:
    """People with passwords, and the policies of all people."""

    def test_people_outside_dev_are_rejected(self) -> None:
        people = {"ann": {"policies": ("no-such",)}}
        start = "the file has the key 'people' (expected none in prod, as people log in with"
        check([("people", start)], "prod", people=people)
        check([("people", start.replace("prod", "staging"))], "staging", people=people)

    def test_empty_people_section_is_accepted_outside_dev(self) -> None:
        check([], "prod", people={})

    def test_policies_of_people_and_services_are_accepted(self) -> None:
        policies = ("developer", "strongroom-plan", "strongroom-auditor", "shop-dev")
        check([], people={"ann": {"policies": policies}})

    def test_unknown_policy_is_rejected_at_its_location(self) -> None:
        place = "people.bob.policies[1]"
        known = "developer, shop-dev, strongroom-auditor or strongroom-plan"
        start = f"{place} is the unknown policy 'shop-prod' (expected {known}; did you mean"
        people = {"ann": {"policies": ("developer",)}, "bob": {"policies": (5, "shop-prod")}}
        check([(place, start, "'shop-dev'?")], people=people)

    @pytest.mark.parametrize("policies", [None, "shop-prod", {"shop-prod": 1}, (5, None)])
    def test_malformed_policies_are_left_to_the_schema(self, policies: object) -> None:
        assert_errors(find_unknown_policies(("people", "a"), {"policies": policies}, ["b"]), [])

    def test_service_policies_skip_invalid_names(self) -> None:
        services: dict[str, Any] = {"No Name": {}, "shop": {}, "mail": {}}
        assert [*service_policies({"services": services}, "prod")] == ["shop-prod", "mail-prod"]
        assert [*service_policies({"services": services}, "Mars")] == []


class TestServices:
    """Services of an environment, compared with the service files."""

    def test_unknown_service_is_rejected_with_a_suggestion(self) -> None:
        start = "services has the unknown service 'shpo' (expected broken, mail or shop; did you"
        services = {"shpo": DEPLOYED, "mail": {"database": "127.0.0.1:1"}}
        unused = "services.mail.database is set (expected nothing, as services/mail.yaml declares"
        expected = [("services.shpo", start, "'shop'?"), ("services.mail.database", unused)]
        check(expected, services=services)

    def test_unreadable_service_does_not_hide_later_errors(self) -> None:
        unused = "services.mail.database is set (expected nothing"
        services = {"broken": DEPLOYED, "mail": {"database": "127.0.0.1:1"}}
        check([("services.mail.database", unused)], services=services)

    def test_missing_database_endpoint_is_rejected(self) -> None:
        start = "services.shop lacks the key 'database' (expected host:port)"
        services = {"shop": {"settings": {"mail-host": "mail"}}}
        check([("services.shop.database", start)], services=services)

    @pytest.mark.parametrize("only", [None, 5, "prod", (), ("dev", "prod"), ("dev", {"prod": 1})])
    def test_given_secret_is_adopted_only_where_it_is_declared(self, only: object) -> None:
        spec = {"source": "given", "environments": only}
        services = {"shop": {**SHOP, "secrets": {"db-url": spec}}}
        data = file(services=deployed(adopted={"db-url": {"username": "shop_app"}}))
        start = "services.shop.adopted has 'db-url', which is not a given secret (expected none"
        expected = [("services.shop.adopted.db-url", start)] if only == () else []
        assert_errors(find_errors(data, stem="dev", services=services), expected)

    def test_adopted_secret_that_is_not_given_is_rejected(self) -> None:
        start = "services.shop.adopted has 'token', which is not a given secret (expected db-url)"
        expected = ("services.shop.adopted.token", start)
        check([expected], services=deployed(adopted={"token": {"username": "shop_app"}}))

    @pytest.mark.parametrize(
        ("secret", "others", "message"),
        [
            ("token", {}, "has 'token', which is not a given secret (expected db-url)"),
            ("db-url", {"adopted": {"db-url": {"username": "shop_app"}}}, "which is adopted, too"),
        ],
        ids=["not given", "adopted"],
    )
    def test_secret_that_cannot_be_paired_is_rejected(
        self, secret: str, others: dict[str, object], message: str
    ) -> None:
        entry = {"paired": {secret: {"usernames": ("a", "b")}}, **others}
        expected = (f"services.shop.paired.{secret}", "services.shop.paired has", message)
        check([expected], services=deployed(**entry))

    def test_secret_with_hooks_is_not_paired(self) -> None:
        spec = {"source": "given", "hooks": {"create": ("hooks/mail",)}}
        services = {"shop": {**SHOP, "secrets": {"db-url": spec}}}
        data = file(services=deployed(paired={"db-url": {"usernames": ("a", "b")}}))
        start = "services.shop.paired has 'db-url', which has hooks (expected a secret without"
        expected = [("services.shop.paired.db-url", start)]
        assert_errors(find_errors(data, stem="dev", services=services), expected)


class TestSettings:
    """Values of settings, compared with the service file."""

    def test_values_for_all_settings_are_accepted(self) -> None:
        settings = {"mail-host": "mail", "mail-port": 2525, "tls": False}
        check([], services=deployed(settings=settings))

    def test_unknown_setting_is_rejected_with_a_suggestion(self) -> None:
        start = "services.shop.settings has the unknown setting 'mail-prot' (expected mail-host, "
        port = "services.shop.settings.mail-port is 'x' (expected a whole number, as its type is"
        expected = [
            ("services.shop.settings.mail-prot", start, "did you mean 'mail-port'?"),
            ("services.shop.settings.mail-port", port),
        ]
        settings = {"mail-host": "mail", "mail-prot": 25, "mail-port": "x"}
        check(expected, services=deployed(settings=settings))

    @pytest.mark.parametrize(
        ("setting", "value", "message"),
        [
            ("mail-host", 5, "is 5 (expected text; quote it, as its type is text)"),
            ("mail-port", "x", "is 'x' (expected a whole number, as its type is integer)"),
            ("mail-port", True, "is true (expected a whole number, as its type is integer; did"),
            ("tls", "True", "is 'True' (expected true or false, as its type is boolean; did you"),
        ],
        ids=["number for text", "text for a number", "true for a number", "text for true"],
    )
    def test_value_of_another_type_is_rejected(
        self, setting: str, value: object, message: str
    ) -> None:
        place = f"services.shop.settings.{setting}"
        settings = {"mail-host": "mail", setting: value}
        check([(place, f"{place} {message}")], services=deployed(settings=settings))

    def test_setting_without_value_and_default_is_rejected(self) -> None:
        start = "services.shop.settings lacks a value for 'mail-host' (expected one here or a "
        check([("services.shop.settings.mail-host", start)], services=deployed(settings={}))
        check([("services.shop.settings.mail-host", start)], services=deployed(settings=None))

    def test_malformed_setting_is_left_to_the_service_file(self) -> None:
        services = {"shop": {**SHOP, "settings": {"mail-host": None}}}
        data = file(services=deployed(settings={}))
        assert_errors(find_errors(data, stem="dev", services=services), [])
