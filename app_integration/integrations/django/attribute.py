"""Descriptor of an encrypted attribute of a model, and tokens as its rows have them."""

from __future__ import annotations

from typing import Any

from django.db.models.query_utils import DeferredAttribute

from app_integration.encryption.parsed_token import Token
from app_integration.errors import EncryptionError
from app_integration.integrations.orm_values import CACHE_KEY, KnownValue, known_values


class Stored:
    """An encrypted token as stored in the database. It cannot be decrypted without its row.

    Attributes:
        token: The token; None if the row has none, while its table is migrated.
        binding: The context values that it is bound to, None for the row's current ones.
        needs_renewal: Whether the next save must write another token, because it changes what is
            stored beside this one.

    """

    __slots__ = ("binding", "needs_renewal", "token")

    def __init__(self, token: Token | None, binding: tuple[Any, ...] | None = None) -> None:
        self.token = token
        self.binding = binding
        self.needs_renewal = False


class EncryptedAttribute(DeferredAttribute):  # type: ignore[misc] # Django has no types
    """Descriptor of an encrypted attribute: reading it decrypts the token."""

    def __get__(self, row: Any, owner: type | None = None) -> Any:
        if row is None:
            return self
        field, loaded = self.field, row.__dict__
        if field.reads_plaintext:
            return getattr(row, field.plaintext.column)
        try:
            value, token, binding = loaded[CACHE_KEY][field.attname]
            stored = loaded[field.attname]
            if (
                stored is not None
                and token is stored.token
                and binding == (stored.binding or field.loaded_context(loaded))
            ):
                return value
        except KeyError:
            pass  # because the value is not decrypted yet, or a field was not loaded
        return self._read(row, owner)

    def __set__(self, row: Any, value: Any) -> None:
        field, loaded = self.field, row.__dict__
        name, plaintext = field.attname, field.plaintext
        if CACHE_KEY in loaded:
            known_values(row).pop(name, None)
        loaded[name] = value
        if isinstance(value, Stored):
            self._null_loaded_plaintext(row, value)
            return
        if field.reads_plaintext:
            loaded[name] = None
            setattr(row, plaintext.column, value)
            return
        if value is not None:
            # Encoded here only so that a value of a wrong type raises now and not at save.
            field.check_value(value)
            known_values(row)[name] = KnownValue(value)
            loaded[name] = None
        if plaintext is not None:
            setattr(row, plaintext.column, plaintext.written(value))

    def _read(self, row: Any, owner: type | None) -> Any:
        """Return the value of *row*; decrypt its token if that was not decrypted yet."""
        stored = super().__get__(row, owner)  # fetches a deferred field
        if isinstance(stored, Stored):
            if stored.token is None:
                self._check_backfilled(row)
                return None
            return self.field.decrypt(row, stored)
        known = known_values(row).get(self.field.attname)
        return known.value if known is not None else None

    def _null_loaded_plaintext(self, row: Any, stored: Stored) -> None:
        """Let the next save of the token of *row* set the plaintext to NULL, if it is not."""
        plaintext = self.field.plaintext
        if plaintext is None or not plaintext.is_nulled or stored.token is None:
            return
        if row.__dict__.get(plaintext.column) is not None:
            row.__dict__[plaintext.column] = None
            stored.needs_renewal = True

    def _check_backfilled(self, row: Any) -> None:
        """Raise EncryptionError if *row*, which has no token, has a plaintext."""
        if row.__dict__.get(self.field.plaintext.column) is not None:
            raise EncryptionError(
                f"{self.field}: a row has a plaintext and no token; deploy the phase dual-writing "
                "until all rows are backfilled and verified"
            )
