from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration import names
from app_integration._internal.secret_value import check_secret_value
from app_integration.errors import InvalidName
from app_integration.names import Environment, Scope

SCOPE = Scope("gaara-store", Environment.DEV)

HOSTILE = [
    "",
    ".",
    "..",
    "../../sys/mounts",
    "a/../b",
    "a//b",
    "/a",
    "a/",
    "a/./b",
    "%2e%2e",
    "a?list=true",
    "a#b",
    "a b",
    "a\n",
    "\na",
    "a\0",
    "A",
    "ａ",  # noqa: RUF001 (a full-width letter is the point)
    "a․․b",  # noqa: RUF001 (one-dot leaders)
    "-a",
    "a-",
    "a" * 257,
]


@pytest.mark.parametrize("name", HOSTILE, ids=[str(number) for number in range(len(HOSTILE))])
def test_secret_name_that_is_hostile_is_rejected(name: str) -> None:
    with pytest.raises(InvalidName):
        SCOPE.secret(name)


@pytest.mark.parametrize("name", [None, b"pii", 5])
def test_name_of_another_type_is_rejected_with_its_kind(name: Any) -> None:
    kind = type(name).__name__
    for check, expected in [
        (SCOPE.secret, f"a secret name cannot be of type {kind}; pass a str"),
        (SCOPE.key, f"a key name cannot be of type {kind}; pass a str"),
    ]:
        with pytest.raises(InvalidName, match=expected):
            check(name)


@pytest.mark.parametrize(
    ("check", "kind"),
    [(SCOPE.key, "key"), (SCOPE.database_role, "role"), (SCOPE.colour, "colour")],
)
def test_name_with_the_grammar_of_a_service_is_rejected_as_what_it_is(
    check: Callable[[str], str], kind: str
) -> None:
    with pytest.raises(InvalidName, match=f"^{kind} name 'Reports': use at most 40"):
        check("Reports")


@pytest.mark.parametrize(
    ("name", "near"),
    [("STRIPE_KEY", "stripe-key"), ("Stripe_Key", "stripe-key"), ("_STRIPE_KEY", "stripe-key")],
)
def test_secret_name_that_is_a_variable_has_a_suggestion(name: str, near: str) -> None:
    with pytest.raises(InvalidName, match=rf"between segments; did you mean '{near}'\?$"):
        names.check_secret_name(name)


@pytest.mark.parametrize("name", ["Stripe Key", "__", "STRIPE-KEY", "9_Key"])
def test_secret_name_that_is_no_variable_has_no_suggestion(name: str) -> None:
    with pytest.raises(InvalidName, match=r"between segments$"):
        names.check_secret_name(name)


@given(st.text())
def test_secret_name_that_is_valid_stays_below_prefix_of_service(name: str) -> None:
    try:
        path = SCOPE.secret(name)
    except InvalidName:
        return
    assert path == f"gaara-store/dev/{name}"
    assert all(segment not in {"", ".", ".."} for segment in path.split("/"))
    assert path.isascii()
    assert path.isprintable()


def test_scope_names_follow_contract() -> None:
    assert SCOPE.secret("jwt-secret") == "gaara-store/dev/jwt-secret"
    assert SCOPE.key("pii") == "gaara-store-dev-pii"
    assert SCOPE.database_role() == "gaara-store-dev"
    assert SCOPE.database_role("reports") == "gaara-store-dev-reports"
    assert SCOPE.redis_role() == "gaara-store-dev-redis"
    assert SCOPE.redis_role("reports") == "gaara-store-dev-redis-reports"
    assert SCOPE.owner_role == "gaara_store_owner"
    assert SCOPE.readonly_role == "gaara_store_readonly"
    assert str(SCOPE) == "gaara-store-dev"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dev", Environment.DEV),
        ("development", Environment.DEV),
        ("staging", Environment.STAGING),
        ("prod", Environment.PROD),
        ("production", Environment.PROD),
        ("qa", Environment("qa")),
        ("prod-eu", Environment("prod-eu")),
        ("a" * 20, Environment("a" * 20)),
    ],
)
def test_environment_is_parsed_from_variable(text: str, expected: Environment) -> None:
    assert names.parse_environment(text) == expected


MALFORMED = [
    "",
    "Production",
    "DEV",
    " dev",
    "dev\n",
    "dev ",
    "2dev",
    "-dev",
    "dev-",
    "de--v",
    "dev_1",
    "dev/..",
    "..",
    "ｄev",  # noqa: RUF001 (a full-width letter is the point)
    "a" * 21,
]


