"""Tests of versions, fields, types, required and declared secrets, and previous values."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, assert_type

import pytest
from pydantic import BaseModel

from app_integration import errors, get_secret
from app_integration.errors import (
    AccessDenied,
    ConfigurationError,
    InvalidName,
    SecretDeleted,
    SecretNotFound,
    SecretsMissing,
    StrongroomError,
    UndeclaredSecret,
    Unreachable,
    WrongType,
)
from app_integration.names import Environment, Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store.declared_names import read_declared
from app_integration.secret_store.store import SecretStore
from app_integration.sources import FetchedSecret
from app_integration.sources.dotenv import DotenvSource
from tests.unit.secret_store.test_outage import with_thread
from tests.unit.secret_store.test_store import LIMITS, SCOPE, Script, Shop

HOUR = 3600.0
RULE = "the rule of {}"


class Versions(Script):
    """Source with the numbered versions of one secret; None stands for a deleted one."""

    def __init__(self, *values: str | StrongroomError | None, written: float = 0.0) -> None:
        super().__init__("unused")
        self.values = values
        self.written = written  # when the current version was written, in seconds since 1970
        self.requests: list[tuple[str, int | None, str | None]] = []

    def fetch(self, name: str, *arguments: Any) -> FetchedSecret:
        version, field = arguments
        self.requests.append((name, version, field))
        number = version or len(self.values)
        if number > len(self.values):
            raise SecretNotFound("no such version")
        value = self.values[number - 1]
        if isinstance(value, StrongroomError):
            raise value
        if value is None:
            raise SecretDeleted("deleted")
        text = f"{field} of {value}" if field else value
        return FetchedSecret(Secret(text), "vault", number, "r-1", created_at=self.written)


def test_versions_and_fields_have_their_own_cache_keys() -> None:
    source = Versions("one", "two")
    store = Shop(source).store
    for _ in range(2):
        assert store.get("jwt-secret") == "two"
        assert store.get("jwt-secret", version=1) == "one"
        assert store.get("jwt-secret", version=1, field="user") == "user of one"
    assert len(source.requests) == 3


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        *(("get", {"version": each}, "count from 1") for each in (0, -1, True, 1.0, "1")),
        *(("get", {"field": each}, "not printable text") for each in ("a\nb", "", b"user", 1)),
        *(
            ("current_and_previous", {"grace": each}, "pass a number of seconds")
            for each in ("3600", timedelta(hours=1), float("nan"))
        ),
    ],
)
def test_invalid_argument_is_rejected_before_any_request(
    method: str, arguments: dict[str, Any], message: str
) -> None:
    source = Versions("one")
    with pytest.raises(ConfigurationError, match=message):
        getattr(Shop(source).store, method)("jwt-secret", **arguments)
    assert source.requests == []


class Account(BaseModel):
    user: str
    port: int


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("5432", int, 5432),
        (" 7 ", int, 7),
        ("0.5", float, 0.5),
        ("Yes", bool, True),
        ("off", bool, False),
        ('{"a": [1]}', dict, {"a": [1]}),
        ("[1, 2]", list, [1, 2]),
        ('{"user": "ada", "port": 1}', Account, Account(user="ada", port=1)),
    ],
)
def test_text_is_converted_to_the_requested_type(text: str, kind: type[Any], expected: Any) -> None:
    store = Shop(Script(text)).store
    for _ in range(2):
        assert store.get("smtp-port", as_type=kind) == expected


@pytest.mark.parametrize("kind", [int, float, bool, dict, list, Account])
def test_wrong_type_error_names_secret_and_type_and_not_the_value(kind: type[Any]) -> None:
    shop = Shop(Script('"hunter2-hunter2"'))
    with pytest.raises(WrongType, match=f"smtp-port is not of type {kind.__name__}") as caught:
        shop.store.get("smtp-port", as_type=kind)
    assert caught.value.__context__ is None
    assert "hunter2" not in repr(caught.value)
    assert shop.outcomes() == ["WrongType"]


def test_change_by_a_caller_does_not_change_the_cached_value() -> None:
    store = Shop(Script('{"hosts": []}')).store
    store.get("servers", as_type=dict)["hosts"].append("mine")
    assert store.get("servers", as_type=dict) == {"hosts": []}


def test_unsupported_type_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="use one of int"):
        Shop(Script("x")).store.get("smtp-port", as_type=set)


def test_return_types_are_known_to_type_checkers() -> None:
    def never_called() -> None:
        assert_type(get_secret("a"), Secret)
        assert_type(get_secret("a", default=None), Secret | None)
        assert_type(get_secret("a", as_type=int), int)
        assert_type(get_secret("a", as_type=Account, default=None), Account | None)

    assert callable(never_called)


class Names(Script):
    """Source that looks up each name in a table."""

    def __init__(self, **answers: str | StrongroomError) -> None:
        super().__init__("unused")
        self.table = {name.replace("_", "-"): answer for name, answer in answers.items()}
        self.requests: list[str] = []

    def fetch(self, name: str, *_: object) -> FetchedSecret:
        self.requests.append(name)
        answer = self.table.get(name, SecretNotFound("no value"))
        if isinstance(answer, StrongroomError):
            raise answer
        return FetchedSecret(Secret(answer), "vault", 1)


def test_require_lists_every_missing_secret_with_the_rule_to_add() -> None:
    source = Names(a="1", c=AccessDenied("denied"), d=SecretDeleted("deleted"))
    with pytest.raises(SecretsMissing) as caught:
        Shop(source, rule=RULE.format).store.require(["a", "b", "c", "d", "a"])
    assert source.requests == ["a", "b", "c", "d"]
    assert (caught.value.missing, caught.value.denied) == (("b", "d"), ("c",))
    assert str(caught.value).splitlines() == [
        "required secrets cannot be read:",
        "  b: has no value; strongroom put b writes one, strongroom apply a generated one",
        "  d: has no value; strongroom put d writes one, strongroom apply a generated one",
        "  c: denied or absent; write one, or if it is there add " + RULE.format("c"),
    ]


def test_required_secrets_are_cached() -> None:
    source = Names(a="1", b="2")
    store = Shop(source).store
    store.require(iter(["a", "b"]))
    assert [store.get("a"), store.get("b")] == ["1", "2"]
    assert source.requests == ["a", "b"]


def test_require_raises_the_outage_instead_of_missing_secrets() -> None:
    with pytest.raises(Unreachable):
        Shop(Names(a=SecretNotFound("x"), b=Unreachable("unavailable"))).store.require(["a", "b"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "../b"], "secret name '../b'"),
        ("api-key", "'api-key' is one name; pass a list of names"),
    ],
)
def test_require_rejects_invalid_names_before_any_request(names: Any, message: str) -> None:
    source = Names(a="1")
    with pytest.raises(InvalidName, match=message):
        Shop(source).store.require(names)
    assert source.requests == []


def test_undeclared_name_is_rejected_before_any_request() -> None:
    source = Names(jwt_secret="1", other="2")
    shop = Shop(source, declared={"jwt-secret"})
    assert shop.store.get("jwt-secret") == "1"
    for request in (
        lambda: shop.store.get("jwt-secrets", default=None),
        lambda: shop.store.require(["jwt-secret", "jwt-secrets"]),
        lambda: shop.store.on_change("jwt-secrets", print),
    ):
        with pytest.raises(UndeclaredSecret, match="did you mean 'jwt-secret'"):
            request()
    assert source.requests == ["jwt-secret"]


DECLARATION = """
service: shop
secrets:
  jwt-secret: {source: generated}
  test-key: {source: given, environments: [dev, staging]}
  live-key: {source: given, environments: [prod]}
