"""Tests of the checks of a service's file that its schema cannot make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.field_errors import Expected, assert_errors
from vault.declare.checks.service import find_errors, find_name_error, section

GIVEN = {"source": "given"}
ENVIRONMENTS = ("dev", "prod", "prod-eu", "staging")
TEMPLATES = ("app.yaml.j2", "mail.env.j2")
SHOP: dict[str, Any] = {
    "service": "shop",
    "secrets": {
        "token": {"source": "generated"},
        "mail-password": GIVEN,
        "mail-url": {"source": "derived", "format": "smtp://shop:{mail-password}@mail"},
    },
    "settings": {"mail-host": {"type": "text"}, "mail-port": {"type": "integer"}},
    "database": {"roles": {"default": {}, "reports": {}}},
    "config": {"template": "app.yaml.j2", "settings": ("mail-port", "mail-host")},
}


def derived(text: object, *environments: str) -> dict[str, Any]:
    spec = {"source": "derived", "format": text}
    return {**spec, "environments": environments} if environments else spec


def check(expected: Sequence[Expected], **sections: Any) -> None:
    data = {**SHOP, **sections}
    found = find_errors(data, stem="shop", templates=TEMPLATES, environments=ENVIRONMENTS)
    assert_errors(found, expected)


class TestSection:
    """Lookup of a nested mapping in data of any form."""

    @pytest.mark.parametrize("data", [None, 5, "a", ("a",), {}, {"a": 1}, {"b": {}}, {"a": None}])
    def test_section_without_a_mapping_is_empty(self, data: object) -> None:
        assert section(data, "a") == {}
        assert section(data, "a", "b") == {}

    def test_section_is_found_at_any_depth(self) -> None:
        data = {"a": {"b": {"c": 1}}}
        assert section(data) == data
        assert section(data, "a") == {"b": {"c": 1}}
        assert section(data, "a", "b") == {"c": 1}

    def test_section_of_text_is_empty_at_the_top(self) -> None:
        assert section("text") == {}


class TestWholeFile:
    """A file without faults, and the name of the file."""

    def test_valid_file_is_accepted(self) -> None:
        check([])

    def test_empty_file_is_left_to_the_schema(self) -> None:
        assert_errors(find_errors({}, stem="shop", templates=(), environments=()), [])

    def test_name_that_differs_from_the_file_is_rejected(self) -> None:
        check([("service", "service is 'store' (expected 'shop', the name")], service="store")

    @pytest.mark.parametrize(
        "sections",
        [
            *(
                {"database": value}
                for value in (None, {}, {"roles": None}, {"roles": ("default",)})
            ),
            {"database": {"of": "store", "roles": {"readonly": {}}}},
            *({"config": {"template": value}} for value in (None, 5, ("ap.yaml.j2",))),
            *({"config": {"settings": value}} for value in (None, "mail-prot", {"x": 1}, ())),
        ],
        ids=str,
    )
    def test_malformed_section_is_left_to_the_schema(self, sections: dict[str, Any]) -> None:
        check([], **sections)

    @pytest.mark.parametrize("name", [None, 5, ("shop",), "shop"])
    def test_name_that_is_not_text_is_left_to_the_schema(self, name: object) -> None:
        assert_errors(find_name_error({"service": name}, "service", "shop"), [])


class TestVariables:
    """Two names that would become one environment variable."""

    def test_two_secrets_with_one_variable_are_rejected_at_the_second(self) -> None:
        start = "secrets.a_b becomes the environment variable A_B, as does secrets.a-b (expected "
        expected = ("secrets.a_b", start, "(expected names that differ in more than '-', '_'")
        check([expected], secrets={"a-b": GIVEN, "a_b": GIVEN, "ab": GIVEN})

    def test_secret_and_setting_with_one_variable_are_rejected(self) -> None:
        start = "settings.mail_password becomes the environment variable MAIL_PASSWORD, as does "
        expected = ("settings.mail_password", f"{start}secrets.mail-password")
        check([expected], settings={**SHOP["settings"], "mail_password": {}})

    def test_each_later_name_is_compared_with_the_first(self) -> None:
        expected = [
            (f"secrets.{name}", f"secrets.{name} becomes", "as does secrets.a-b (expected")
            for name in ("a_b", "a/b")
        ]
        check(expected, secrets={"a-b": GIVEN, "a_b": GIVEN, "a/b": GIVEN})

    def test_invalid_name_does_not_hide_later_errors(self) -> None:
        expected = ("secrets.a_b", "secrets.a_b becomes the environment variable A_B")
        check([expected], secrets={"No Name": GIVEN, "a-b": GIVEN, "a_b": GIVEN})


class TestReferences:
    """Derived secrets that use one that is not declared, or themselves."""

    def test_unknown_reference_is_rejected_with_a_suggestion(self) -> None:
        url = "secrets.mail-url.format"
        start = f"{url} uses the unknown secret 'mail-pasword' (expected mail-password or token; "
        expected = (url, start, "did you mean 'mail-password'?")
        check([expected], secrets={**SHOP["secrets"], "mail-url": derived("{mail-pasword}")})

    def test_each_unknown_reference_is_reported_once(self) -> None:
        expected = [
            ("secrets.url.format", "secrets.url.format uses the unknown secret 'x' (expected none"),
            ("secrets.url.format", "secrets.url.format uses the unknown secret 'y' (expected none"),
        ]
        check(expected, secrets={"url": derived("{x}{y}{x}{y}")})

    @pytest.mark.parametrize(
        "spec",
        [derived("{"), derived("no reference"), derived(5), {"source": "derived"}, None],
        ids=["lone brace", "none", "number", "no format", "no mapping"],
    )
    def test_invalid_format_does_not_hide_later_errors(self, spec: object) -> None:
        expected = ("secrets.url.format", "secrets.url.format uses the unknown secret 'x'")
        check([expected], secrets={"broken": spec, "url": derived("{x}")})

    def test_format_of_another_source_is_ignored(self) -> None:
        check([], secrets={"token": {"source": "given", "format": "{x}"}})

    def test_secret_derived_from_itself_is_rejected(self) -> None:
        start = "secrets.a.format is derived from itself: a → a (expected a chain that ends"
        check([("secrets.a.format", start)], secrets={"a": derived("{a}")})

    def test_cycle_is_rejected_with_all_its_secrets(self) -> None:
        start = "secrets.a.format is derived from itself: a → b → a (expected a chain"
        secrets = {"a": derived("{b}"), "b": derived("{a}{c}"), "c": GIVEN}
        check([("secrets.a.format", start)], secrets=secrets)

    def test_chain_without_a_cycle_is_accepted(self) -> None:
        check([], secrets={"a": derived("{b}{c}"), "b": derived("{c}"), "c": GIVEN})


class TestEnvironments:
    """Derived secrets in an environment where one of their parts is not declared."""

    def test_part_missing_in_an_environment_is_rejected_once(self) -> None:
        start = "secrets.url.format uses 'a', which is not declared for "
        expected = (
            "secrets.url.format",
            start,
            "for prod, prod-eu or staging (expected 'environments' to list only those",
        )
        secrets = {"a": {**GIVEN, "environments": ("dev",)}, "url": derived("{a}{a}")}
        check([expected], secrets=secrets)

    @pytest.mark.parametrize(
        ("part", "whole"),
        [
            (("dev", "prod"), ("dev",)),
            (("dev",), ("dev",)),
            (ENVIRONMENTS, ()),
            (("dev", {"prod": 1}), ()),
            ((), ()),
            ("dev", ()),
            (None, ()),
        ],
        ids=["wider", "equal", "all", "mapping", "empty", "text", "null"],
    )
    def test_part_declared_in_each_environment_is_accepted(
        self, part: object, whole: tuple[str, ...]
    ) -> None:
        secrets = {"a": {**GIVEN, "environments": part}, "url": derived("{a}", *whole)}
        check([], secrets=secrets)

    def test_environment_without_a_file_is_rejected_with_a_suggestion(self) -> None:
        start = "secrets.a.environments[1] is the unknown environment 'prod-ue' (expected dev, prod"
        expected = ("secrets.a.environments[1]", start, "prod-eu or staging; did you mean 'prod-eu")
        spec = {**GIVEN, "environments": ("dev", "prod-ue", 5)}
        check([expected], secrets={"a": spec, "url": derived("{a}")})

    def test_unknown_part_is_reported_only_as_unknown(self) -> None:
        expected = ("secrets.url.format", "secrets.url.format uses the unknown secret 'x'")
        check([expected], secrets={"url": derived("{x}", "dev")})


class TestDatabase:
    """Default role for database leases."""

    def test_roles_without_default_are_rejected(self) -> None:
        start = "database.roles lacks the role 'default' (expected it, as database_engine()"
        check([("database.roles", start)], database={"roles": {"reports": {}}})
        check([("database.roles", start)], database={"roles": {}})


class TestConfig:
    """Template and settings of the delivered file."""

    def test_missing_template_is_rejected_with_a_suggestion(self) -> None:
        start = "config.template is 'ap.yaml.j2', which does not exist (expected "
        parts = ("a template of shop: app.yaml.j2 or mail.env.j2", "did you mean 'app.yaml.j2'?")
        check([("config.template", start, *parts)], config={"template": "ap.yaml.j2"})

    def test_template_in_an_empty_folder_is_rejected(self) -> None:
        found = find_errors(SHOP, stem="shop", templates=(), environments=())
        start = "config.template is 'app.yaml.j2', which does not exist"
        assert_errors(found, [("config.template", start, "a template of shop: none exists yet)")])

    def test_unknown_setting_is_rejected_at_its_location(self) -> None:
        start = "config.settings[1] is the unknown setting 'mail-prot' (expected mail-host or "
        expected = ("config.settings[1]", start, "did you mean 'mail-port'?")
        check([expected], config={"settings": ("mail-host", "mail-prot", 5)})
