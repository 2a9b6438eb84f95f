"""Parameters of a request to the in-memory server, converted like those of the real one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from app_integration.testing.http import TRUE, ErrorResponse, Request, unsupported_parameter

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,30}")
_INTEGERS: Final = range(-(2**63), 2**63)
_FALSE: Final = {"", "0", "f", "F", "FALSE", "false", "False"}
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"(-?)((?:[0-9]{1,20}(?:\.[0-9]{1,9})?(?:ns|us|ms|s|m|h|d))+)")
_PART: Final = re.compile(r"([0-9.]+)(ns|us|ms|s|m|h|d)")
_MAX_SECONDS: Final = 2**63 / 1e9  # what a duration of the real server can hold
#: Parameters that the real server takes from the path, whatever the body says.
_PATH_PARTS: Final = {"name", "role_name", "prefix", "url_lease_id"}
_GO_TYPES: Final = {
    dict: "map[string]interface {}",
    list: "[]interface {}",
    str: "string",
    bool: "bool",
}


class Parameters:
    """The parameters of one request. Each method converts one of them, or rejects the request."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def __contains__(self, name: str) -> bool:
        """Return whether *name* was sent."""
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """Return a string; a number becomes its digits."""
        return to_text(name, self.values.get(name, default))

    def integer(self, name: str, default: int = 0) -> int:
        """Return an integer of 64 bits."""
        return to_integer(name, self.values.get(name, default))

    def boolean(self, name: str, default: bool = False) -> bool:
        """Return a boolean."""
        value = self.values.get(name, default)
        if isinstance(value, int | float):
            return bool(value)
        if value is not None and not isinstance(value, str):
            raise _unconvertible(name, "bool", value)
        if (value or "") not in TRUE | _FALSE:
            raise invalid(
                name, "'' cannot parse value as 'bool': strconv.ParseBool: invalid syntax"
            )
        return value in TRUE

    def seconds(
        self, name: str, default: float = 0.0, *, signed: bool = False, plain: bool = False
    ) -> float:
        """Return a duration in whole seconds. With *plain* the error names no field."""
        if name not in self.values:
            return default
        try:
            seconds = parse_seconds(self.values[name])
        except ValueError as error:
            raise ErrorResponse(400, str(error)) if plain else invalid(name, str(error)) from None
        if seconds < 0 and not signed:
            raise invalid(name, f"cannot provide negative value '{seconds:.0f}'")
        return float(int(seconds))

    def texts(self, name: str, *, commas: bool = True) -> list[str]:
        """Return a list of strings, which may be sent as one string with commas."""
        value = self.values.get(name)
        if value is None or value == "":
            return []
        if isinstance(value, str) and commas:
            return [part.strip() for part in value.split(",")]
        items = value if isinstance(value, list) else [value]
        return [_item(name, at, item, "string") for at, item in enumerate(items)]

    def integers(self, name: str) -> list[int]:
        """Return a list of integers, which may be sent as one string with commas."""
        value = self.values.get(name)
        items = value.split(",") if isinstance(value, str) else value
        if value is None or value == "":
            return []
        items = items if isinstance(items, list) else [items]
        return [_integer_item(name, at, item) for at, item in enumerate(items)]

    def mapping(self, name: str) -> dict[str, Any]:
        """Return an object."""
        value = self.values.get(name)
        if value is None or value == []:
            return {}
        if isinstance(value, list):
            raise _unconvertible(name, _GO_TYPES[dict], value[0], "[0]")
        if not isinstance(value, dict):
            raise _unconvertible(name, _GO_TYPES[dict], value)
        return value

    def pairs(self, name: str) -> dict[str, str]:
        """Return an object of strings; other values become their text."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, dict):
            raise invalid(name, f'invalid key pair at index 0 in field "{name}"')
        return {key: to_text(name, each) for key, each in (value or {}).items()}


def read(request: Request, *known: str, defaults: Mapping[str, Any] | None = None) -> Parameters:
    """Return the parameters of *request*, and reject any that is not *known*.

    *defaults* are supported with one value only, which the server assumes.
    """
    for name in request.ignored:
        raise unsupported_parameter(name)
    values = {
        name: value
        for name, value in request.parameters.items()
        if name in known or not _is_in_path(name, value, request)
    }
    return check(values, known, defaults)


def check(
    values: Mapping[str, Any],
    known: Iterable[str],
    defaults: Mapping[str, Any] | None = None,
    prefix: str = "",
) -> Parameters:
    """Return *values* as parameters. See :func:`read`.

    *prefix* is written before the names in errors, such as ``options.``.
    """
    supported, fixed = {*known}, defaults or {}
    for name, value in values.items():
        is_default = name in fixed and (value is None or value == fixed[name])
        if name not in supported and not is_default:
            raise unsupported_parameter(f"{prefix}{name}")
    return Parameters(values)


def to_text(name: str, value: object) -> str:
    """Return *value* as a string."""
    if value is None:
        return ""
    if isinstance(value, list | dict):
        raise _unconvertible(name, "string", value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def to_integer(name: str, value: object) -> int:
    """Return *value* as an integer of 64 bits, or raise the error of a response."""
    if isinstance(value, list | dict):
        raise _unconvertible(name, "int", value)
    try:
        return parse_integer(value)
    except ValueError as error:
        raise invalid(name, f"'' cannot parse value as 'int': {error}") from None


def parse_integer(value: object) -> int:
    """Return *value* as an integer of 64 bits, or raise ValueError with the server's message."""
    if value is None or value == "":
        return 0
    text = str(int(value)) if isinstance(value, bool) else _digits(value)
    if not _INTEGER.fullmatch(text):
        is_long = text.lstrip("+-").isascii() and text.lstrip("+-").isdigit()
        raise ValueError(
            f"strconv.ParseInt: {'value out of range' if is_long else 'invalid syntax'}"
        )
    if int(text) not in _INTEGERS:
        raise ValueError("strconv.ParseInt: value out of range")
    return int(text)


