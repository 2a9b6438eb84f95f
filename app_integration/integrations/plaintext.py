"""Plaintext columns beside encrypted attributes, while their table is migrated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app_integration.errors import ConfigurationError


class Phase(StrEnum):
    """What the application reads and writes of a column under migration. Deploy one after another.

    Attributes:
        DUAL_WRITING: Reads plaintext, and writes plaintext, token and index value.
        SWITCHED: Reads tokens, and writes all three.
        NULLING: Reads tokens, and writes NULL as plaintext.

    """

    DUAL_WRITING = "dual-writing"
    SWITCHED = "switched"
    NULLING = "nulling"


@dataclass(frozen=True, slots=True)
class Plaintext:
    """Plaintext column beside an encrypted attribute, while its table is migrated.

    Attributes:
        column: The name of the column; in Django that of its field.
        phase: ``dual-writing``, ``switched`` or ``nulling``. See :class:`Phase`.
        type: SQLAlchemy's type of the column; by default that of the attribute's values.

    """

    column: str
    phase: str
    type: Any = None

    def __post_init__(self) -> None:
        if self.phase not in [*Phase]:
            raise ConfigurationError(
                f"plaintext column {self.column}: there is no phase {self.phase!r}; use one of "
                + ", ".join(Phase)
            )

    @property
    def is_read(self) -> bool:
        """Return whether the application reads the plaintext, and not the token."""
        return self.phase == Phase.DUAL_WRITING

    @property
    def is_nulled(self) -> bool:
        """Return whether a write of the token sets the plaintext to NULL."""
        return self.phase == Phase.NULLING

    def written(self, value: Any) -> Any:
        """Return what to write as plaintext beside the token of *value*."""
        return None if self.is_nulled else value


def to_plaintext(field_id: str, column: str | None, phase: str | None) -> Plaintext | None:
    """Return the plaintext column that a field's options declare, or None if they declare none."""
    if column is not None:
        return Plaintext(column, phase or "")
    if phase is not None:
        raise ConfigurationError(
            f"{field_id}: the phase {phase} needs a plaintext field; name it with plaintext="
        )
    return None
