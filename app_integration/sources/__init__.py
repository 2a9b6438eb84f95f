"""Where secrets come from: each source answers ``fetch(name)`` with a value and its provenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app_integration.errors import SecretNotFound
from app_integration.secret import Secret


@dataclass(frozen=True, slots=True)
class Fetched:
    """One value as a source gave it.

    Attributes:
        value: the secret.
        source: what answered: ``vault``, ``rendered``, ``environment`` or ``dotenv``.
        version: KV version, or None where there are none.
        request_id: the server's id of the request, which its audit log repeats.
        expires_in: seconds that the value is good for from now on, when somebody else will change
            it then: it is never served beyond them. None for a value that stays until written anew.
        created_at: when this version was written, in seconds since 1970 on the source's clock.

    """

    value: Secret
    source: str
    version: int | None = None
    request_id: str | None = None
    expires_in: float | None = None
    created_at: float | None = None


class Source(Protocol):
    """One place that holds secrets."""

    @property
    def decides(self) -> bool:
        """Whether its "no" is final outside development: that of a server is.

        No later source is asked then for a name that this one denies or doesn't hold.
        """
        ...

    def fetch(self, name: str, version: int | None, field: str | None, /) -> Fetched:
        """The value of *name*, which fits the grammar.

        Args:
            name: the secret.
            version: a version of the past; the current one when None.
            field: the key inside the entry; the one that holds *the* value when None.

        Raises:
            SecretNotFound: this source holds no such name, or no such version or field of it.
            AccessDenied: denied or absent.
            ServerError: the source is away.

        """
        ...


def plain_only(where: str, version: int | None, field: str | None) -> None:
    """Refuse what a source of bare values doesn't have; *where* names it.

    Raises:
        SecretNotFound: a *version* or a *field* is asked for.

    """
    if version is not None or field is not None:
        raise SecretNotFound(f"{where} holds neither versions nor fields, only current values")
