"""Where secrets come from: each source answers ``fetch(name)`` with a value and its provenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app_integration.secret import Secret


@dataclass(frozen=True, slots=True)
class Fetched:
    """One value as a source gave it.

    Attributes:
        value: the secret.
        source: what answered: ``vault``, ``environment`` or ``dotenv``.
        version: KV version, or None where there are none.
        request_id: the server's id of the request, which its audit log repeats.
    """

    value: Secret
    source: str
    version: int | None = None
    request_id: str | None = None


class Source(Protocol):
    """One place that holds secrets."""

    def fetch(self, name: str) -> Fetched:
        """The current value of *name*, which fits the grammar.

        Raises:
            SecretNotFound: this source holds no such name.
            AccessDenied: denied or absent.
            ServerError: the source is away.
        """
        ...