@pytest.mark.parametrize("text", MALFORMED, ids=[str(each) for each in range(len(MALFORMED))])
def test_environment_malformed_raises(text: str) -> None:
    with pytest.raises(InvalidName, match=r"environment .*: use at most 20 lower-case letters"):
        names.parse_environment(text)
    with pytest.raises(InvalidName, match=r"environment .*: use at most 20 lower-case letters"):
        Environment(text)


def test_environment_malformed_error_suggests_a_name() -> None:
    with pytest.raises(InvalidName, match="did you mean 'production'"):
        names.parse_environment("Production")
    with pytest.raises(InvalidName, match=r"beginning with a letter$"):
        names.parse_environment("2dev")


@pytest.mark.parametrize(("long", "short"), [("development", "dev"), ("production", "prod")])
def test_environment_has_one_spelling(long: str, short: str) -> None:
    with pytest.raises(InvalidName, match=f"environment '{long}' is spelt '{short}'"):
        Environment(long)


@given(st.text() | st.from_regex(r"[a-z-]{1,20}", fullmatch=True) | st.just("development"))
def test_environment_is_lenient_only_if_spelt_dev_or_development(text: str) -> None:
    try:
        lenient = names.parse_environment(text).is_dev
    except InvalidName:
        return
    assert lenient is (text in {"dev", "development"})


def test_environment_is_text_that_survives_copies() -> None:
    assert Environment.DEV.is_dev
    assert not Environment.PROD.is_dev
    for copy in (
        pickle.loads(pickle.dumps(Environment("qa"))),  # noqa: S301 (our own bytes)
        deepcopy(Environment("qa")),
        Environment(Environment("qa")),
    ):
        assert (type(copy), copy, copy.value) == (Environment, "qa", "qa")
    assert (f"{Environment.DEV}", str(Environment.DEV)) == ("dev", "dev")
    assert repr(Environment.DEV) == "'dev'"
    assert json.dumps({"environment": Environment("qa")}) == '{"environment": "qa"}'


def test_scope_rejects_a_malformed_environment() -> None:
    with pytest.raises(InvalidName, match=r"environment '\.\./prod'"):
        Scope("shop", "../prod")  # type: ignore[arg-type] # what an untyped caller may pass
    assert Scope("shop", "dev").environment.is_dev  # type: ignore[arg-type] # as above
    assert str(Scope("a", Environment("prod-eu"))) == "a-prod-eu"


def test_variable_name_and_secret_name_are_inverse() -> None:
    assert names.variable_name("smtp-password") == "SMTP_PASSWORD"
    assert names.variable_name("mail/smtp-password") == "MAIL_SMTP_PASSWORD"
    assert names.secret_name("SMTP_PASSWORD") == "smtp-password"


@pytest.mark.parametrize("variable", ["", "1A", "A-B", "A B", "ÄB"])
def test_secret_name_of_invalid_variable_raises(variable: str) -> None:
    with pytest.raises(InvalidName):
        names.secret_name(variable)


@pytest.mark.parametrize(
    ("value", "words"), [("a\0b", "NUL"), ("a\ud800", "lone surrogate"), ("x" * 524_289, "bytes")]
)
def test_secret_value_that_server_would_change_is_rejected_without_value(
    value: str, words: str
) -> None:
    with pytest.raises(InvalidName, match=words) as caught:
        check_secret_value("smtp-password", value)
    assert "smtp-password" in str(caught.value)
    assert value not in str(caught.value)


def test_names_at_maximum_length_are_accepted_and_longer_ones_rejected() -> None:
    assert names.check_secret_name("a" * names.MAX_NAME_LENGTH)
    assert names.check_service_name("a" * names.MAX_SERVICE_LENGTH)
    with pytest.raises(InvalidName, match="a secret name has 257 characters; use at most 256"):
        names.check_secret_name("a" * 257)
    with pytest.raises(InvalidName, match="and single '-', beginning with a letter"):
        names.check_service_name("a" * 41)


def test_secret_name_strips_underscores_and_names_rejected_variable() -> None:
    with pytest.raises(InvalidName, match="'A-B' is not the name of an environment variable"):
        names.secret_name("A-B")
    assert names.secret_name("_SMTP_PASSWORD_") == "smtp-password"
    assert names.secret_name("X_1") == "x-1"


def test_static_role_has_one_name_on_server() -> None:
    assert SCOPE.static_role("mail/smtp_password") == "gaara-store-dev-mail-smtp-password"
