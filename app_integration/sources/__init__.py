"""Sources of secrets: each returns a value together with its provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from app_integration.errors import SecretNotFound
from app_integration.secret import Secret


@dataclass(frozen=True, slots=True)
class FetchedSecret:
    """A value that a source returned.

    *expires_in* counts seconds until the server changes the value by itself; it is never served
    after that. *created_at* counts seconds since 1970 on the source's clock, and *is_binary* marks
    the Base64 of bytes.
    """

    value: Secret
    source: str
    version: int | str | None = None
    request_id: str | None = None
    expires_in: float | None = None
    created_at: float | None = None
    next_value: Secret | None = None
    is_binary: bool = False


@dataclass(frozen=True, slots=True)
class Preceding:
    """The version before another one, in a source whose versions have ids and not numbers."""

    version: str


@dataclass(frozen=True, slots=True)
class Following:
    """The version after another one, such as the one that is announced, in such a source."""

    version: str


#: A version to request: by its number, by its id or label, or by the one that followed it or came
#: before it; None for the current one.
Version = int | str | Preceding | Following | None


class Source(Protocol):
    """A place that holds secrets."""

    @property
    def is_authoritative(self) -> bool:
        """Return whether a negative result of this source is final outside development.

        It is for a server: if it denies a name or does not hold it, no later source is tried. In
        development the next source is tried.
        """
        ...

    def fetch(self, name: str, version: Version, field: str | None, /) -> FetchedSecret:
        """Return the value of *name*.

        Args:
            name: A secret name that has been checked by :func:`.names.check_secret_name`.
            version: A version; None for the current one.
            field: A key of the entry; None for the key ``value``.

        Raises:
            SecretNotFound: If this source does not hold the name, or not this version or field of
                it.
            AccessDenied: If the policy does not grant the name, or it is absent.
            ServerError: If the source is unavailable.

        """
        ...


@runtime_checkable
class BatchSource(Source, Protocol):
    """A place that returns several secrets in one request."""

    def fetch_many(self, names: Sequence[str], /) -> dict[str, FetchedSecret]:
        """Return the current values of *names*, without those that must be requested singly.

        Raises:
            ServerError: If the source is unavailable.

        """
        ...


def not_a_version(message: str) -> SecretNotFound:
    """Return the error for a version that a source cannot have; it does not send a request."""
    error = SecretNotFound(message)
    error.is_answer = False
    return error


def reject_version_and_field(where: str, version: Version, field: str | None) -> None:
    """Raise SecretNotFound if a version or a field is requested of a source that has neither."""
    if version is not None or field is not None:
        raise SecretNotFound(
            f"{where} has neither versions nor fields, only current values; call without them"
        )
