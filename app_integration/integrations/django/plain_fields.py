"""Fields of Django for plain values, which stand for encrypted fields in forms and serializers."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models

from app_integration.errors import EncryptionError

#: Those of each type, but not of bytes, which have no form field with Django's BinaryField, either.
_PLAIN_FIELDS: Final[dict[type, type[models.Field]]] = {
    str: models.CharField,
    int: models.IntegerField,
    bool: models.BooleanField,
    Decimal: models.DecimalField,
    UUID: models.UUIDField,
    date: models.DateField,
    datetime: models.DateTimeField,
    dict: models.JSONField,
    list: models.JSONField,
}


class PlainFieldMixin:
    """Mixin for an encrypted field, with the conversions of Django's own field of its type.

    Name it before the base class, which is Django's ``Field``.
    """

    def formfield(self, **options: Any) -> Any:
        """Return the form field of the declared type, or None if there is none.

        It reports a value that cannot be encrypted as Django reports an invalid one.
        """
        plain = self._build_plain()
        if plain is None:
            return None
        return plain.formfield(**{"validators": [self._validate], **options})

    def to_python(self, value: Any) -> Any:
        """Return a value of a request, such as a serializer has it, in the declared type."""
        plain = self._build_plain()
        return value if plain is None else plain.to_python(value)

    def _build_plain(self: Any) -> models.Field | None:
        plain = _PLAIN_FIELDS.get(self.kind)
        if plain is None:
            return None
        names = ("verbose_name", "null", "blank", "default", "choices", "help_text")
        return plain(**{name: getattr(self, name) for name in names})

    def _validate(self: Any, value: object) -> None:
        """Raise ValidationError if *value* cannot be encrypted."""
        try:
            self.check_value(value)
        except EncryptionError as error:
            raise ValidationError(str(error)) from None
