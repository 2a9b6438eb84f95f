"""Django helpers: :mod:`.service` for settings and URLs, :mod:`.postgresql`, and encrypted fields.

>>> class Customer(EncryptedModel):                              # doctest: +SKIP
...     email = EncryptedField("customers.email", index="email_index")
...     email_index = BlindIndexField("customers.email", of=["email"], rows=1_000_000,
...                                   normalise="email")
>>> find(Customer.objects, "email", "Ada@Example.com")           # doctest: +SKIP

Each token is bound to the field's id and to the row's primary key. A key that the database
generates (``AutoField``) is reserved from its sequence before the row is inserted, which only
PostgreSQL supports.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app_integration.integrations.django.attribute import Stored
    from app_integration.integrations.django.fields import EncryptedField
    from app_integration.integrations.django.index_field import BlindIndexField, create_index_keys
    from app_integration.integrations.django.models import EncryptedModel, EncryptedQuerySet
    from app_integration.integrations.django.search import exactly, find

__all__ = [
    "BlindIndexField",
    "EncryptedField",
    "EncryptedModel",
    "EncryptedQuerySet",
    "Stored",
    "create_index_keys",
    "exactly",
    "find",
]

#: Imported on first use, because settings import :mod:`.service` before Django allows models.
_LAZY = {
    "BlindIndexField": "index_field",
    "EncryptedField": "fields",
    "EncryptedModel": "models",
    "EncryptedQuerySet": "models",
    "Stored": "attribute",
    "create_index_keys": "index_field",
    "exactly": "search",
    "find": "search",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
