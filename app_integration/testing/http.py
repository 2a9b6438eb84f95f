"""Requests and responses of the engines of the in-memory server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from app_integration.errors import RequestRefused

#: Begins each message that rejects what the real server does and the in-memory one does not.
UNSUPPORTED: Final = "the in-memory Vault does not support"
_REMEDY: Final = "test it with the fixture real_vault"
#: The refusal of a method.
UNSUPPORTED_METHOD: Final = f"unsupported operation: {UNSUPPORTED} this method here; {_REMEDY}"
#: What Go reads as true.
TRUE: Final = {"1", "t", "T", "true", "TRUE", "True"}
_METHODS: Final = ("GET", "HEAD", "LIST", "POST", "PATCH", "DELETE")
_CAPABILITIES: Final = {
    "GET": "read",
    "HEAD": "read",
    "LIST": "list",
    "DELETE": "delete",
    "PATCH": "patch",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request. *path* has no ``/v1/``, and for an engine begins below its mount."""

    method: str
    path: str
    token: str | None = field(default=None, repr=False)
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, method: str, path: str, token: str | None, body: object) -> Request:
        """Return the request for *path*, with its query and its body parsed."""
        plain, _, text = path.partition("?")
        query = dict(parse_qsl(text))
        method = "POST" if method == "PUT" else method
        if method == "GET" and query.pop("list", "") in TRUE:
            method = "LIST"
        if method not in _METHODS:
            raise ErrorResponse(405, unsupported=f"{UNSUPPORTED} the method {method}; {_REMEDY}")
        return cls(method, plain, token, _parse_body(body), query)

    def below(self, mount: str) -> Request:
        """Return the same request with the path relative to *mount*."""
        path = self.path.removeprefix(mount).removeprefix("/")
        return Request(self.method, path, self.token, self.body, self.query)

    @property
    def capability(self) -> str:
        """Return the capability that a policy must grant for it; a POST needs ``update``."""
        return _CAPABILITIES.get(self.method, "update")

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return what the server reads: the body of a POST or PATCH, the query of all others."""
        return self.body if self.method in {"POST", "PATCH"} else self.query

    @property
    def ignored(self) -> Mapping[str, Any]:
        """Return what the server does not read."""
        return self.query if self.method in {"POST", "PATCH"} else self.body


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """A response: a status, and a body unless it is empty (204)."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    unsupported: str = ""
    is_plain: bool = False


class UnsupportedCall(RequestRefused):
    """An exception for a request that the in-memory server does not do.

    It is none of hvac's, which takes a 404 for an absent value: a test would go on with None.
    """

    def __init__(self, request: object, response: ServerResponse) -> None:
        status = response.status
        super().__init__(f"{request}: status {status}: {response.unsupported}", status=status)


class ErrorResponse(Exception):
    """An exception that an engine raises to return an error response."""

    def __init__(
        self,
        status: int,
        *errors: str,
        data: Mapping[str, Any] | None = None,
        unsupported: str = "",
    ) -> None:
        super().__init__(status, *errors)
        if unsupported and unsupported not in errors:
            errors = (*errors, unsupported)
        self.response = ServerResponse(
            status, {"errors": list(errors)} if data is None else {"data": data}, unsupported
        )


NO_CONTENT = ServerResponse(204)
#: A 404 without a body.
NOTHING = ServerResponse(404)


def data_response(fields: Mapping[str, Any]) -> ServerResponse:
    """Return a response whose ``data`` is *fields*."""
    return ServerResponse(200, {"data": dict(fields)})


def system_response(fields: Mapping[str, Any]) -> ServerResponse:
    """Return a response with *fields* in its ``data`` and beside it, as below ``sys/``."""
    return ServerResponse(200, {**fields, "data": dict(fields)})


def list_response(keys: list[str]) -> ServerResponse:
    """Return the response to a LIST that found *keys*; raise the error 404 without any."""
    if not keys:
        raise ErrorResponse(404)
    return data_response({"keys": keys})


def frame_error(message: str) -> str:
    """Return *message* as the server lists one error."""
    return f"1 error occurred:\n\t* {message}\n\n"


def internal_error(message: str) -> ErrorResponse:
    """Return the error of status 500 that the server uses for some invalid requests."""
    return ErrorResponse(500, frame_error(message))


def unsupported_operation() -> ErrorResponse:
    """Return the error for a method that a path does not support."""
    return ErrorResponse(
        405,
        frame_error("unsupported operation"),
        unsupported=UNSUPPORTED_METHOD,
    )


def unsupported_path() -> ErrorResponse:
    """Return the error for a path that an engine does not have."""
    message = f"unsupported path: {UNSUPPORTED} it; {_REMEDY}"
    return ErrorResponse(404, frame_error("unsupported path"), unsupported=message)


def unsupported_route(request: Request) -> ErrorResponse:
    """Return the error for a path at which nothing is mounted."""
    path = request.path.rstrip("/") + "/" if request.method == "LIST" else request.path
    found = f'no handler for route "{path}". route entry not found.'
    message = f"{found} {UNSUPPORTED} it unless it is mounted at sys/mounts or sys/auth"
    return ErrorResponse(404, found, unsupported=message)


def unsupported_parameter(name: str, value: str = "") -> ErrorResponse:
    """Return the error for a parameter that the in-memory server would ignore.

    The error shows *value*, so it must not be a secret.
    """
    shown = f"{value!r} as {name!r}" if value else f"the parameter {name!r}"
    message = f"{UNSUPPORTED} {shown}; remove it, or {_REMEDY}"
    return ErrorResponse(400, message, unsupported=message)


def unsupported_feature(what: str) -> ErrorResponse:
    """Return the error for a feature that the in-memory server does not have."""
    message = f"{UNSUPPORTED} {what}; {_REMEDY}"
    return ErrorResponse(400, message, unsupported=message)


def _parse_body(body: object) -> Mapping[str, Any]:
    """Return the body as it arrives through a network: a Secret as its characters."""
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
        # A lone surrogate cannot be sent; the server, too, replaces what is no UTF-8.
        found = json.loads(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise ErrorResponse(400, "failed to decode JSON input") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        kind = {list: "array", str: "string", bool: "bool"}.get(type(found), "number")
        target = "Go value of type map[string]interface {}"
        raise ErrorResponse(
            400, f"failed to decode JSON input: json: cannot unmarshal {kind} into {target}"
        )
    return found
