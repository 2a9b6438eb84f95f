"""Descriptor of one encrypted attribute of a mapped class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from sqlalchemy.orm import mapped_column
from sqlalchemy.orm.attributes import flag_modified

from app_integration import default_client
from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.parsed_token import Token
from app_integration.errors import ConfigurationError, DecryptionFailed, EncryptionError
from app_integration.integrations.orm_values import (
    CACHE_KEY,
    find_known,
    keep_current,
    known_values,
    token_of,
)
from app_integration.integrations.plaintext import Plaintext
from app_integration.integrations.sqlalchemy import plaintext_column
from app_integration.integrations.sqlalchemy.columns import TokenType
from app_integration.integrations.sqlalchemy.index import Index, IndexColumn
from app_integration.integrations.sqlalchemy.loaded_rows import LoadedRows
from app_integration.integrations.sqlalchemy.plaintext_column import PlaintextOperand
from app_integration.integrations.sqlalchemy.row_context import RowContext, is_new
from app_integration.integrations.sqlalchemy.search import Searchable


class EncryptedRowBase:
    """Base class of ``EncryptedRow``, here because :class:`Encrypted` checks for it."""


class Encrypted:
    """An attribute that is a plain value on the object and an encrypted token in the database.

    The attribute ``<name>_token`` is the token itself, for code that copies or migrates rows.
    Reading the attribute decrypts the token; loading the row does not.

    While the table is migrated, ``<name>_plaintext`` is the plaintext column. In every phase each
    write of the token writes the plaintext column and the index value with it.
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
        column: str | None = None,
        plaintext: Plaintext | None = None,
        self_contained: bool = False,
    ) -> None:
        """Declare the attribute; no request is sent yet.

        Args:
            field: An id that is bound to each token. Keep it when class or column is renamed.
            kind: The type of every value.
            context: The attributes that each token is bound to, including the primary key; None
                for the primary key alone.
            index: The blind index that queries use, or None if no query searches the attribute.
            nullable: Whether the value may be None.
            key: The name of the service's Transit key.
            column: The name of the column of tokens; by default that of the attribute.
            plaintext: The plaintext column, while the table is migrated, and the phase.
            self_contained: Whether its tokens carry their data keys, although others of the
                application refer to a table of data keys.

        """
        self.field = field
        self.row_context = RowContext(context or ())
        self.index_column: IndexColumn | None = None
        self.plaintext = plaintext
        self._column = column
        self._kind = kind
        self._index = index
        self._nullable = nullable
        self._key = key
        self._self_contained = self_contained
        self._declared_field: DeclaredField | None = None
        self._reads_tokens = plaintext is None or not plaintext.is_read

    def __set_name__(self, owner: type, name: str) -> None:
        if not issubclass(owner, EncryptedRowBase):
            raise ConfigurationError(
                f"{owner.__name__}.{name} is an encrypted column, but the class is not an "
                "EncryptedRow; name EncryptedRow before its base class"
            )
        self.name = name
        self.token_name = f"{name}_token"
        self.plaintext_name = f"{name}_plaintext"
        self._add_columns(owner)
        if self._index is not None:
            self.index_column = IndexColumn(self.field, self._index, f"{name}_index", (name,))
            self.index_column.add_to(owner)

    @overload
    def __get__(self, row: None, owner: type) -> Searchable: ...
    @overload
    def __get__(self, row: object, owner: type) -> Any: ...
    def __get__(self, row: Any, owner: type) -> Any:
        """Return the value of *row*, or on the class an operand for queries.

        Raises:
            DecryptionFailed: If the row's token is not authentic for this field and row.
            KeyUnavailable: If its data key cannot be unwrapped now.

        """
        if row is None:
            return self._operand(owner)
        if not self._reads_tokens:
            return getattr(row, self.plaintext_name)
        loaded = row.__dict__
        try:
            value, token, binding = loaded[CACHE_KEY][self.name]
            if token is loaded[self.token_name] and binding == self.row_context.loaded_values(
                loaded
            ):
                return value
        except KeyError:
            pass  # because the value is not decrypted yet, or the row expired
        return self._read(row, owner)

    def __set__(self, row: Any, value: Any) -> None:
        """Set the value of *row*, and encrypt it if its context is complete.

        Raises:
            EncryptionError: If *value* is not of the declared type.

        """
        if value is None:
            known_values(row).pop(self.name, None)
            self._write(row, None, None)
            # Another process may have written a token since the row was loaded.
            flag_modified(row, self.token_name)
            return
        # Encoded here only so that a value of a wrong type raises now and not at the flush.
        self.declared_field(type(row)).encode_value(value)
        known_values(row)[self.name] = value, None, ()
        if self.plaintext is not None:
            setattr(row, self.plaintext_name, self.plaintext.written(value))
        if self.row_context.may_be_complete(row):
            binding = self.row_context.values(row)
            if None not in binding:
                self._encrypt(row, value, binding)

    @property
    def context(self) -> tuple[str, ...]:
        """Return the names of the attributes that each token is bound to.

        There are none if that is the primary key, and the class is not mapped yet.
        """
        return self.row_context.declared

    def is_pending(self, row: Any) -> bool:
        """Return whether *row* has a value that is not encrypted yet."""
        known = find_known(row, self.name)
        return known is not None and token_of(known) is None

    def encrypt_pending(self, row: Any) -> None:
        """Encrypt the value of *row* if it has no token yet.

        Raises:
            EncryptionError: If a value that the token is bound to is missing.

        """
        known = find_known(row, self.name)
        if known is None or token_of(known) is not None:
            return
        binding = self.row_context.values(row)
        if None in binding:
            names = zip(self.row_context.names(type(row)), binding, strict=True)
            missing = ", ".join(name for name, value in names if value is None)
            raise EncryptionError(
                f"{type(row).__name__}.{self.name} is bound to {missing}, which has no value yet; "
                "assign it first (reserve_keys returns keys that the database generates)"
            )
        self._encrypt(row, known[0], binding)

    def reencrypt(self, row: Any) -> None:
        """Encrypt the value of *row* again with the active data key."""
        value = self.__get__(row, type(row))
        if value is not None:
            self._encrypt(row, value, self.row_context.values(row))

    def bind(self, row: Any, name: str, value: Any) -> None:
        """Encrypt the value of *row* for a context in which the attribute *name* becomes *value*.

        It is called before the change, because the token opens only in the context before it. A
        value that was not assigned since the last flush stays as it is, unless the table is
        migrated: the code of before the migration did not assign it again, either.

        Raises:
            DecryptionFailed: If the row's token is not authentic for this field and row.
            KeyUnavailable: If its data key cannot be unwrapped now.

        """
        if self.plaintext is None and (
            self.is_pending(row)
            or not (is_new(row) or plaintext_column.is_written(row, self.token_name))
        ):
            return
        binding = tuple(
            value if each == name else getattr(row, each)
            for each in self.row_context.names(type(row))
        )
        plain = None if self.is_pending(row) else self._value_before(row)
        if plain is not None and None not in binding:
            self._encrypt(row, plain, binding)

    def declared_field(self, owner: type) -> DeclaredField:
        """Return the declared field, with the keys of the default client."""
        client = default_client.get_default_client()
        cipher = client.cipher(self._key, self_contained=self._self_contained)
        field = self._declared_field
        if field is None or field.cipher is not cipher:
            field = cipher.field(self.field, self.row_context.names(owner), self._kind)
            self._declared_field = field
        return field

    def _read(self, row: Any, owner: type) -> Any:
        """Return the value of *row*; decrypt its token if that was not decrypted yet."""
        known = known_values(row).get(self.name)
        if known is not None and token_of(known) is None:
            return known[0]
        token, binding = getattr(row, self.token_name), self.row_context.values(row)
        if token is None:
            self._check_backfilled(row)
            return None
        if (known := keep_current(known, token, binding)) is None:
            field = self.declared_field(owner)
            known = field.decrypt(token, *binding), token, binding
            known_values(row)[self.name] = known
            rows = LoadedRows.find(row)
            if rows is not None and rows.is_read_again(self.name):
                rows.decrypt(self.name, self.token_name, self.row_context.loaded_values, field)
        return known[0]

    def _add_columns(self, owner: type) -> None:
        column, nullable = self._column or self.name, self._nullable
        if self.plaintext is not None:
            if self.plaintext.column == column:
                raise ConfigurationError(
                    f"{owner.__name__}.{self.name}: {column} is the column of plaintext and of "
                    "tokens; name that of the tokens with column="
                )
            if not hasattr(owner, self.plaintext_name):
                plain = plaintext_column.build_column(self.plaintext, self._kind, nullable=nullable)
                setattr(owner, self.plaintext_name, plain)
            nullable = True  # rows have no token before the backfill
        if not hasattr(owner, self.token_name):
            setattr(owner, self.token_name, mapped_column(column, TokenType, nullable=nullable))

    def _operand(self, owner: Any) -> Searchable:
        name = f"{owner.__name__}.{self.name}"
        if not self._reads_tokens:
            column = getattr(owner, self.plaintext_name)
            return PlaintextOperand(owner, name, column, self.index_column)
        return Searchable(owner, name, getattr(owner, self.token_name), self.index_column)

    def _encrypt(self, row: Any, value: Any, binding: tuple[Any, ...]) -> None:
        token = self.declared_field(type(row)).encrypt(value, *binding)
        self._write(row, value, token)
        known_values(row)[self.name] = value, token, binding

    def _write(self, row: Any, value: Any, token: Token | None) -> None:
        if self.plaintext is None and is_new(row):
            row.__dict__[self.token_name] = token  # each value of a new object is written
        elif self.plaintext is None:
            setattr(row, self.token_name, token)
        else:
            plaintext_column.write(row, self.token_name, token)
            plaintext_column.write(row, self.plaintext_name, self.plaintext.written(value))

    def _value_before(self, row: Any) -> Any:
        """Return the value of *row* before its context changes; None if its token is of after."""
        if self._reads_tokens:
            token, known = getattr(row, self.token_name), known_values(row).get(self.name)
            if known is not None and token is not None and token_of(known) == token:
                return known[0]
        try:
            return self.__get__(row, type(row))
        except DecryptionFailed:
            # Session.merge assigns the token and the context of another object in any order.
            if plaintext_column.is_written(row, self.token_name):
                return None
            raise

    def _check_backfilled(self, row: Any) -> None:
        """Raise EncryptionError if *row*, which has no token, has a plaintext."""
        if self.plaintext is not None and row.__dict__.get(self.plaintext_name) is not None:
            raise EncryptionError(
                f"{type(row).__name__}.{self.name}: a row has a plaintext and no token; deploy the "
                "phase dual-writing until all rows are backfilled and verified"
            )
