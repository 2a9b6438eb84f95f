"""Types of single values in a declaration: names, durations, endpoints and addresses.

Each type rejects an invalid value with :class:`InvalidValue`, which describes the valid values and,
if one is similar, the value that was probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from app_integration import names
from app_integration._internal.server_urls import is_loopback_host
from app_integration.errors import InvalidName
from vault.declare import durations
from vault.declare.errors import InvalidValue, describe_type, format_value, join_names
from vault.declare.schema.text_types import Matching, json_text, text_schema

#: Suffix of a template before ``.j2`` → format of the delivered file.
FORMATS = {"yaml": "yaml", "json": "json", "toml": "toml", "env": "dotenv", "sh": "sh"}

_EMAIL = r"[^@\s:]+@[^@\s:]+\.[^@\s:]+"
# ASCII letters, '_' and all beyond ASCII, because Python and ECMAScript differ about those.
_LETTER = r"[^\x00-@\[-\^`{-\x7f]"
_IDENTIFIER = rf"{_LETTER}(?:{_LETTER}|[0-9])*"
_TEMPLATE = rf"[A-Za-z0-9][A-Za-z0-9_-]*\.(?:{'|'.join(FORMATS)})\.j2"
_PORT = "(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_ENDPOINT = rf"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):{_PORT}"
_PAGE = r"https?://[A-Za-z0-9.:\[\]-]+(?:/[!-~]*)?"
#: Regular expression of the scheme of an address.
SCHEME = "[Hh][Tt][Tt][Pp][Ss]?"


def _text(value: object, expected: str) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"is {describe_type(value)}", expected)
    return value


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


@dataclass(frozen=True, slots=True)
class Within:
    """Annotation of a duration from *low* to *high*, which is converted to seconds."""

    low: str
    high: str

    @property
    def expected(self) -> str:
        """Return the description of the valid values."""
        return f"a duration from {self.low} to {self.high}, in s, m, h or d"

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return the schema of the validator."""
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the JSON Schema. It cannot compare a duration of several units."""
        pattern = durations.pattern(durations.parse(self.high))
        lengths = {"minLength": 1, "maxLength": durations.MAX_LENGTH}
        return text_schema(pattern, self.expected, **lengths)

    def check(self, value: object) -> int:
        """Return the seconds in *value*.

        Raises:
            InvalidValue: If *value* is not a duration in the range.

        """
        if type(value) is int:
            raise InvalidValue(f"is {value}, without a unit", self.expected)
        text = _text(value, self.expected)
        try:
            seconds = durations.parse(text)
        except ValueError:
            raise InvalidValue(f"is {format_value(text)}", self.expected) from None
        if not durations.parse(self.low) <= seconds <= durations.parse(self.high):
            raise InvalidValue(f"is {text}", self.expected)
        return seconds


def not_below(field: str) -> Callable[[int, ValidationInfo], int]:
    """Return the validator of a duration that is no shorter than that of *field* before it."""

    def check(value: int, info: ValidationInfo) -> int:
        least = info.data.get(field)
        if least is not None and value < least:
            raise InvalidValue(f"is shorter than {field}", f"{durations.render(least)} or more")
        return value

    return check


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
    text = _text(value, _HOST_AND_PORT)
    if not re.fullmatch(_ENDPOINT, text):
        raise InvalidValue(f"is {format_value(text)}", _HOST_AND_PORT)
    host, _, port = text.rpartition(":")
    return Endpoint(host.strip("[]"), int(port))


def _without_final_slash(address: str) -> str:
    return address.rstrip("/")


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
    return is_loopback_host((parts.hostname if parts else None) or "")


def _is_import(value: str) -> bool:
    return all(part.isidentifier() for part in re.split(r"[.:]", value))


def _setting_value(value: object) -> object:
    if not isinstance(value, str | int):
        raise InvalidValue(f"is {describe_type(value)}", "text, a whole number, true or false")
    return value


_WORDS = "lower-case words joined by '-', beginning with a letter, 40 characters at most"
_ENVIRONMENT = "lower-case words joined by '-', beginning with a letter, 20 characters at most"

_SEGMENTS = "lower-case letters, digits, '-' and '_', with '/' between segments"
_HOST_AND_PORT = "host:port, with a port from 1 to 65535"
_NAME = json_text(names.SERVICE_PATTERN, _WORDS, maxLength=names.MAX_SERVICE_LENGTH)

ServiceName = Annotated[str, _named(names.check_service_name, _WORDS), _NAME]
PartName = Annotated[str, _named(names.check_service_name, _WORDS), _NAME]
SecretName = Annotated[
    str,
    _named(names.check_secret_name, _SEGMENTS),
    json_text(names.SECRET_PATTERN, _SEGMENTS, maxLength=names.MAX_NAME_LENGTH),
]
EnvironmentName = Annotated[
    names.Environment,
    PlainValidator(_environment),
    json_text(
        names.SERVICE_PATTERN,
        _ENVIRONMENT,
        maxLength=names.MAX_ENVIRONMENT_LENGTH,
        **{"not": {"enum": sorted(names.LONG_FORMS)}},
    ),
]
Owner = Annotated[str, Matching(f"{_EMAIL}|{names.SERVICE_PATTERN}", "an e-mail address or a team")]
DatabaseName = Annotated[
    str,
    Matching(r"[a-z][a-z0-9_]{0,62}", "lower-case letters, digits and '_', 63 characters at most"),
]
ImportString = Annotated[
    str,
    Matching(
        rf"{_IDENTIFIER}(?:\.{_IDENTIFIER})*:{_IDENTIFIER}",
        "package.module:Class, the class that checks the delivered file",
        _is_import,
    ),
]
TemplateName = Annotated[
    str,
    Matching(
        _TEMPLATE,
        f"a file name such as app.yaml.j2, with one of {join_names(FORMATS)} before .j2",
    ),
]
Address = Annotated[
    str,
    Matching(
        rf"{SCHEME}://[^/?#@\s]+/*",
        "https://host:port or http://host:port, without user, path or query",
        split_address,
    ),
    AfterValidator(_without_final_slash),
]
HostPort = Annotated[str, Matching(_ENDPOINT, _HOST_AND_PORT)]
DatabaseEndpoint = Annotated[
    Endpoint, BeforeValidator(_endpoint), json_text(_ENDPOINT, _HOST_AND_PORT)
]
#: Absolute, or relative to a folder that the field names. It may lead out of that folder.
AnyPath = Annotated[
    str,
    Matching(
        r"[^~\x00-\x20\x7f][^\x00-\x1f\x7f]*",
        "a path such as ../shop, without ~ and control characters",
        str.isprintable,
    ),
]
#: Ways to tell an application that its delivered file was replaced.
ReloadWay = Annotated[
    str,
    Matching(
        rf"none|restart|SIG(?:HUP|USR1|USR2)|{_PAGE}",
        "none, restart, SIGHUP, SIGUSR1, SIGUSR2, or the URL of a page that takes a POST",
        lambda way: "://" not in way or split_address(way),
    ),
]
PAGE_URL = Matching(_PAGE, "http(s)://host:port/path, without user", split_address)
PageUrl = Annotated[str, PAGE_URL]
#: A program of the repository or of the machine, and its arguments. No shell reads them.
Command = Annotated[
    tuple[Annotated[str, Matching(r"[^\x00]+", "text")], ...],
    Field(min_length=1, json_schema_extra={"minItems": 1}),
]
SettingValue = Annotated[str | int | bool, BeforeValidator(_setting_value)]

Count = Annotated[int, Field(ge=1, le=1_000_000)]
RotationPeriod = Annotated[int, Within("1h", "3650d")]
AuditKeepTime = Annotated[int, Within("1d", "3650d")]
#: At least the longest time for which a process may use a value from its cache.
AnnouncementTime = Annotated[int, Within("65m", "365d")]
RetireTime = Annotated[int, Within("1s", "365d")]
LeaseTime = Annotated[int, Within("1s", "90d")]
TokenPeriod = Annotated[int, Within("1m", "32d")]
SecretIdTime = Annotated[int, Within("1m", "365d")]
WrapTime = Annotated[int, Within("1s", "1h")]
QuotaTime = Annotated[int, Within("1s", "1h")]
RenderInterval = Annotated[int, Within("1s", "1d")]
HealthTime = Annotated[int, Within("1s", "10m")]
