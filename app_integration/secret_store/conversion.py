"""Conversion of a secret's text to a number, a boolean, JSON or a pydantic model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from app_integration.errors import ConfigurationError, WrongType
from app_integration.secret import Secret

_BOOLEANS: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def convert(value: Secret, kind: type[Any], name: str) -> Any:
    """Return *value* as *kind*, or raise WrongType, which shows nothing of the text.

    Each call returns a new object, so that changing it does not change the cached value.
    """
    read = _READERS.get(kind) or getattr(kind, "model_validate_json", None)
    if read is None:
        kinds = ", ".join(each.__name__ for each in _READERS)
        raise ConfigurationError(f"as_type={kind!r}: use one of {kinds}, or a pydantic model")
    try:
        return read(value.reveal())
    except Exception:  # noqa: BLE001, S110 (a model's validators may raise anything, and repeat the text)
        pass
    raise WrongType(
        f"the value of {name} is not of type {kind.__name__}; "
        "write a value of that type, or read it as text"
    )


def _parse_bool(text: str) -> bool:
    return _BOOLEANS[text.strip().lower()]


def _json_reader(kind: type[Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        found = json.loads(text)
        if type(found) is not kind:
            raise TypeError
        return found

    return read


_READERS: Final[dict[type[Any], Callable[[str], Any]]] = {
    int: int,
    float: float,
    bool: _parse_bool,
    dict: _json_reader(dict),
    list: _json_reader(list),
}
