"""Where wrapped data keys of keyring tokens are kept: the port, and one module for each place.

A token names its data key by a number; the row under that number holds the key, wrapped by the key
service. Whoever reads the rows alone learns no key. A row that is lost takes its tokens with it:
keep the rows where the tokens are, and in the same backup.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

MAX_NUMBER: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """One row.

    Attributes:
        number: 1 to :data:`MAX_NUMBER`, the data key's id in tokens; given to one key only.
        scope: whose key it is: ``service/environment/key name``.
        wrapped: as the key service returned it, at most 1024 bytes.
        commitment: 32 bytes, public.
        created: when it was made, with an offset.
        version: of the key service's own key, which wrapped it. A copy for people: nothing is
            decided by it, as *wrapped* says it itself.

    """

    number: int
    scope: str
    wrapped: bytes = field(repr=False)
    commitment: bytes = field(repr=False)
    created: datetime
    version: int


class DataKeyStore(Protocol):
    """Keeps :class:`WrappedKey` rows. Thread-safe; its errors are ``KeyUnavailable``."""

    def add(self, key: WrappedKey) -> bool:
        """Keep *key* durably; False, and nothing kept, when its number is taken."""
        ...

    def get(self, numbers: Iterable[int]) -> list[WrappedKey]:
        """The rows under *numbers*, in any order; unknown numbers are left out."""
        ...

    def of_scope(self, scope: str) -> list[WrappedKey]:
        """The rows of *scope*, in any order."""
        ...

    def rewrap(self, key: WrappedKey, wrapped: bytes, version: int) -> bool:
        """Replace the wrapped key of the row that is still *key*; False when it has changed."""
        ...
