# ruff: noqa: SLF001 (``_meta`` is public by Django's documentation)
"""Models with encrypted fields, and queries by their blind indexes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.db import models
from django.db.models.signals import class_prepared

from app_integration.errors import ConfigurationError
from app_integration.integrations.django.fields import BlindIndexField, EncryptedField
from app_integration.integrations.orm_values import as_index_values

_DATABASE_GENERATED: Final = (models.AutoField, models.BigAutoField, models.SmallAutoField)


class EncryptedQuerySet(models.QuerySet):  # type: ignore[misc] # as above
    """A query set that rejects ordering by encrypted fields."""

    def order_by(self, *names: Any) -> EncryptedQuerySet:
        """Return the query set in another order, as Django does.

        Args:
            names: Names of fields, or expressions.

        Raises:
            EncryptionError: If one of *names* is an encrypted field.

        """
        _check_order(self.model, names)
        ordered: EncryptedQuerySet = super().order_by(*names)
        return ordered


class EncryptedModel(models.Model):  # type: ignore[misc] # as above
    """Base class of a model with encrypted fields."""

    objects = EncryptedQuerySet.as_manager()

    class Meta:  # noqa: D106 (Django's)
        abstract = True

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """Save the object as Django does, and with an attribute always its blind indexes.

        Args:
            args: Passed to Django.
            update_fields: The names of the fields to save. The fields of their indexes are added.
            options: Passed to Django.

        """
        if update_fields is not None:
            names = set(update_fields)
            fields = [each for each in self._meta.fields if isinstance(each, BlindIndexField)]
            update_fields = names | {each.name for each in fields if names & set(each.of)}
        super().save(*args, update_fields=update_fields, **options)


def find(rows: Any, field: str, value: Any) -> list[Any]:
    """Return the objects whose encrypted field has a value.

    Searches by the blind index, then decrypts and compares after normalisation, because several
    values share an index value.

    Args:
        rows: A manager or query set.
        field: The name of the encrypted field.
        value: The value; for a compound index a tuple.

    Raises:
        EncryptionError: If the field has no index.
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
        EncryptionError: If the field has no index.
        DecryptionFailed: If a token in one of *rows* is not authentic.

    """
    index = rows.model._meta.get_field(field).index_field()
    wanted = as_index_values(value)
    return [
        row for row in rows if index.blind_index.values_equal(index.indexed_values(row), wanted)
    ]


def _check_order(model: Any, names: Iterable[Any]) -> None:
    """Raise EncryptionError if *names* order by an encrypted field, also of a related model."""
    for name in names:
        expressions = name.flatten() if hasattr(name, "flatten") else [name]
        for each in expressions:
            path = getattr(each, "name", each)
            if isinstance(path, str) and path != "?":
                _check_path(model, path.lstrip("+-").split("__"))


def _check_path(model: Any, path: list[str]) -> None:
    for name in path:
        fields = {} if model is None else {each.name: each for each in model._meta.get_fields()}
        field = fields.get(name)
        if isinstance(field, EncryptedField):
            field.raise_unsupported("order by it")
        model = getattr(field, "related_model", None)


def _check_model(sender: Any, **_: Any) -> None:
    """Raise ConfigurationError if the primary key is unsuitable or missing in a context.

    Tokens are bound to it, so it must be known before the row is saved.
    """
    fields = [each for each in sender._meta.local_fields if isinstance(each, EncryptedField)]
    for field in fields:
        key = sender._meta.pk
        if isinstance(key, _DATABASE_GENERATED) or key.has_db_default():
            raise ConfigurationError(
                f"{field}: tokens are bound to {key.name} before the row is saved, so the database "
                "cannot generate it; use a UUIDField with default=uuid4"
            )
        known = {each.attname for each in sender._meta.fields}
        _check_order(sender, sender._meta.ordering)
        if key.attname not in field.context_names or not known.issuperset(field.context_names):
            raise ConfigurationError(
                f"{field}: context={sorted(field.context_names)}; name attributes with columns of "
                f"their own, and the primary key among them: {key.attname}"
            )


class_prepared.connect(_check_model)
