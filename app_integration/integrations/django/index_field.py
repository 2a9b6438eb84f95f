# ruff: noqa: SLF001 (``_meta`` is public by Django's documentation)
"""Model field for the values of a blind index, and the creation of its keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models

from app_integration import default_client
from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.integrations.orm_values import as_index_values


class BlindIndexField(models.BinaryField):  # type: ignore[misc] # Django has no types
    """A model field for the values of a blind index, updated when the object is saved."""

    def __init__(self, name: str, *, of: Sequence[str], **options: Any) -> None:
        """Declare the index; no request is sent yet.

        Args:
            name: The id of the index, such as ``customers.email``.
            of: The names of the indexed attributes.
            options: Those of ``BlindIndexes.index`` (*rows*, *distinct*, *normalise*,
                *low_entropy*), and Django's own field options.

        """
        self.index_id = name
        self.of = tuple(of)
        own = ("rows", "distinct", "normalise", "low_entropy")
        self.index_options = {each: options.pop(each) for each in own if each in options}
        super().__init__(**{"null": True, "db_index": True, "editable": False, **options})

    def deconstruct(self) -> Any:
        """Return name, path, args and kwargs, from which a migration rebuilds the field."""
        name, path, args, options = super().deconstruct()
        return name, path, [self.index_id, *args], {**options, "of": self.of, **self.index_options}

    @property
    def blind_index(self) -> BlindIndex:
        """Return the blind index, with the keys of the default client."""
        indexes = default_client.get_default_client().indexes
        return indexes.find(self.index_id) or indexes.index(self.index_id, **self.index_options)

    def indexed_values(self, row: Any) -> tuple[Any, ...]:
        """Return the values of the indexed attributes of *row*."""
        return tuple(getattr(row, name) for name in self.of)

    def check_values(self, value: Any) -> Sequence[Any]:
        """Return the indexed values that *value* has, after a check of their types.

        Args:
            value: The value of a search; for a compound index a tuple.

        Raises:
            EncryptionError: If a value is not of the type that its field is declared with.

        """
        fields = {each.attname: each for each in self.model._meta.concrete_fields}
        values = as_index_values(value)
        for name, each in zip(self.of, values, strict=False):  # the index checks the number
            check = getattr(fields.get(name), "check_value", None)
            if check is not None and each is not None:
                check(each)
        return values

    def pre_save(self, row: Any, add: bool) -> bytes | None:  # noqa: ARG002 (Django's signature)
        """Return the index value of *row*'s current values, and assign it to the attribute."""
        value = self.blind_index.value(*self.indexed_values(row))
        setattr(row, self.attname, value)
        return value


def create_index_keys(*owners: type[models.Model]) -> list[str]:
    """Create the first key of each index that has none.

    Call it in the migration that creates the table, and not later: another key would find none of
    the index values that rows already have. See ``BlindIndex.create``.

    Args:
        owners: Models with :class:`BlindIndexField` fields.

    Returns:
        The ids of the indexes whose key was created.

    Raises:
        IndexKeyLost: If there are stored keys, but not as they were written.
        KeyUnavailable: If a key cannot be created or stored now.

    """
    fields = [each for owner in owners for each in owner._meta.get_fields()]
    indexes = [each for each in fields if isinstance(each, BlindIndexField)]
    return [each.index_id for each in indexes if each.blind_index.create()]
