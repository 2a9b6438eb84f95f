"""Requests and responses of the engines of the in-memory server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: GET, POST, LIST or DELETE.
        path: API path without ``/v1/``; an engine gets the part below its mount.
        token: The Vault token, or None.
        query: The parameters after ``?``.

    """

    method: str
    path: str
    token: str | None = field(default=None, repr=False)
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(
        cls, method: str, path: str, token: str | None, body: Mapping[str, Any] | None
    ) -> Request:
        """Return the request for *path*, with its query parsed.

        Args:
            method: GET, POST, LIST or DELETE.
            path: API path without ``/v1/``, with an optional query.
            token: The Vault token, or None.
            body: The JSON object, or None.

        """
        plain, _, query = path.partition("?")
        return cls(method, plain, token, body or {}, dict(parse_qsl(query)))

    def below(self, mount: str) -> Request:
        """Return the same request with the path relative to *mount*."""
        path = self.path.removeprefix(f"{mount}/")
        return Request(self.method, path, self.token, self.body, self.query)

    @property
    def capability(self) -> str:
        """Return the capability that a policy must grant for it; a POST needs ``update``."""
        names = {"GET": "read", "LIST": "list", "DELETE": "delete"}
        return names.get(self.method, "update")


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """A response: a status, and a body unless it is empty (204)."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)


class ErrorResponse(Exception):
    """An exception that an engine raises to return an error response."""

    def __init__(self, status: int, *errors: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(status, *errors)
        self.response = ServerResponse(
            status, {"errors": list(errors)} if data is None else {"data": data}
        )


NO_CONTENT = ServerResponse(204)


def data_response(fields: Mapping[str, Any]) -> ServerResponse:
    """Return a response whose ``data`` is *fields*."""
    return ServerResponse(200, {"data": dict(fields)})


def unsupported_operation() -> ErrorResponse:
    """Return the error for a method that a path does not support."""
    return ErrorResponse(405, "1 error occurred:\n\t* unsupported operation\n\n")


def unsupported_path() -> ErrorResponse:
    """Return the error for a path that an engine does not have."""
    return ErrorResponse(404, "1 error occurred:\n\t* unsupported path\n\n")
