"""What became of a batch: each item's result, or that it failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar, cast

from app_integration.errors import BatchFailed

_T = TypeVar("_T")
_MAX_NAMED: Final = 20  # indices in an error's message


@dataclass(frozen=True, slots=True)
class Batch(Generic[_T]):
    """What became of each item of a batch.

    Attributes:
        results: one for each item, in order; None where it failed, or where the item was None.
        failed: the indices that failed, ascending.
        operation: what was asked, for messages.

    """

    results: list[_T | None] = field(repr=False)
    failed: tuple[int, ...]
    operation: str

    def values(self) -> list[_T]:
        """All results.

        Raises:
            BatchFailed: there are fewer than items.

        """
        if self.failed:
            raise BatchFailed(self._message(), self.failed)
        return cast(list[_T], self.results)  # complete, and a null's value is None itself

    def _message(self) -> str:
        named = ", ".join(map(str, self.failed[:_MAX_NAMED]))
        more = ", ..." if len(self.failed) > _MAX_NAMED else ""
        return (
            f"{self.operation}: {len(self.failed)} of {len(self.results)} items failed, "
            f"at {named}{more}; the others are in results"
        )
