"""Descriptor of an encrypted attribute of a model, and tokens as its rows have them."""

from __future__ import annotations

from typing import Any

from django.db.models.query_utils import DeferredAttribute

from app_integration.encryption.parsed_token import Token
from app_integration.errors import EncryptionError


class Stored:
    """An encrypted token as stored in the database. It cannot be decrypted without its row.

    *token* is None for a row without one, while its table is migrated; *binding* is None for the
    row's current context values. *known* is the plain value, with the field and the context values
    that it was decrypted with. *needs_renewal* has the next save write another token.
    """

    __slots__ = ("binding", "known", "needs_renewal", "token")

    def __init__(
        self,
        token: Token | None,
        binding: tuple[Any, ...] | None = None,
        known: tuple[Any, Any, tuple[Any, ...]] | None = None,
    ) -> None:
        self.token = token
        self.binding = binding
        self.known = known
        self.needs_renewal = False

    def is_known(self, field: Any, binding: tuple[Any, ...]) -> bool:
        """Return whether the token was decrypted as that of *field* with these context values."""
        return self.known is not None and self.known[1] is field and self.known[2] == binding

    def __getstate__(self) -> Any:
        kept = {"binding": self.binding, "needs_renewal": self.needs_renewal, "token": self.token}
        return None, kept  # as pickle has the slots of an object

    def __setstate__(self, state: Any) -> None:
        self.known = None
        for name, value in state[1].items():
            setattr(self, name, value)


class Assigned:
    """A plain value that was assigned to an attribute. A pickle or deep copy of it is None."""

    __slots__ = ("encrypted", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.encrypted: tuple[Token, tuple[Any, ...]] | None = None

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()


class EncryptedAttribute(DeferredAttribute):  # type: ignore[misc] # Django has no types
    """Descriptor of an encrypted attribute: reading it decrypts the token."""

    def __init__(self, field: Any) -> None:
        super().__init__(field)
        self.name = field.attname

    def __get__(self, row: Any, owner: type | None = None) -> Any:
        if row is None:
            return self
        loaded = row.__dict__
        try:
            stored = loaded[self.name]
            if type(stored) is Assigned:
                return stored.value
            if stored is not None and stored.known is not None:
                (value, field, binding), own = stored.known, self.field
                if field is own and binding == (stored.binding or own.loaded_context(loaded)):
                    return value
        except KeyError:
            pass  # because a field was not loaded
        return self._read(row, owner)

    def __set__(self, row: Any, value: Any) -> None:
        field, name, loaded = self.field, self.name, row.__dict__
        plaintext = field.plaintext
        if isinstance(value, Stored):
            loaded[name] = value
            if plaintext is not None:
                self._null_loaded_plaintext(row, value)
            return
        if field.reads_plaintext:
            loaded[name] = None
            setattr(row, plaintext.column, value)
            return
        if value is not None:
            # Encoded here only so that a value of a wrong type raises now and not at save.
            field.check_value(value)
        loaded[name] = None if value is None else Assigned(value)
        if plaintext is not None:
            setattr(row, plaintext.column, plaintext.written(value))

    def _read(self, row: Any, owner: type | None) -> Any:
        """Return the value of *row*; decrypt its token if that was not decrypted yet."""
        if self.field.reads_plaintext:
            return getattr(row, self.field.plaintext.column)
        stored = super().__get__(row, owner)
        if stored is None:
            return None
        if isinstance(stored, Assigned):
            return stored.value  # because Django fetched the deferred field, and assigned its value
        if stored.token is None:
            self._check_backfilled(row)
            return None
        return self.field.decrypt(row, stored)

    def _null_loaded_plaintext(self, row: Any, stored: Stored) -> None:
        """Let the next save of the token of *row* set the plaintext to NULL, if it is not."""
        plaintext = self.field.plaintext
        if not plaintext.is_nulled or stored.token is None:
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
