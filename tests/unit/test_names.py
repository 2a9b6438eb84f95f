from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration import names
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
def test_a_hostile_secret_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        SCOPE.secret(name)


@given(st.text())
def test_any_accepted_name_stays_below_the_services_own_prefix(name: str) -> None:
    try:
        path = SCOPE.secret(name)
    except InvalidName:
        return
    assert path == f"gaara-store/dev/{name}"
    assert all(segment not in {"", ".", ".."} for segment in path.split("/"))
    assert path.isascii()
    assert path.isprintable()


def test_names_follow_the_contract() -> None:
    assert SCOPE.secret("jwt-secret") == "gaara-store/dev/jwt-secret"
    assert SCOPE.key("pii") == "gaara-store-dev-pii"
    assert SCOPE.database_role() == "gaara-store-dev"
    assert SCOPE.database_role("reports") == "gaara-store-dev-reports"
    assert SCOPE.owner_role == "gaara_store_owner"
    assert str(SCOPE) == "gaara-store-dev"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dev", Environment.DEV),
        ("development", Environment.DEV),
        ("staging", Environment.STAGING),
        ("production", Environment.PROD),
    ],
)
def test_environment_variables_name_environments(text: str, expected: Environment) -> None:
    assert names.environment(text) is expected


@pytest.mark.parametrize("text", ["", "Production", "test", "prd"])
def test_an_unknown_environment_is_an_error(text: str) -> None:
    with pytest.raises(InvalidName, match="expected one of dev, development, staging"):
        names.environment(text)


def test_a_secret_and_its_variable_go_back_and_forth() -> None:
    assert names.variable_name("smtp-password") == "SMTP_PASSWORD"
    assert names.variable_name("mail/smtp-password") == "MAIL_SMTP_PASSWORD"
    assert names.secret_name("SMTP_PASSWORD") == "smtp-password"


@pytest.mark.parametrize("variable", ["", "1A", "A-B", "A B", "ÄB"])
def test_what_is_no_variable_names_no_secret(variable: str) -> None:
    with pytest.raises(InvalidName):
        names.secret_name(variable)


@pytest.mark.parametrize(
    ("value", "words"), [("a\0b", "NUL"), ("a\ud800", "lone surrogate"), ("x" * 524_289, "bytes")]
)
def test_a_value_the_server_would_change_is_refused_without_showing_it(
    value: str, words: str
) -> None:
    with pytest.raises(InvalidName, match=words) as caught:
        names.check_secret_value("smtp-password", value)
    assert "smtp-password" in str(caught.value)
    assert value not in str(caught.value)


def test_names_may_be_as_long_as_is_said_and_no_longer() -> None:
    assert names.check_secret_name("a" * names.MAX_NAME_LENGTH)
    assert names.check_service_name("a" * names.MAX_SERVICE_LENGTH)
    with pytest.raises(InvalidName, match="a secret name has 257 characters; use at most 256"):
        names.check_secret_name("a" * 257)
    with pytest.raises(InvalidName, match="and single '-', beginning with a letter"):
        names.check_service_name("a" * 41)


def test_a_variable_is_refused_by_name_and_loses_what_a_secret_cannot_begin_with() -> None:
    with pytest.raises(InvalidName, match="'A-B' is not the name of an environment variable"):
        names.secret_name("A-B")
    assert names.secret_name("_SMTP_PASSWORD_") == "smtp-password"
    assert names.secret_name("X_1") == "x-1"


def test_a_static_role_has_one_name_on_the_server() -> None:
    assert SCOPE.static_role("mail/smtp_password") == "gaara-store-dev-mail-smtp-password"
