"""Outcome of a batch: a result for each item, and the indices of the items that failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar, cast

from app_integration.errors import BatchFailed

_T = TypeVar("_T")
_MAX_NAMED: Final = 20  # indices in an error's message


@dataclass(frozen=True, slots=True)
class Batch(Generic[_T]):
    """Outcome of each item of a batch.

    Attributes:
        results: One for each item, in order; None where the item failed or was None itself.
        failed: The indices of the items that failed, ascending.
        operation: The operation that was performed, for messages.

    """

    results: list[_T | None] = field(repr=False)
    failed: tuple[int, ...]
    operation: str

    def values(self) -> list[_T]:
        """Return all results.

        Raises:
            BatchFailed: If an item failed.

        """
        if self.failed:
            raise BatchFailed(self._message(), self.failed)
        return cast(list[_T], self.results)  # complete, because no item failed

    def _message(self) -> str:
        named = ", ".join(map(str, self.failed[:_MAX_NAMED]))
        more = ", ..." if len(self.failed) > _MAX_NAMED else ""
        return (
            f"{self.operation}: {len(self.failed)} of {len(self.results)} items failed, "
            f"at {named}{more}; the others are in results"
        )
