"""How a plan encrypts a column, before and after its migration, for comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vault.declare.schema.migration import (
    BlindIndexColumn,
    MigratedField,
    MigrationPlan,
    OldEncryption,
)


@dataclass(frozen=True, slots=True)
class ColumnEncryption:
    """How tokens of a column are made. Those that are made in one way have equal ones.

    Attributes:
        field: The id of the field.
        key: The Transit key.
        data_keys: The table of data keys; None if each token carries its data key.
        context: The columns that tokens are bound to, with their names in the application; for the
            primary key, as long as that is not known, those that have another name there.
        index: The blind index, without the name of its column.

    """

    field: str
    key: str
    data_keys: str | None
    context: tuple[bool, frozenset[tuple[str, str]]]
    index: BlindIndexColumn | None


def find_unchanged(plan: MigrationPlan, key: Sequence[str] = ()) -> Iterator[str]:
    """Yield the columns of old tokens whose new tokens would be made as the old ones are.

    Args:
        plan: The plan.
        key: The columns of the table's primary key, if they are known.

    """
    for name, column in plan.columns.items():
        old = column.encrypted
        if old is not None and _read_old(plan, column.field, old, key) == _read_new(
            plan, column, key
        ):
            yield name


def _read_new(plan: MigrationPlan, column: MigratedField, key: Sequence[str]) -> ColumnEncryption:
    return ColumnEncryption(
        column.field,
        plan.key,
        plan.data_keys,
        _name_context(plan.context or key, plan.attributes),
        _name_index(column.index, column.field),
    )


def _read_old(
    plan: MigrationPlan, new_field: str, old: OldEncryption, key: Sequence[str]
) -> ColumnEncryption:
    field = old.field or new_field
    attributes = plan.attributes if old.attributes is None else old.attributes
    return ColumnEncryption(
        field,
        old.key,
        old.data_keys,
        _name_context(old.context or key, attributes),
        _name_index(old.index, field),
    )


def _name_context(
    columns: Sequence[str], attributes: Mapping[str, str]
) -> tuple[bool, frozenset[tuple[str, str]]]:
    if not columns:
        return False, frozenset(attributes.items())
    return True, frozenset((name, attributes.get(name, name)) for name in columns)


def _name_index(index: BlindIndexColumn | None, field: str) -> BlindIndexColumn | None:
    return index and index.model_copy(update={"column": None, "name": index.name or field})
