"""How tests of encrypted attributes describe a table, of which each ORM makes its own class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from app_integration.integrations.plaintext import Phase

ROWS = 1_000_000


class Key(Enum):
    """Who makes the primary key ``id``."""

    DRAWN = "the ORM, a UUID"
    GIVEN = "the test, a number"
    GENERATED = "the database, a number"


@dataclass(frozen=True)
class Plain:
    kind: type = str
    default: Any = None
    unique: bool = False


@dataclass(frozen=True)
class Encrypted:
    """An encrypted attribute, with the plaintext column that it replaces if it has a phase."""

    field: str
    kind: type = str
    null: bool = False
    normalise: str | None = None
    rows: int = ROWS
    context: tuple[str, ...] = ()
    column: str | None = None
    plaintext: str | None = None
    phase: Phase | None = None
    self_contained: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Return what both ORMs take by the same name, if it is given."""
        found = {"context": list(self.context), "self_contained": self.self_contained}
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class Compound:
    """An index of several attributes, of which the last one is searched by it in Django."""

    field: str
    of: tuple[str, ...]
    normalise: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Table:
    class_name: str
    name: str
    attributes: Mapping[str, Plain | Encrypted | Compound] = field(default_factory=dict)
    key: Key = Key.DRAWN
    key_column: str = "id"