def parse_seconds(value: object) -> float:
    """Return a duration, given as seconds or like ``1h30m``, in seconds."""
    if value is None or value == "":
        return 0.0
    # A boolean, a list and an object print as text that is no duration.
    text = _digits(value)
    found = _DURATION.fullmatch(text)
    if found:
        parts = _PART.findall(found[2])
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        seconds = -seconds if found[1] else seconds
    elif _INTEGER.fullmatch(text):
        seconds = float(int(text))
    elif isinstance(value, float):
        raise ValueError(f'time: missing unit in duration "{text}"')
    elif isinstance(value, bool | list | dict):
        reason = "could not parse duration from input"
        raise ValueError(reason)
    else:
        raise ValueError(f'time: invalid duration "{text}"')
    if abs(seconds) > _MAX_SECONDS:
        raise ValueError(f'time: invalid duration "{text}"')
    return seconds


def show_seconds(seconds: float) -> str:
    """Return a duration as the real server prints it, such as ``1h0m0s``."""
    sign, whole = ("-" if seconds < 0 else ""), abs(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(int(minutes), 60)
    tail = f"{rest:.9f}".rstrip("0").rstrip(".")
    if hours:
        return f"{sign}{hours}h{minutes}m{tail}s"
    return f"{sign}{minutes}m{tail}s" if minutes else f"{sign}{tail}s"


def invalid(name: str, reason: str) -> ErrorResponse:
    """Return the error for a parameter that cannot be converted."""
    return ErrorResponse(400, f'error converting input for field "{name}": {reason}')


def go_type(value: object) -> str:
    """Return the name that the real server's errors give to the type of *value*."""
    return _GO_TYPES.get(type(value), "json.Number")


def _is_in_path(name: str, value: object, request: Request) -> bool:
    """Return whether a parameter repeats a part of the path, as some requests of hvac do."""
    return name in _PATH_PARTS and isinstance(value, str) and value in request.path


def _digits(value: object) -> str:
    try:
        return str(value)
    except ValueError:  # of an integer with more digits than Python prints
        return "9" * 40


def _unconvertible(name: str, target: str, value: object, where: str = "") -> ErrorResponse:
    found = f"got unconvertible type '{go_type(value)}'"
    return invalid(name, f"'{where}' expected type '{target}', {found}")


def _item(name: str, at: int, value: object, target: str) -> str:
    if isinstance(value, list | dict):
        reason = f"'[{at}]' expected type '{target}', got unconvertible type '{go_type(value)}'"
        raise invalid(name, f"decoding failed due to the following error(s):\n\n{reason}")
    return to_text(name, value)


def _integer_item(name: str, at: int, value: object) -> int:
    _item(name, at, value, "int")
    try:
        return parse_integer(value)
    except ValueError as error:
        reason = f"'[{at}]' cannot parse value as 'int': {error}"
        raise invalid(name, f"decoding failed due to the following error(s):\n\n{reason}") from None
