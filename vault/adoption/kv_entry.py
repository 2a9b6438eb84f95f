"""One field of an entry in a KV mount that another tool writes.

The mount may be of either version, and anywhere on the server of the deployment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from app_integration.errors import AccessDenied, ConfigurationError, RequestRefused
from app_integration.names import VALUE_KEY
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.transport.request import HiddenBody

_KV: Final = ("kv", "generic")  # types of mounts; the second is version 1 of old servers
#: Types of values that are no text, as a person calls them.
_KINDS: Final = {
    bool: "a boolean",
    int: "a number",
    list: "a list",
    dict: "an object",
}


@dataclass(frozen=True, slots=True)
class EntryField:
    """One field of an entry, as a person names it. *field* is None for the only one."""

    path: str
    field: str | None = None

    @classmethod
    def parse(cls, text: str) -> EntryField:
        """Return the field in *text*, ``PATH`` or ``PATH#field``."""
        path, separator, name = text.partition("#")
        parts = path.split("/")
        if len(parts) < 2 or not all(part.strip(".") for part in parts):  # noqa: PLR2004 (mount, entry)
            raise ConfigurationError(
                f"{path!r} is not the path of an entry (expected its mount and its name, such as"
                " kv/team/smtp)"
            )
        if separator and not name:
            raise ConfigurationError(f"{text!r} names no field (expected {path}#field)")
        return cls(path, name if separator else None)

    @property
    def last_name(self) -> str:
        """Return the field; the last segment of the path if it is ``value`` or not named."""
        is_named = self.field not in {None, VALUE_KEY}
        return str(self.field) if is_named else self.path.rpartition("/")[2]

    def __str__(self) -> str:
        return self.path if self.field is None else f"{self.path}#{self.field}"


@dataclass(frozen=True, slots=True)
class FoundValue:
    """The value of a field, as a secret has it.

    *note* says what was done to a value that is no text; None for a text.
    """

    value: Secret = field(repr=False)
    note: str | None = None


def read(session: Session, entry: EntryField) -> FoundValue:
    """Return the value of a field.

    An error may name the fields that there are, and has no value.
    """
    try:
        return _choose(entry, _read_fields(session, entry.path))
    except AccessDenied:
        raise ConfigurationError(
            f"this login may not read {entry.path}, or there is no such mount; let its policy read"
            f" it, and repeat the command{_suggest_path(entry.path)}. Nothing was changed"
        ) from None
    except RequestRefused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        what = "has no entry" if refused.data is None else "has an entry whose version is deleted:"
        hint = _suggest_path(entry.path)
        raise ConfigurationError(
            f"the server {what} {entry.path}; name another one{hint}"
        ) from None


def _suggest_path(path: str) -> str:
    """Return the part of an error that suggests another path, empty if *path* is no API path."""
    other = path.replace("/data/", "/", 1)
    return "" if other == path else f", or without the data of an API path: {other}"


def _read_fields(session: Session, path: str) -> Mapping[str, Any]:
    found = session.get(f"sys/internal/ui/mounts/{quote(path)}")["data"]
    mount, options = str(found["path"]), found.get("options") or {}
    if found["type"] not in _KV:
        raise ConfigurationError(
            f"{mount} is a mount of {found['type']}, and not of KV; name another path"
        )
    mount, name = quote(mount), quote(path.removeprefix(mount))
    if options.get("version") == "2":
        return HiddenBody(session.get(f"{mount}data/{name}")["data"]["data"] or {})
    return HiddenBody(session.get(f"{mount}{name}")["data"] or {})


def _choose(entry: EntryField, fields: Mapping[str, Any]) -> FoundValue:
    names = ", ".join(sorted(fields)) or "none"
    if entry.field is None and len(fields) != 1:
        raise ConfigurationError(
            f"{entry.path} has {len(fields)} fields (found {names}); name one as {entry.path}#field"
        )
    name = entry.field or next(iter(fields))
    if name not in fields:
        raise ConfigurationError(
            f"{entry.path} has no field {name!r} (found {names}); name one that it has"
        )
    value = fields[name]
    if isinstance(value, str) and value:
        return FoundValue(Secret(value))
    if value is None or value == "":
        raise ConfigurationError(f"{entry.path}#{name} has no value; write one there first")
    if _has_float(value):
        raise ConfigurationError(
            f"{entry.path}#{name} has a number with a fraction or an exponent, which would be"
            " rounded; write it there as text first"
        )
    kind = _KINDS[type(value)]
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return FoundValue(Secret(text), f"{name} is {kind}, and is stored as its JSON text")


def _has_float(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_float, value.values()))
    return any(map(_has_float, value)) if isinstance(value, list) else isinstance(value, float)
