"""What a server's answers hold, as typed values: the one place where their shape is judged.

A proxy, a KV v1 mount or a server that fails half-way answers 200 with something else. All of it is
one error, which counts as an outage: nothing was said about the secret, and a value that is known
stays in use. The error names what is wrong and where, and it is raised out of sight of the answer,
since a traceback may be shown with the local variables of each frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from app_integration import names
from app_integration.errors import UnexpectedAnswer
from app_integration.secret import Secret
from app_integration.transport.http import Hidden

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: Seconds in the longest duration that the servers' language has.
_LONGEST: Final = 2**63 // 10**9
#: A decoded answer.
Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Auth:
    """What a login or a renewal gives.

    Attributes:
        lease_duration: seconds; 0 for a token without end.
        accessor: "" for a token that has none.

    """

    client_token: Secret
    lease_duration: float
    renewable: bool
    accessor: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KvVersion:
    """One version of a KV v2 entry, with the metadata of the entry.

    Attributes:
        created_time: as the server writes times; "" when it gives none.

    """

    version: int
    fields: Mapping[str, Any]
    custom_metadata: Mapping[str, Any]
    created_time: str
    request_id: str | None

    @property
    def template(self) -> str | None:
        """Of an adopted secret, the URL to fill in; of any other None, whatever its fields are."""
        return adopted_template(self.custom_metadata, self.fields)


@dataclass(frozen=True, slots=True)
class StaticUser:
    """A static database user.

    Attributes:
        ttl: seconds until the server changes the password.

    """

    username: str
    password: Secret
    ttl: float
    request_id: str | None


@dataclass(frozen=True, slots=True)
class LeasedUser:
    """A database user made for one lease.

    Attributes:
        lease_duration: seconds.

    """

    username: str
    password: Secret
    lease_id: str
    lease_duration: float
    renewable: bool


class _Unfit(Exception):
    """What is wrong with an answer; names keys and types, and no value."""


def _typed(
    read: Callable[Concatenate[Answer, _P], _T],
) -> Callable[Concatenate[Answer, str, _P], _T]:
    """*read* with the request as its second argument, for the error."""

    @wraps(read)
    def typed(answer: Answer, request: str, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return read(answer, *args, **kwargs)
        except _Unfit as unfit:
            what = str(unfit)
        del answer  # or its values would be among the error's local variables
        raise UnexpectedAnswer(f"{request}: unexpected answer: {what}; is VAULT_ADDR right?")

    return typed


@_typed
def auth(answer: Answer) -> Auth:
    """The ``auth`` block of a login or a renewal."""
    block = _mapping(answer, "auth")
    return Auth(
        client_token=Secret(_text(block, "client_token")),
        lease_duration=_seconds(block, "lease_duration"),
        renewable=_flag(block, "renewable"),
        accessor=_optional_text(block, "accessor") or "",
    )


@_typed
def kv_version(answer: Answer, asked: int | None) -> KvVersion:
    """A read of ``<mount>/data/<name>``: the version *asked* for, the current one for None."""
    data = _mapping(answer, "data")
    if not data.keys() >= {"data", "metadata"}:
        raise _Unfit(
            f"'data' isn't that of a KV version 2 mount; see that {names.KV_MOUNT}/ is one"
        )
    metadata = _mapping(data, "metadata")
    version = metadata.get("version")
    if type(version) is not int or version < 1 or asked not in {None, version}:
        raise _Unfit("'version' isn't the one that was asked for")
    marks = metadata.get("custom_metadata")
    return KvVersion(
        version=version,
        fields=Hidden(_mapping(data, "data")),
        custom_metadata=Hidden(marks if isinstance(marks, Mapping) else {}),
        created_time=_optional_text(metadata, "created_time") or "",
        request_id=_optional_text(answer, "request_id"),
    )


@_typed
def static_user(answer: Answer) -> StaticUser:
    """A read of ``database/static-creds/<role>``."""
    data = _mapping(answer, "data")
    return StaticUser(
        username=_text(data, "username"),
        password=Secret(_text(data, "password")),
        ttl=_seconds(data, "ttl"),
        request_id=_optional_text(answer, "request_id"),
    )


@_typed
def leased_user(answer: Answer) -> LeasedUser:
    """A read of ``database/creds/<role>``."""
    data = _mapping(answer, "data")
    return LeasedUser(
        username=_text(data, "username"),
        password=Secret(_text(data, "password")),
        lease_id=_text(answer, "lease_id"),
        lease_duration=_seconds(answer, "lease_duration"),
        renewable=_flag(answer, "renewable"),
    )


@_typed
def lease_duration(answer: Answer) -> float:
    """Seconds that a renewed lease lives from now."""
    return _seconds(answer, "lease_duration")


@_typed
def text(answer: Answer, key: str) -> str:
    """The text under *key* of an answer's ``data``."""
    return _text(_mapping(answer, "data"), key)


@_typed
def keys(answer: Answer) -> list[str]:
    """What a LIST gives."""
    found = _mapping(answer, "data").get("keys")
    if not isinstance(found, list) or not all(isinstance(key, str) for key in found):
        raise _Unfit("'keys' is no list of names")
    return found


def adopted_template(marks: Mapping[str, Any], fields: Mapping[str, Any]) -> str | None:
    """The template among *fields* when the entry's *marks*, its custom metadata, say it is one."""
    found = fields.get(names.TEMPLATE_KEY) if names.COMPOSED_KEY in marks else None
    return found if isinstance(found, str) else None


def _mapping(parent: Answer, key: str) -> Mapping[str, Any]:
    found = parent.get(key)
    if not isinstance(found, Mapping):
        raise _Unfit(f"{key!r} is no object")
    return found


def _text(parent: Answer, key: str) -> str:
    found = parent.get(key)
    if not isinstance(found, str) or not found or not _is_unicode(found):
        raise _Unfit(f"{key!r} is no text")
    return found


def _optional_text(parent: Answer, key: str) -> str | None:
    return _text(parent, key) if parent.get(key) else None


def _is_unicode(found: str) -> bool:
    """Whether *found* can be written: JSON's escapes make half characters too."""
    try:
        found.encode()
    except UnicodeEncodeError:
        return False
    return True


def _seconds(parent: Answer, key: str) -> float:
    found = parent.get(key)
    # True is an int, and NaN is between nothing.
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= _LONGEST:
        raise _Unfit(f"{key!r} is no number of seconds")
    return float(found)


def _flag(parent: Answer, key: str) -> bool:
    found = parent.get(key)
    if not isinstance(found, bool):
        raise _Unfit(f"{key!r} is neither true nor false")
    return found
