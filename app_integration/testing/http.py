"""What an engine of the in-memory server is asked, and how it answers."""

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
        path: API path without ``/v1/``; an engine sees what is below its mount.
        token: as it came, or None.
        query: from the path's ``?``.

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
        """The request for *path*, with what stands behind ``?`` taken apart."""
        plain, _, query = path.partition("?")
        return cls(method, plain, token, body or {}, dict(parse_qsl(query)))

    def below(self, mount: str) -> Request:
        """The same request as the engine at *mount* sees it."""
        path = self.path.removeprefix(f"{mount}/")
        return Request(self.method, path, self.token, self.body, self.query)

    @property
    def capability(self) -> str:
        """The capability that a policy must grant for it; a POST counts as ``update``."""
        names = {"GET": "read", "LIST": "list", "DELETE": "delete"}
        return names.get(self.method, "update")


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """What the server answers: a status, and a body unless it is empty (204)."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Refused(Exception):
    """An engine's refusal; it becomes the answer."""

    def __init__(self, status: int, *errors: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(status, *errors)
        self.answer = ServerResponse(
            status, {"errors": list(errors)} if data is None else {"data": data}
        )


NO_CONTENT = ServerResponse(204)


def data(fields: Mapping[str, Any]) -> ServerResponse:
    """An answer that carries *fields* as its data."""
    return ServerResponse(200, {"data": dict(fields)})


def unsupported() -> Refused:
    """The refusal of a method that a path doesn't have."""
    return Refused(405, "1 error occurred:\n\t* unsupported operation\n\n")


def no_such_path() -> Refused:
    """The refusal of a path that an engine doesn't have."""
    return Refused(404, "1 error occurred:\n\t* unsupported path\n\n")
