"""Typed values out of decoded responses: the one place where the shape of a response is checked.

A response of another shape raises :class:`UnexpectedAnswer`, which counts as an outage, so that a
cached value stays in use. It is raised from a frame that no longer references the response, because
a traceback may be printed with the local variables of each frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from app_integration import names
from app_integration.errors import UnexpectedAnswer
from app_integration.secret import Secret
from app_integration.transport.request import HiddenBody

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: The longest duration, in seconds, that Go's ``time.Duration`` can hold: the servers use it.
_MAX_SECONDS: Final = 2**63 // 10**9
#: A decoded response body.
ResponseBody = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Auth:
    """Token data that a login or a renewal returned.

    *lease_duration* is in seconds, 0 for a token that never expires; *accessor* may be "".
    """

    client_token: Secret
    lease_duration: float
    renewable: bool
    accessor: str = field(repr=False)
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KvVersion:
    """One version of a KV v2 entry.

    *created_at* is in seconds since 1970, None if it cannot be parsed. *template* is the URL
    template of an adopted secret, else None. See :func:`adopted_template`.
    """

    version: int
    fields: Mapping[str, Any]
    template: str | None = field(repr=False)
    created_at: float | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class StaticUser:
    """A static database user, whose password the server changes in *ttl* seconds."""

    username: str
    password: Secret
    ttl: float
    request_id: str | None


@dataclass(frozen=True, slots=True)
class LeasedUser:
    """A database user that the server created for one lease, of *lease_duration* seconds."""

    username: str
    password: Secret
    lease_id: str
    lease_duration: float
    renewable: bool


class _UnexpectedShape(Exception):
    """A reason to reject a response; it names keys and types, never a value."""


def _with_request(
    read: Callable[Concatenate[ResponseBody, _P], _T],
) -> Callable[Concatenate[ResponseBody, str, _P], _T]:
    """Add the request as second argument to *read*, so that its error names the request."""

    @wraps(read)
    def checked(response: ResponseBody, request: str, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return read(response, *args, **kwargs)
        except _UnexpectedShape as error:
            reason = str(error)
        del response  # because a traceback that shows local variables would show its values
        raise UnexpectedAnswer(f"{request}: unexpected response: {reason}; check VAULT_ADDR")

    return checked


def is_token(text: str) -> bool:
    """Return whether *text* may be a Vault token, which is sent in a header."""
    return text.isascii() and text.isprintable()


@_with_request
def parse_auth(response: ResponseBody) -> Auth:
    """Return the ``auth`` block of a login or a renewal."""
    block = _mapping(response, "auth")
    return Auth(
        client_token=Secret(_token(block, "client_token")),
        lease_duration=_seconds(block, "lease_duration"),
        renewable=_flag(block, "renewable"),
        accessor=_text(block, "accessor") if block.get("accessor") else "",
        policies=parse_policies(block),
    )


def parse_policies(block: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the policies in a login or a lookup of a token; none if it has no list of names."""
    listed = [block.get(name) for name in ("policies", "identity_policies")]
    found = [name for names in listed if isinstance(names, list) for name in names]
    return tuple(name for name in found if isinstance(name, str))


@_with_request
def parse_kv_version(response: ResponseBody, requested: int | None) -> KvVersion:
    """Return the secret version in the response to a read of ``<mount>/data/<name>``.

    It must be the *requested* one; None stands for the current one.
    """
    data = _mapping(response, "data")
    if not data.keys() >= {"data", "metadata"}:
        raise _UnexpectedShape(
            "'data' is not that of a KV version 2 mount; check STRONGROOM_KV_MOUNT"
        )
    metadata = _mapping(data, "metadata")
    version = metadata.get("version")
    if type(version) is not int or version < 1 or requested not in {None, version}:
        raise _UnexpectedShape("'version' is not the one that was requested")
    fields, custom = HiddenBody(_mapping(data, "data")), metadata.get("custom_metadata")
    return KvVersion(
        version=version,
        fields=fields,
        template=adopted_template(custom, fields) if isinstance(custom, Mapping) else None,
        created_at=_time(metadata, "created_time") if metadata.get("created_time") else None,
        request_id=_text(response, "request_id") if response.get("request_id") else None,
    )


@_with_request
def parse_static_user(response: ResponseBody) -> StaticUser:
    """Return the user in the response to a read of ``database/static-creds/<role>``."""
    data = _mapping(response, "data")
    return StaticUser(
        username=_text(data, "username"),
        password=Secret(_text(data, "password")),
        ttl=_seconds(data, "ttl"),
        request_id=_text(response, "request_id") if response.get("request_id") else None,
    )


@_with_request
def parse_leased_user(response: ResponseBody) -> LeasedUser:
    """Return the user in the response to a read of ``database/creds/<role>``."""
    data = _mapping(response, "data")
    return LeasedUser(
        username=_text(data, "username"),
        password=Secret(_text(data, "password")),
        lease_id=_text(response, "lease_id"),
        lease_duration=_seconds(response, "lease_duration"),
        renewable=_flag(response, "renewable"),
    )


@_with_request
def parse_lease_duration(response: ResponseBody) -> float:
    """Return the seconds until a lease that was just renewed expires."""
    return _seconds(response, "lease_duration")


@_with_request
def parse_text(response: ResponseBody, key: str) -> str:
    """Return the string under *key* in the ``data`` of a response."""
    return _text(_mapping(response, "data"), key)


@_with_request
def parse_keys(response: ResponseBody) -> list[str]:
    """Return the keys in the response to a LIST."""
    value = _mapping(response, "data").get("keys")
    if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
        raise _UnexpectedShape("'keys' is not a list of names")
    return value


def adopted_template(custom_metadata: Mapping[str, Any], fields: Mapping[str, Any]) -> str | None:
    """Return the URL template of a secret, None unless the metadata says that it is adopted."""
    value = fields.get(names.TEMPLATE_KEY) if names.COMPOSED_KEY in custom_metadata else None
    return value if isinstance(value, str) else None


def _mapping(parent: ResponseBody, key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if not isinstance(value, Mapping):
        raise _UnexpectedShape(f"{key!r} is not an object")
    return value


def _text(parent: ResponseBody, key: str) -> str:
    value = parent.get(key)
    if isinstance(value, str) and value:
        with suppress(UnicodeEncodeError):  # a JSON escape can produce a lone surrogate
            value.encode()
            return value
    raise _UnexpectedShape(f"{key!r} is not text")


def _token(parent: ResponseBody, key: str) -> str:
    value = _text(parent, key)
    if not is_token(value):
        raise _UnexpectedShape(f"{key!r} is no token")
    return value


def _seconds(parent: ResponseBody, key: str) -> float:
    value = parent.get(key)
    # A bool is rejected by name because it is an int. NaN fails both comparisons.
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value <= _MAX_SECONDS
    ):
        raise _UnexpectedShape(f"{key!r} is not a number of seconds")
    return float(value)


def _time(parent: ResponseBody, key: str) -> float | None:
    """Return a time in seconds since 1970; None if it cannot be parsed."""
    try:
        return datetime.fromisoformat(_text(parent, key)).timestamp()
    except (ValueError, OverflowError):  # the latter for a year beyond the platform's range
        return None


def _flag(parent: ResponseBody, key: str) -> bool:
    value = parent.get(key)
    if not isinstance(value, bool):
        raise _UnexpectedShape(f"{key!r} is neither true nor false")
    return value
