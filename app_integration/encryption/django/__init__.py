"""Encrypted columns of Django's models.

>>> class Customer(EncryptedModel):                              # doctest: +SKIP
...     id = models.UUIDField(primary_key=True, default=uuid4)
...     email = EncryptedField("customers.email", index="email_index")
...     email_index = BlindIndexField("customers.email", of=["email"], rows=1_000_000,
...                                   normalise="email")
>>> find(Customer.objects, "email", "Ada@Example.com")           # doctest: +SKIP

Each token is bound to the field's id and to the row's primary key. A key that the database makes
(``AutoField``) is known too late, and is refused when the class is made.
"""

from __future__ import annotations

from app_integration.encryption.django.fields import BlindIndexField, EncryptedField, Stored
from app_integration.encryption.django.models import (
    EncryptedModel,
    EncryptedQuerySet,
    exactly,
    find,
)

__all__ = [
    "BlindIndexField",
    "EncryptedField",
    "EncryptedModel",
    "EncryptedQuerySet",
    "Stored",
    "exactly",
    "find",
]
