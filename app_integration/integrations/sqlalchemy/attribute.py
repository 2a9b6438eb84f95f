"""One encrypted attribute of a mapped class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from sqlalchemy import inspect
from sqlalchemy.orm import Mapper, mapped_column

from app_integration import default_client
from app_integration.encryption.declared_field import DeclaredField
from app_integration.errors import ConfigurationError
from app_integration.integrations.orm_values import Known, known_values
from app_integration.integrations.sqlalchemy.columns import TokenType
from app_integration.integrations.sqlalchemy.index import Index, Indexed
from app_integration.integrations.sqlalchemy.search import Searchable


class Row:
    """What a class with encrypted attributes is derived from: ``EncryptedRow``."""


class Encrypted:
    """An attribute that is plain on the object and a token in the database.

    The column has the attribute's name. The token itself is the attribute ``<name>_token``, for
    whoever copies or migrates rows. It is decrypted when the attribute is read, and not before.
    """

    def __init__(
        self,
        field: str,
        kind: type = str,
        *,
        context: Sequence[str] | None = None,
        index: Index | None = None,
        nullable: bool = False,
        key: str = "pii",
    ) -> None:
        """Declare it; nothing is asked of a server yet.

        Args:
            field: the field's id, bound to each token: keep it when class or column is renamed.
            kind: the type of every value.
            context: the attributes that each token is bound to, the primary key among them; None
                for the primary key alone.
            index: how it is found again; None when it never is.
            nullable: whether there may be no value.
            key: the service's Transit key.

        """
        self.field = field
        self.context = tuple(context or ())
        self.indexed: Indexed | None = None
        self._kind = kind
        self._index = index
        self._nullable = nullable
        self._key = key
        self._bound: DeclaredField | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        if not issubclass(owner, Row):
            raise ConfigurationError(
                f"{owner.__name__}.{name}: a class with encrypted columns is an EncryptedRow"
            )
        self.name = name
        self.token_name = f"{name}_token"
        if not hasattr(owner, self.token_name):
            column = mapped_column(name, TokenType, nullable=self._nullable)
            setattr(owner, self.token_name, column)
        if self._index is not None:
            self.indexed = Indexed(self.field, self._index, f"{name}_index", (name,))
            self.indexed.map(owner)

    @overload
    def __get__(self, row: None, owner: type) -> Searchable: ...
    @overload
    def __get__(self, row: object, owner: type) -> Any: ...
    def __get__(self, row: Any, owner: type) -> Any:
        """On the class, what a query compares with; on a row, the value.

        Raises:
            DecryptionFailed: the row's token isn't authentic for this field and row.
            KeyUnavailable: its data key can't be unwrapped now.

        """
        if row is None:
            token = getattr(owner, self.token_name)
            return Searchable(owner, f"{owner.__name__}.{self.name}", token, self.indexed)
        known = known_values(row).get(self.name)
        if known is not None and known.token is None:
            return known.value
        token, binding = getattr(row, self.token_name), self.binding(row)
        if known is None or (known.token, known.binding) != (token, binding):
            known = Known(self.bound(owner).decrypt(token, *binding), token, binding)
            known_values(row)[self.name] = known
        return known.value

    def __set__(self, row: Any, value: Any) -> None:
        """Raises: EncryptionError: not of the declared type."""
        if value is not None:
            self.bound(type(row)).plaintext(value)  # refused here, not at the flush
        known_values(row)[self.name] = Known(value)
        if None not in self.binding(row):
            self.seal(row)
        elif value is None:
            setattr(row, self.token_name, None)

    def is_pending(self, row: Any) -> bool:
        """Whether *row* holds a value that has no token yet."""
        known = known_values(row).get(self.name)
        return known is not None and known.token is None and known.value is not None

    def seal(self, row: Any) -> None:
        """Make the token of a value that has none yet; the row's key is known now."""
        known = known_values(row).get(self.name)
        if known is None or known.token is not None:
            return
        binding = self.binding(row)
        token = self.bound(type(row)).encrypt(known.value, *binding)
        setattr(row, self.token_name, token)
        known_values(row)[self.name] = Known(known.value, token, binding)

    def renew(self, row: Any) -> None:
        """Make the token of *row* anew, under the data key that is written with now."""
        known_values(row)[self.name] = Known(self.__get__(row, type(row)))
        self.seal(row)

    def binding(self, row: Any) -> tuple[Any, ...]:
        """What the tokens of *row* are bound to, beside the field."""
        return tuple(getattr(row, name) for name in self.names(type(row)))

    def names(self, owner: type) -> tuple[str, ...]:
        """The attributes whose values a token is bound to; by default those of the primary key."""
        if not self.context:
            mapper: Mapper[Any] = inspect(owner)
            keys = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
            self.context = tuple(keys)
        return self.context

    def bound(self, owner: type) -> DeclaredField:
        """The declared field, under the keys of the process's client."""
        cipher = default_client.get_default_client().cipher(self._key)
        if self._bound is None or self._bound.cipher is not cipher:
            self._bound = cipher.field(self.field, self.names(owner), self._kind)
        return self._bound
