"""Values of many model objects, encrypted together before these are written."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from app_integration.errors import EncryptionError
from app_integration.integrations.django.attribute import Assigned
from app_integration.integrations.django.fields import EncryptedField
from app_integration.integrations.django.written_fields import encrypted_fields
from app_integration.integrations.loaded_rows import columns_of


def encrypt_together(model: type, rows: Sequence[Any], names: Container[str] | None = None) -> None:
    """Encrypt the values that have no token yet, one field of all objects after another.

    A save uses the token if its context is still the same, and raises the error of a value that
    cannot be encrypted. Fields under migration are left out.
    """
    for field in encrypted_fields(model):
        if field.plaintext is None and (names is None or field.name in names):
            _encrypt_field(field, rows)


def _encrypt_field(field: EncryptedField, rows: Sequence[Any]) -> None:
    name = field.attname
    found = []
    for row in rows:
        assigned = row.__dict__.get(name)
        if type(assigned) is Assigned and assigned.encrypted is None:
            binding = field.context_values(row)
            if None not in binding:
                found.append((assigned, assigned.value, binding))
    if not found:
        return
    values, plain, bindings = zip(*found, strict=True)
    try:
        tokens = field.declared_field.encrypt_many(plain, *columns_of(bindings))
    except EncryptionError:
        return
    for assigned, encrypted in zip(values, zip(tokens, bindings, strict=True), strict=True):
        assigned.encrypted = encrypted
