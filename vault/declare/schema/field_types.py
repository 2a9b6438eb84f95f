"""Types of single values in a declaration: names, durations, endpoints and addresses.

Each type rejects an invalid value with :class:`InvalidValue`, which describes the valid values and,
if one is similar, the value that was probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema

from app_integration import names
from app_integration.errors import InvalidName
from vault.declare import durations
from vault.declare.errors import InvalidValue, describe_type, format_value, join_names

_EMAIL = re.compile(r"[^@\s:]+@[^@\s:]+\.[^@\s:]+")
_TEAM = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII)
_DATABASE = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_IMPORT = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")
_TEMPLATE = re.compile(r"[A-Za-z0-9][\w-]*\.(?P<suffix>[a-z]+)\.j2", re.ASCII)
_ENDPOINT = re.compile(
    r"(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})", re.ASCII
)
_MAX_PORT = 65_535

#: Suffix of a template before ``.j2`` → format of the delivered file.
FORMATS = {"yaml": "yaml", "json": "json", "toml": "toml", "env": "dotenv", "sh": "sh"}


def _text(value: object, expected: str) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"is {describe_type(value)}", expected)
    return value


def _matching(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    """Return a validator for text that *pattern* matches completely."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise InvalidValue(f"is {format_value(value)}", expected)
        return value

    return AfterValidator(check)


def _named(check_name: Callable[[str], str], expected: str) -> AfterValidator:
    """Return a validator for names that *check_name* accepts."""

    def check(value: str) -> str:
        try:
            return check_name(value)
        except InvalidName:
            near = _suggest_name(check_name, value)
            raise InvalidValue(f"is {format_value(value)}", expected, near) from None

    return AfterValidator(check)


def _suggest_name(check_name: Callable[[str], str], value: str) -> str | None:
    """Return *value* in lower case with ``-`` between words, or None if that is invalid too."""
    try:
        return check_name(re.sub(r"[\s_.-]+", "-", value.strip().lower()))
    except InvalidName:
        return None


def _within(low: str, high: str) -> BeforeValidator:
    """Return a validator that converts a duration from *low* to *high* to seconds."""
    expected = f"a duration from {low} to {high}, in s, m, h or d"

    def check(value: object) -> int:
        if type(value) is int:
            raise InvalidValue(f"is {value}, without a unit", expected)
        text = _text(value, expected)
        try:
            seconds = durations.parse(text)
        except ValueError:
            raise InvalidValue(f"is {format_value(text)}", expected) from None
        if not durations.parse(low) <= seconds <= durations.parse(high):
            raise InvalidValue(f"is {text}", expected)
        return seconds

    return BeforeValidator(check)


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return *values* unchanged.

    Raises:
        InvalidValue: If there are no values, or one occurs more than once.

    """
    if not values:
        raise InvalidValue("is an empty list", "at least one entry")
    again = next((value for value in values if values.count(value) > 1), None)
    if again is not None:
        raise InvalidValue(f"contains {format_value(str(again))} twice", "each entry once")
    return values


def _environment(value: object) -> names.Environment:
    text = _text(value, _ENVIRONMENT)
    try:
        return names.Environment(text)
    except InvalidName:
        near = names.LONG_FORMS.get(text) or _suggest_name(names.Environment, text)
        raise InvalidValue(f"is {format_value(text)}", _ENVIRONMENT, near) from None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a TCP port, written ``host:port`` (``[::1]:5432`` for IPv6)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _endpoint(value: object) -> Endpoint:
    expected = f"host:port, with a port from 1 to {_MAX_PORT}"
    text = _text(value, expected)
    match = _ENDPOINT.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= _MAX_PORT:
        raise InvalidValue(f"is {format_value(text)}", expected)
    return Endpoint(match["host"].strip("[]"), int(match["port"]))


def _address(value: str) -> str:
    expected = "https://host:port or http://host:port, without user, path or query"
    parts = split_address(value)
    if parts is None or parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidValue(f"is {format_value(value)}", expected)
    if parts.scheme not in {"http", "https"} or parts.path.strip("/"):
        raise InvalidValue(f"is {format_value(value)}", expected)
    return value.rstrip("/")


def split_address(value: str) -> SplitResult | None:
    """Return the parts of the address *value*, or None if it has no host or an invalid port."""
    try:
        parts = urlsplit(value)
        usable = parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def is_loopback(address: str) -> bool:
    """Return whether the host of *address* is ``localhost`` or a loopback IP address."""
    parts = split_address(address)
    host = parts.hostname if parts else None
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _path(value: str) -> str:
    if not value.strip() or value.startswith("~") or not value.isprintable():
        expected = "a path such as ../shop, without ~ and control characters"
        raise InvalidValue(f"is {format_value(value)}", expected)
    return value


def _template(value: str) -> str:
    expected = f"a file name such as app.yaml.j2, with one of {join_names(FORMATS)} before .j2"
    match = _TEMPLATE.fullmatch(value)
    if match is None or match["suffix"] not in FORMATS:
        raise InvalidValue(f"is {format_value(value)}", expected)
    return value


def _setting_value(value: object) -> object:
    if not isinstance(value, str | int):
        raise InvalidValue(f"is {describe_type(value)}", "text, a whole number, true or false")
    return value


_WORDS = "lower-case words joined by '-', beginning with a letter, 40 characters at most"
_ENVIRONMENT = "lower-case words joined by '-', beginning with a letter, 20 characters at most"

ServiceName = Annotated[str, _named(names.check_service_name, _WORDS)]
PartName = Annotated[str, _named(names.check_service_name, _WORDS)]
SecretName = Annotated[
    str,
    _named(
        names.check_secret_name,
        "lower-case letters, digits, '-' and '_', with '/' between segments",
    ),
]
EnvironmentName = Annotated[names.Environment, PlainValidator(_environment)]
Owner = Annotated[
    str, _matching(re.compile(f"{_EMAIL.pattern}|{_TEAM.pattern}"), "an e-mail address or a team")
]
DatabaseName = Annotated[
    str, _matching(_DATABASE, "lower-case letters, digits and '_', 63 characters at most")
]
ImportString = Annotated[
    str, _matching(_IMPORT, "package.module:Class, the class that checks the delivered file")
]
#: Absolute, or relative to a folder that the field names. It may lead out of that folder.
AnyPath = Annotated[
    str, AfterValidator(_path), WithJsonSchema({"type": "string", "pattern": r"^(?!~)(?=.*\S)"})
]
TemplateName = Annotated[str, AfterValidator(_template)]
Address = Annotated[str, AfterValidator(_address)]
DatabaseEndpoint = Annotated[Endpoint, BeforeValidator(_endpoint)]
SettingValue = Annotated[str | int | bool, BeforeValidator(_setting_value)]

RotationPeriod = Annotated[int, _within("1h", "3650d")]
LeaseTime = Annotated[int, _within("1s", "90d")]
TokenPeriod = Annotated[int, _within("1m", "32d")]
SecretIdTime = Annotated[int, _within("1m", "365d")]
WrapTime = Annotated[int, _within("1s", "1h")]
QuotaTime = Annotated[int, _within("1s", "1h")]
RenderInterval = Annotated[int, _within("1s", "1d")]
