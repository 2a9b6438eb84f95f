"""Resources: the kinds of object that plan and apply manage, one module for each engine.

Each returns the fields that the declaration sets for it, reads the same fields from the server and
writes them. :mod:`vault.reconcile.planning.plan` compares the two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar, Final, Protocol, TypeAlias, TypeVar, runtime_checkable

from app_integration.errors import ConfigurationError, RequestRefused
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.declare import durations

#: Managed fields and their normalised values. Only these are compared.
Fields = Mapping[str, Any]
#: State of a composed value if a part of it has changed since.
OUTDATED: Final = "outdated"
#: Value of a field that the server does not return, so that it cannot be compared.
UNREPORTED: Final = object()

_Reader_contra = TypeVar("_Reader_contra", contravariant=True)
_Writer_contra = TypeVar("_Writer_contra", contravariant=True)


class CannotChange(ConfigurationError):
    """A field that differs from the declaration, but cannot change after creation."""


@dataclass(frozen=True, slots=True)
class NoValue:
    """State of a secret that has no value."""

    reason: str
    version: int | None = None


class GetSession(Protocol):
    """A session or a snapshot of one: the requests for one object."""

    def get(self, path: str) -> dict[str, Any]:
        """Return the decoded response to a GET."""
        ...


class ReadSession(GetSession, Protocol):
    """A session or a snapshot of one: the requests that a resource may send to read."""

    def list(self, path: str) -> list[str]:
        """Return the keys below *path*, an empty list for a 404."""
        ...

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the decoded response to a POST that only computes, such as an HMAC."""
        ...


class ResourceOn(Protocol[_Reader_contra, _Writer_contra]):
    """One managed object on a server, which is read by a reader and written by a session."""

    @property
    def kind(self) -> str:
        """Return the kind, a key of :data:`vault.reconcile.planning.dependencies.DEPENDENCIES`."""
        ...

    @property
    def name(self) -> str:
        """Return the object's name on the server, unique within its kind."""
        ...

    def desired(self) -> Fields:
        """Return the declared fields and their values, never a secret value."""
        ...

    def read(self, reader: _Reader_contra) -> Fields | None:
        """Return the same fields as the server has them, None if the object does not exist."""
        ...

    def write(self, session: _Writer_contra, before: Fields | None) -> None:
        """Create the object, or update it so that its fields are the declared ones.

        Args:
            session: Must be allowed to write.
            before: The fields that :meth:`read` returned, None to create the object.

        """
        ...


#: A managed object on a Vault server.
Resource: TypeAlias = ResourceOn[ReadSession, Session]
#: A managed object on any kind of server.
AnyResource: TypeAlias = ResourceOn[Any, Any]


@dataclass(frozen=True, slots=True)
class SuppliedValue:
    """A generated or operator-provided value, written once, while the secret has no version."""

    kind: ClassVar[str] = "secret-value"

    name: str
    available: bool
    get_value: Callable[[], Secret] = field(repr=False)

    def desired(self) -> Fields:
        """Return ``present``: the secret has a value."""
        return {"value": "present"}


@dataclass(frozen=True, slots=True)
class ComposedValue:
    """A value composed of other secrets, and written again when one of them has a new version.

    *parts* maps each name in *template* to the name of its secret.
    """

    kind: ClassVar[str] = "derived-secret"

    name: str
    template: str
    parts: Mapping[str, str]

    def desired(self) -> Fields:
        """Return ``current``: the value is composed of the current versions of its parts."""
        return {"value": "current"}


class ValueSetting:
    """A setting of the secret *name*, which cannot be written before that has a value."""

    __slots__ = ()
    name: str


@runtime_checkable
class Checked(Protocol):
    """A resource that knows before the first write of an apply if it cannot be written."""

    def check(self, before: Fields | None) -> None:
        """Check what the declaration, *before* and the operator's values say. It sends nothing.

        Args:
            before: The fields that were read, None if the object does not exist.

        Raises:
            ConfigurationError: If a write would fail.

        """
        ...


@runtime_checkable
class Guarded(Protocol):
    """A resource that decides who may read or use something."""

    def widening(self, before: Fields, created: Collection[str]) -> list[str]:
        """Return a line for each thing that a write may grant beyond what *before* grants.

        Args:
            before: The fields that were read.
            created: ARNs of objects that the same plan creates, so that nothing is granted on them.

        """
        ...


class StoredObject(ABC):
    """The common implementation of :data:`Resource`: one object, read and posted at one path.

    A kind overrides what the server does differently.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def _path(self) -> str:
        """Return the API path of the object."""

    @abstractmethod
    def desired(self) -> Fields:
        """Return the declared fields and their values, never a secret value."""

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the same fields as the server has them, None if the object does not exist."""
        data = read_data(reader, self._path)
        if data is None:
            return None
        return select_fields(self.desired(), self._comparable(reader, data))

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Create or replace the object."""
        session.post(self._path, self.desired())

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:  # noqa: ARG002 (overridden)
        """Return the object's *data* in the form of the declared fields."""
        return data


def read_data(reader: GetSession, path: str) -> dict[str, Any] | None:
    """Return the ``data`` of the response to a GET of *path*, None for a 404."""
    try:
        response = reader.get(path)
    except RequestRefused as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    data: dict[str, Any] = response["data"]
    return data


def select_fields(fields: Fields, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of *data* that *fields* names, because the server also adds others.

    A duration as text, such as ``1h``, becomes seconds where the declaration has a number of
    seconds. A field that the server lacks is None.
    """
    return {key: _convert_like(value, data.get(key)) for key, value in fields.items()}


def _convert_like(declared: Any, found: Any) -> Any:
    if type(declared) is int and isinstance(found, str):
        try:
            return durations.normalise(found)
        except ValueError:
            return found
    return found


def check_immutable(
    resource: AnyResource,
    before: Fields | None,
    immutable: tuple[str, ...],
    fix: str = "declare the server's value, or use a new name",
) -> None:
    """Raise CannotChange if an *immutable* field on the server differs from the declaration."""
    desired = resource.desired()
    for key in immutable:
        if before is not None and before[key] not in (desired[key], UNREPORTED):
            raise CannotChange(
                f"{key} is {before[key]!r} on the server and {desired[key]!r} in the declaration; "
                f"it cannot be changed after creation, so {fix}"
            )
