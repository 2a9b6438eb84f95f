"""A secret's text as another type: number, switch, JSON or a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from app_integration.errors import ConfigurationError, WrongType
from app_integration.secret import Secret

_SWITCH: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def convert(value: Secret, kind: type[Any], name: str) -> Any:
    """*value* as *kind*, made anew at each call, so that changing it changes nothing held.

    Args:
        value: the text.
        kind: int, float, bool, dict, list, or a pydantic model; ``dict``, ``list`` and models are
            read as JSON.
        name: of the secret, for errors.

    Raises:
        WrongType: the text doesn't fit. The message holds neither it nor a parser's words.
        ConfigurationError: *kind* is no such type.

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
        f"the value of {name} is no {kind.__name__}; write one that is, or read it as text"
    )


def _switch(text: str) -> bool:
    return _SWITCH[text.strip().lower()]


def _json(kind: type[Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        found = json.loads(text)
        if type(found) is not kind:
            raise TypeError
        return found

    return read


_READERS: Final[dict[type[Any], Callable[[str], Any]]] = {
    int: int,
    float: float,
    bool: _switch,
    dict: _json(dict),
    list: _json(list),
}
