"""How a plan encrypts a column, before and after its migration, for comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vault.declare.schema.migrated_field import BlindIndexColumn, MigratedField, OldEncryption
from vault.declare.schema.migration import MigrationPlan


@dataclass(frozen=True, slots=True)
class ColumnEncryption:
    """How tokens of a column are made. Those that are made in one way have equal ones."""

    field: str | None
    is_text: bool
    key: str
    data_keys: str | None
    context: tuple[bool, frozenset[tuple[str, str]]]
    constants: Mapping[str, str | int | bool]
    index: BlindIndexColumn | None


def find_unchanged(plan: MigrationPlan, key: Sequence[str] = ()) -> Iterator[str]:
    """Yield the columns of old tokens whose new tokens would be made as the old ones are."""
    for name, column in plan.columns.items():
        old = column.encrypted
        if old is None or plan.is_decrypting:
            continue
        if _read_old(plan, column.field, old, key) == _read_new(plan, column, key):
            yield name


def _read_new(plan: MigrationPlan, column: MigratedField, key: Sequence[str]) -> ColumnEncryption:
    return ColumnEncryption(
        column.field,
        False,
        plan.key,
        plan.data_keys,
        _name_context(plan.context, key, plan.attributes),
        {},
        _name_index(column.index, column.field),
    )


def _read_old(
    plan: MigrationPlan, new_field: str, old: OldEncryption, key: Sequence[str]
) -> ColumnEncryption:
    attributes = plan.attributes if old.attributes is None else old.attributes
    return ColumnEncryption(
        old.resolve_field(new_field),
        old.text,
        old.key,
        old.data_keys,
        _name_context(old.context, key, attributes),
        old.constants,
        _name_index(old.index, old.field or new_field),
    )


def _name_context(
    context: Sequence[str] | None, key: Sequence[str], attributes: Mapping[str, str]
) -> tuple[bool, frozenset[tuple[str, str]]]:
    columns = key if context is None else context
    if context is None and not key:
        return False, frozenset(attributes.items())
    return True, frozenset((name, attributes.get(name, name)) for name in columns)


def _name_index(index: BlindIndexColumn | None, field: str) -> BlindIndexColumn | None:
    return index and index.model_copy(update={"column": None, "name": index.name or field})
