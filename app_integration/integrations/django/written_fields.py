# ruff: noqa: SLF001 (``_meta`` is public by Django's documentation)
"""Fields that are written together, and their values as columns have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.db.models import Value

from app_integration.errors import EncryptionError
from app_integration.integrations.django.fields import EncryptedField
from app_integration.integrations.django.index_field import BlindIndexField
from app_integration.integrations.orm_values import token_to_bytes

#: Those of each model, because each object that is loaded or written looks for them.
_ENCRYPTED: Final[WeakKeyDictionary[type, Sequence[EncryptedField]]] = WeakKeyDictionary()


def encrypted_fields(model: Any) -> Sequence[EncryptedField]:
    """Return the encrypted fields of *model* and of the models that it inherits from."""
    found = _ENCRYPTED.get(model)
    if found is None:
        fields = model._meta.concrete_fields
        found = tuple(each for each in fields if isinstance(each, EncryptedField))
        _ENCRYPTED[model] = found
    return found


def add_bound(model: Any, names: Iterable[str]) -> set[str]:
    """Return the names of fields that are saved, with those that must be saved with them.

    While a table is migrated, encrypted fields that are bound to a saved one get new tokens.
    """
    given = {*names}
    written = {each.attname for each in model._meta.concrete_fields if _is_among(each, given)}
    bound = {
        each.name
        for each in encrypted_fields(model)
        if each.plaintext is not None and written & {*each.context_names}
    }
    return add_columns(model, given | bound)


def add_columns(model: Any, names: Iterable[str]) -> set[str]:
    """Return the names of fields, with their blind indexes and plaintext fields.

    See :func:`add_bound` for the arguments.
    """
    given, fields = {*names}, model._meta.concrete_fields
    written = {each.attname for each in fields if _is_among(each, given)}
    plaintext = {
        each.plaintext.column
        for each in encrypted_fields(model)
        if each.plaintext and each.attname in written
    }
    indexes = {
        each.name for each in fields if isinstance(each, BlindIndexField) and written & {*each.of}
    }
    return given | plaintext | indexes


def settle(row: Any, names: Iterable[str] | None = None) -> None:
    """Load what a save of *row* needs, before Django reads the values of its fields."""
    given = None if names is None else {*names}
    for each in encrypted_fields(type(row)):
        if each.plaintext is not None and (given is None or _is_among(each, given)):
            each.settle(row)


def check_update(model: Any, values: Mapping[str, Any]) -> None:
    """Raise EncryptionError if an expression for an encrypted field contains a plaintext.

    A value that is no expression is checked by the field.
    """
    for field in encrypted_fields(model):
        expression: Any = values.get(field.name)
        for each in expression.flatten() if hasattr(expression, "flatten") else ():
            is_value = isinstance(each, Value) and each.value is not None
            if is_value and not isinstance(each._output_field_or_none, EncryptedField):
                token_to_bytes(each.value)


def check_upsert(
    model: Any, rows: Iterable[Any], names: Iterable[str], unique: Iterable[str] | None
) -> None:
    """Raise EncryptionError if an upsert may write a token into a row with another key."""
    key, updated, by = model._meta.pk, {*names}, {*(unique or ())}
    if not by or by & {"pk", key.name, key.attname}:
        return
    encrypted = encrypted_fields(model)
    is_new = encrypted and any(row.pk is None for row in rows)
    if is_new or any(_is_among(each, updated) for each in encrypted):
        raise EncryptionError(
            f"{model._meta.label}: update_conflicts by {', '.join(sorted(by))} finds rows whose "
            f"{key.name} is not that of the objects, to which tokens are bound; use "
            "update_or_create"
        )


class SavedValues:
    """A model object whose encrypted attributes are tokens and index values, for a bulk update."""

    def __init__(self, row: Any, names: set[str]) -> None:
        """Encrypt and index the values of *row*."""
        settle(row, names)
        self._row = row
        self._saved = {
            each.attname: each.pre_save(row, add=False) for each in _encrypted(row, names)
        }

    def __getattr__(self, name: str) -> Any:
        saved = self.__dict__["_saved"]
        return saved[name] if name in saved else getattr(self.__dict__["_row"], name)


def _encrypted(row: Any, names: set[str]) -> Iterator[Any]:
    for each in row._meta.concrete_fields:
        if each.name in names and isinstance(each, EncryptedField | BlindIndexField):
            yield each


def _is_among(field: Any, names: set[str]) -> bool:
    return field.name in names or field.attname in names
