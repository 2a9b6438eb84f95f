"""The kinds of thing that plan and apply manage: one module for each engine of the server.

A resource knows four things: its name, the fields that are declared for it, how to read those same
fields from the server, and how to write them. It compares nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

from app_integration.errors import ConfigurationError, RequestRefused
from app_integration.session.session import Session
from vault.declare import durations

#: Managed fields and their normalised values. Only these are compared.
Fields = Mapping[str, Any]


class CannotChange(ConfigurationError):
    """The server has a field that can't be changed after creation, set otherwise than declared."""


class Reader(Protocol):
    """What a resource may ask while it reads: a session, or a snapshot of one."""

    def get(self, path: str) -> dict[str, Any]:
        """The decoded answer to a GET."""
        ...

    def list(self, path: str) -> list[str]:
        """The keys below *path*; none for a 404."""
        ...

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The decoded answer to a POST that only computes, such as an HMAC."""
        ...


class Resource(Protocol):
    """One managed thing on the server."""

    @property
    def kind(self) -> str:
        """What sort of thing it is; also the name of its place in the order of dependency."""
        ...

    @property
    def name(self) -> str:
        """Its name on the server, unique within the kind."""
        ...

    def desired(self) -> Fields:
        """What the declaration says of it. Never a secret value."""
        ...

    def read(self, reader: Reader) -> Fields | None:
        """The same fields as the server has them; None when it isn't there."""
        ...

    def write(self, session: Session, before: Fields | None) -> None:
        """Make the server's fields the declared ones; *before* is what :meth:`read` gave."""
        ...


def read_data(reader: Reader, path: str) -> dict[str, Any] | None:
    """The ``data`` of *path*; None for a 404."""
    try:
        answer = reader.get(path)
    except RequestRefused as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    data: dict[str, Any] = answer["data"]
    return data


def pick(fields: Fields, data: Mapping[str, Any]) -> dict[str, Any]:
    """Of *data*, what *fields* name: the server adds keys that nobody declared.

    Where a number of seconds is declared, a duration as text is one too.
    """
    return {key: _like(value, data.get(key)) for key, value in fields.items()}


def _like(declared: Any, found: Any) -> Any:
    if type(declared) is int and isinstance(found, str):
        try:
            return durations.normalise(found)
        except ValueError:
            return found
    return found


def refuse_change(resource: Resource, before: Fields | None, immutable: tuple[str, ...]) -> None:
    """Raise CannotChange when an *immutable* field differs from what is declared."""
    desired = resource.desired()
    for key in immutable:
        if before is not None and before[key] != desired[key]:
            raise CannotChange(
                f"{resource.kind} {resource.name}: {key} is {before[key]!r} on the server and "
                f"{desired[key]!r} in the declaration; it can't be changed after creation, so "
                "declare what is there, or move to a new name"
            )
