# ruff: noqa: SLF001 (``_meta`` is public by Django's documentation)
"""Searches by the blind index of an encrypted field."""

from __future__ import annotations

from typing import Any


def find(rows: Any, field: str, value: Any) -> list[Any]:
    """Return the objects whose encrypted field has a value.

    Searches by the blind index, then decrypts and compares after normalisation, because several
    values share an index value.

    Args:
        rows: A manager or query set.
        field: The name of the encrypted field.
        value: The value; for a compound index a tuple.

    Raises:
        EncryptionError: If the field has no index, or *value* is not of its type.
        DecryptionFailed: If a token in a compared row is not authentic.

    """
    found = rows.filter(**{field: value})
    return exactly(found, field, value)


def exactly(rows: Any, field: str, value: Any) -> list[Any]:
    """Return those of *rows* whose encrypted *field* equals *value* after normalisation.

    Args:
        rows: The result of a query by *field*, which may include rows with another value.
        field: The name of the encrypted field.
        value: The value; for a compound index a tuple.

    Raises:
        EncryptionError: If the field has no index, or *value* is not of its type.
        DecryptionFailed: If a token in one of *rows* is not authentic.

    """
    index = rows.model._meta.get_field(field).index_field()
    wanted = index.check_values(value)
    return [
        row for row in rows if index.blind_index.values_equal(index.indexed_values(row), wanted)
    ]
