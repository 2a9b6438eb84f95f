"""Encrypted columns for classes that SQLAlchemy maps.

>>> class User(EncryptedRow, Base):                              # doctest: +SKIP
...     __tablename__ = "users"
...     id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
...     email = Encrypted("users.email", index=Index(rows=1_000_000, normalise="email"))
>>> session.add(User(email="ada@example.com"))                   # doctest: +SKIP
>>> find(session, User.email, "Ada@Example.com")                 # doctest: +SKIP
[<User ...>]

The table has two columns: ``email``, which holds encrypted tokens, and ``email_index``. Each token
is bound to the field's id and to the row's primary key, so a token that was copied to another row
cannot be decrypted there.
"""

from __future__ import annotations

from app_integration.integrations.plaintext import Plaintext
from app_integration.integrations.sqlalchemy.attribute import Encrypted
from app_integration.integrations.sqlalchemy.compound_index import CompoundIndex
from app_integration.integrations.sqlalchemy.index import Index
from app_integration.integrations.sqlalchemy.reserved_keys import reserve_keys
from app_integration.integrations.sqlalchemy.rows import (
    EncryptedRow,
    column_values,
    create_index_keys,
    is_indexed_now,
    renew,
)
from app_integration.integrations.sqlalchemy.search import exactly, find

__all__ = [
    "CompoundIndex",
    "Encrypted",
    "EncryptedRow",
    "Index",
    "Plaintext",
    "column_values",
    "create_index_keys",
    "exactly",
    "find",
    "is_indexed_now",
    "renew",
    "reserve_keys",
]
