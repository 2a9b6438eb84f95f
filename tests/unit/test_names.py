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
def test_secret_name_that_is_hostile_is_rejected(name: str) -> None:
    with pytest.raises(InvalidName):
        SCOPE.secret(name)


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
def test_environment_is_parsed_from_variable(text: str, expected: Environment) -> None:
    assert names.parse_environment(text) is expected


@pytest.mark.parametrize("text", ["", "Production", "test", "prd"])
def test_environment_unknown_raises(text: str) -> None:
    with pytest.raises(InvalidName, match="expected one of dev, development, staging"):
        names.parse_environment(text)


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
        names.check_secret_value("smtp-password", value)
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
