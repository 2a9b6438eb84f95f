"""Where the wrapped keys of blind indexes are kept: the port, and one module for each place.

The rows of one index belong together: what each says, and which versions there are, is bound to the
wrapped key in each of them. So they change together, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

MAX_VERSION: Final = 255


@dataclass(frozen=True, slots=True)
class IndexKey:
    """One row: a version of the key of one index.

    Attributes:
        scope: whose it is: ``service/environment``.
        index: the index's stable id, such as ``users.email``.
        version: 1 to :data:`MAX_VERSION`; the first byte of each value made under it.
        bits: of the keyed hash that its values keep.
        wrapped: as the key service returned it.
        writes_from: the moment from which values are written under it, with an offset. Until then
            it is only looked up, so that every process knows it before one writes.

    """

    scope: str
    index: str
    version: int
    bits: int
    wrapped: bytes = field(repr=False)
    writes_from: datetime


class IndexKeyStore(Protocol):
    """Keeps :class:`IndexKey` rows. Thread-safe; its errors are ``KeyUnavailable``."""

    @property
    def place(self) -> str:
        """What a message calls it: ``the table index_keys``."""
        ...

    def versions(self, scope: str, index: str) -> list[IndexKey]:
        """The rows of one index, the oldest version first."""
        ...

    def replace(self, before: Sequence[IndexKey], after: Sequence[IndexKey]) -> bool:
        """Put *after* in place of *before*, all of an index's rows, durably and in one step.

        False, and nothing changed, when the rows aren't *before* any more.
        """
        ...