"""


def test_declared_names_are_read_from_yaml_or_a_list(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    declaration, plain = tmp_path / "services" / "shop.yaml", tmp_path / "names.txt"
    declaration.write_text(DECLARATION)
    plain.write_text("# of the shop\njwt-secret\n\nlive-key  # since spring\n")
    for path in (tmp_path, declaration, plain):
        assert read_declared(path, SCOPE) == frozenset(("jwt-secret", "live-key"))
    staging = Scope("shop", Environment.STAGING)
    assert read_declared(tmp_path, staging) == frozenset(("jwt-secret", "test-key"))


@pytest.mark.parametrize(
    ("text", "error"),
    [("secrets: [a, b]", "no mapping"), ("secrets: {", "no mapping"), ("- x", "no mapping")],
)
def test_unreadable_declaration_is_rejected(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "shop.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=error):
        read_declared(tmp_path / "shop.yaml", SCOPE)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_declared(tmp_path, SCOPE)


def test_previous_value_is_the_version_before() -> None:
    store = Shop(Versions("one", "two", "three")).store
    assert store.current_and_previous("jwt-secret") == ("three", "two")


@pytest.mark.parametrize(
    "values", [("one",), (None, "two"), (SecretNotFound("x"), "two"), (AccessDenied("x"), "two")]
)
def test_missing_deleted_or_denied_version_is_no_previous_value(values: Any) -> None:
    source = Versions(*values)
    store = Shop(source).store
    if isinstance(values[0], AccessDenied):
        with pytest.raises(AccessDenied):
            store.current_and_previous("jwt-secret")
        return
    for _ in range(3):
        assert store.current_and_previous("jwt-secret") == (values[-1], None)
    assert len(source.requests) == len(values)


@pytest.mark.parametrize(("age", "previous"), [(HOUR, "one"), (HOUR + 1, None)])
def test_previous_value_is_none_after_the_grace(age: float, previous: str | None) -> None:
    source = Versions("one", "two", written=5000.0)
    store = Shop(source, wall_clock=lambda: 5000.0 + age).store
    assert store.current_and_previous("jwt-secret", grace=HOUR) == ("two", previous)
    assert len(source.requests) == (2 if previous else 1)


class Announced(Versions):
    """The same, where a text with an arrow is a value and the one announced with it."""

    def fetch(self, name: str, *arguments: Any) -> FetchedSecret:
        found = super().fetch(name, *arguments)
        value, _, announced = found.value.reveal().partition(" -> ")
        return replace(found, value=Secret(value), next_value=Secret(announced) or None)


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        (("one",), ("one",)),
        (("one", "one -> two"), ("two", "one")),
        (("one", "one -> two", "two"), ("two", "one")),
        ((SecretDeleted("x"), SecretDeleted("x"), "two", "two -> three"), ("three", "two")),
        (("one", "one -> two", "two", "two -> three", "three"), ("three", "two")),
        (("one", Unreachable("x"), "two"), ("two",)),
    ],
)
def test_verification_keys_are_the_next_the_current_and_the_previous_value(
    values: Any, keys: tuple[str, ...]
) -> None:
    store = Shop(Announced(*values)).store
    assert store.verification_keys("jwt-secret") == keys
    assert store.current_and_previous("jwt-secret")[0] == values[-1].partition(" -> ")[0]


def test_no_process_signs_with_a_key_that_another_one_does_not_know() -> None:
    """Two processes, whose caches expire one after the other, at each step of a rotation."""
    source = Announced("one")
    early, late = Shop(source), Shop(source)
    gone = SecretDeleted("destroyed")
    steps = (
        *(("one", "one -> two"), ("one", "one -> two", "two"), (gone, gone, "two")),
        *((gone, gone, "two", "two -> three"), (gone, gone, "two", "two -> three", "three")),
    )
    for source.values in steps:
        for refreshed in (early, late):
            refreshed.clock.now += LIMITS.cache_ttl
            signing = {each.store.get("jwt-secret") for each in (early, late)}
            for each in (early, late):
                assert signing <= {*each.store.verification_keys("jwt-secret")}


def test_source_without_versions_has_one_verification_key(tmp_path: Path) -> None:
    variables = {"JWT_SECRET": "one"}
    audit = AuditLog(SCOPE, lambda _line: None)
    store = SecretStore([DotenvSource(tmp_path / ".env", variables)], audit, development=True)
    assert store.verification_keys("jwt-secret") == ("one",)


def test_announced_value_is_redacted() -> None:
    store = Shop(Announced("one -> the next signing key")).store
    store.get("jwt-secret")
    assert "the next" not in store.fetcher._registry.scrub("it is the next signing key")


def test_password_rotated_by_the_server_has_no_previous_value() -> None:
    """Its entry's versions belong to the template into which the password is inserted."""

    class Rotated(Versions):
        def fetch(self, name: str, *arguments: Any) -> FetchedSecret:
            return replace(super().fetch(name, *arguments), expires_in=60.0)

    source = Rotated("one", "two")
    assert Shop(source).store.current_and_previous("database-url") == ("two", None)
    assert len(source.requests) == 1


def test_unavailable_previous_value_is_requested_by_one_caller() -> None:
    source = Versions(Unreachable("unavailable"), "two")
    shop = Shop(source)
    store, _ = shop.store, with_thread(shop)
    for _ in range(5):
        assert store.current_and_previous("jwt-secret") == ("two", None)
    assert source.requests == [("jwt-secret", None, None), ("jwt-secret", 1, None)]


def test_denied_name_is_served_in_no_version() -> None:
    source = Versions("one", "two")
    shop = Shop(source)
    shop.store.current_and_previous("jwt-secret")
    source.values = (AccessDenied("x"), AccessDenied("x"))
    shop.clock.now += LIMITS.cache_ttl - 1
    with pytest.raises(AccessDenied):
        shop.store.get("jwt-secret", force_refresh=True)
    with pytest.raises(AccessDenied):
        shop.store.get("jwt-secret", version=1)


def test_remembered_errors_can_be_recreated() -> None:
    for kind in (SecretNotFound, SecretDeleted, AccessDenied, *errors.OUTAGE):
        assert str(type(kind("message"))(*kind("message").args)) == "message"
