# ruff: noqa: SLF001 (``_meta`` is public by Django's documentation)
"""Models with encrypted fields: saved with their indexes, and searched by them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.db import models
from django.db.models.signals import class_prepared

from app_integration.errors import ConfigurationError
from app_integration.integrations.django.fields import BlindIndexField, EncryptedField, given

_BY_DATABASE: Final = (models.AutoField, models.BigAutoField, models.SmallAutoField)


class EncryptedQuerySet(models.QuerySet):  # type: ignore[misc] # as above
    """A query set that doesn't order by tokens."""

    def order_by(self, *names: Any) -> EncryptedQuerySet:
        """As Django's.

        Raises:
            EncryptionError: a field among *names* is encrypted.

        """
        _refuse_order(self.model, names)
        ordered: EncryptedQuerySet = super().order_by(*names)
        return ordered


class EncryptedModel(models.Model):  # type: ignore[misc] # as above
    """Base of a model with encrypted fields."""

    objects = EncryptedQuerySet.as_manager()

    class Meta:  # noqa: D106 (Django's)
        abstract = True

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """As Django's; an index is saved with what it is over."""
        if update_fields is not None:
            names = set(update_fields)
            fields = [each for each in self._meta.fields if isinstance(each, BlindIndexField)]
            update_fields = names | {each.name for each in fields if names & set(each.of)}
        super().save(*args, update_fields=update_fields, **options)


def find(rows: Any, field: str, value: Any) -> list[Any]:
    """The objects of *rows*, a manager or query set, whose encrypted *field* is *value*.

    Raises:
        EncryptionError: the field has no index.
        DecryptionFailed: a row that was looked at isn't authentic.

    """
    found = rows.filter(**{field: value})
    return exactly(found, field, value)


def exactly(rows: Any, field: str, value: Any) -> list[Any]:
    """Of *rows*, which a query by *field* found, those that do hold *value*."""
    index = rows.model._meta.get_field(field).index_field()
    wanted = given(value)
    return [row for row in rows if index.blind.same(index.given(row), wanted)]


def _refuse_order(model: Any, names: Iterable[Any]) -> None:
    """Refuse to order by an encrypted field of *model*, or of one that it leads to."""
    for name in names:
        expressions = name.flatten() if hasattr(name, "flatten") else [name]
        for each in expressions:
            path = getattr(each, "name", each)
            if isinstance(path, str) and path != "?":
                _refuse_encrypted(model, path.lstrip("+-").split("__"))


def _refuse_encrypted(model: Any, path: list[str]) -> None:
    for name in path:
        fields = {} if model is None else {each.name: each for each in model._meta.get_fields()}
        field = fields.get(name)
        if isinstance(field, EncryptedField):
            field.refuse("order")
        model = getattr(field, "related_model", None)


def _check(sender: Any, **_: Any) -> None:
    """Refuse a key that isn't known before the row is saved, and contexts that leave it out."""
    fields = [each for each in sender._meta.local_fields if isinstance(each, EncryptedField)]
    for field in fields:
        key = sender._meta.pk
        if isinstance(key, _BY_DATABASE) or key.has_db_default():
            raise ConfigurationError(
                f"{field}: tokens are bound to {key.name} before the row is saved, so the database "
                "can't make it; use a UUIDField with default=uuid4"
            )
        known = {each.attname for each in sender._meta.fields}
        _refuse_order(sender, sender._meta.ordering)
        if key.attname not in field.names or not known.issuperset(field.names):
            raise ConfigurationError(
                f"{field}: context={sorted(field.names)}; name attributes with columns of their "
                f"own, and the primary key among them: {key.attname}"
            )


class_prepared.connect(_check)
