"""Facts of a database's content, to compare a restored copy with its source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from app_integration._internal import formats
from backup.errors import RestoreRefused

#: Entry of the tables that stands for all large objects.
LARGE_OBJECTS: Final = "large objects"


@dataclass(frozen=True, slots=True)
class TableFacts:
    """Number of rows of a table, and the sum of the rows' hashes."""

    rows: int
    checksum: int


@dataclass(frozen=True, slots=True)
class SequenceFacts:
    """State of a sequence; *next_value* is the one that it would return next."""

    next_value: int
    increment: int

    def is_at_or_past(self, other: SequenceFacts) -> bool:
        """Return whether the sequence has reached *other*, in the direction of its increment."""
        if self.increment != other.increment:
            return False
        return (self.next_value - other.next_value) * self.increment >= 0


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Content of a database in one snapshot.

    *relations* have a kind and a qualified name, *roles* are those that privileges and row policies
    name, and *locale* is provider, collation, character type and locale.
    """

    tables: Mapping[str, TableFacts]
    sequences: Mapping[str, SequenceFacts] = field(default_factory=dict)
    relations: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    extensions: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "UTF8"
    locale: tuple[str, str, str, str] = ("b", "C", "C", "C.UTF-8")

    @property
    def rows(self) -> int:
        """Return the number of rows of all tables."""
        return sum(each.rows for name, each in self.tables.items() if name != LARGE_OBJECTS)

    def to_json(self) -> bytes:
        """Return the facts as JSON in UTF-8."""
        value = {
            "format": formats.BACKUP.current,
            "tables": {name: [each.rows, each.checksum] for name, each in self.tables.items()},
            "sequences": {
                name: [each.next_value, each.increment] for name, each in self.sequences.items()
            },
            "relations": self.relations,
            "roles": self.roles,
            "extensions": dict(self.extensions),
            "encoding": self.encoding,
            "locale": self.locale,
        }
        return json.dumps(value, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Return the facts that :meth:`to_json` returned *text* for.

        Raises ValueError, KeyError or TypeError if it is malformed.
        """
        value: dict[str, Any] = json.loads(text)
        if refusal := formats.BACKUP.describe_refusal(value["format"]):
            raise RestoreRefused(f"the backup {refusal}")
        return cls(
            tables={name: TableFacts(*each) for name, each in value["tables"].items()},
            sequences={name: SequenceFacts(*each) for name, each in value["sequences"].items()},
            relations=tuple(value["relations"]),
            roles=tuple(value["roles"]),
            extensions=value["extensions"],
            encoding=value["encoding"],
            locale=tuple(value["locale"]),
        )


def differences(expected: DatabaseFacts, found: DatabaseFacts, *, exact: bool) -> list[str]:
    """Return how *found* differs from *expected*, a line for each difference, without a value.

    Unless *exact*, sequences may be past their source, because they are not part of its snapshot.
    """
    return [
        *_relation_differences(set(expected.relations), set(found.relations)),
        *_table_differences(expected.tables, found.tables),
        *_sequence_differences(expected.sequences, found.sequences, exact=exact),
    ]


def _relation_differences(expected: set[str], found: set[str]) -> Iterator[str]:
    yield from (f"{name} is missing" for name in sorted(expected - found))
    yield from (f"{name} is not in the source" for name in sorted(found - expected))


def _table_differences(
    expected: Mapping[str, TableFacts], found: Mapping[str, TableFacts]
) -> Iterator[str]:
    for name in sorted(expected.keys() & found.keys()):
        before, after = expected[name], found[name]
        if before.rows != after.rows:
            yield f"{name} has {after.rows} rows in place of {before.rows}"
        elif before != after:
            yield f"{name} has other content"


def _sequence_differences(
    expected: Mapping[str, SequenceFacts], found: Mapping[str, SequenceFacts], *, exact: bool
) -> Iterator[str]:
    for name in sorted(expected.keys() & found.keys()):
        before, after = expected[name], found[name]
        if after != before if exact else not after.is_at_or_past(before):
            yield f"sequence {name} has another state"
