# ruff: noqa: SLF001 (``_meta`` is public by Django's documentation)
"""Model fields for encrypted values and for their blind indexes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from django.db import models
from django.db.models.lookups import IsNull
from django.db.models.query_utils import DeferredAttribute

from app_integration import default_client
from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.core import Token
from app_integration.encryption.declared_field import DeclaredField
from app_integration.errors import EncryptionError
from app_integration.integrations.django.lookups import IndexExact, IndexIn
from app_integration.integrations.orm_values import (
    KnownValue,
    known_values,
    token_from_bytes,
    token_to_bytes,
)


class Stored:
    """An encrypted token as stored in the database. It cannot be decrypted without its row."""

    __slots__ = ("token",)

    def __init__(self, token: Token) -> None:
        self.token = token


class _EncryptedAttribute(DeferredAttribute):  # type: ignore[misc] # Django has no types
    """Descriptor of an encrypted attribute: reading it decrypts the token."""

    def __get__(self, row: Any, owner: type | None = None) -> Any:
        if row is None:
            return self
        stored = super().__get__(row, owner)  # fetches a deferred field
        if isinstance(stored, Stored):
            return self.field.decrypt(row, stored.token)
        known = known_values(row).get(self.field.attname)
        return known.value if known is not None else None

    def __set__(self, row: Any, value: Any) -> None:
        name = self.field.attname
        known_values(row).pop(name, None)
        row.__dict__[name] = value
        if value is not None and not isinstance(value, Stored):
            # Encoded here only so that a value of a wrong type raises now and not at save.
            self.field.declared_field.encode_value(value)
            known_values(row)[name] = KnownValue(value)
            row.__dict__[name] = None


class EncryptedField(models.Field):  # type: ignore[misc] # as above
    """A model field that is a plain value on the object and an encrypted token in the database."""

    descriptor_class = _EncryptedAttribute
    empty_strings_allowed = True

    def __init__(
        self,
        field_id: str,
        kind: type = str,
        *,
        context: Sequence[str] = (),
        index: str | None = None,
        key: str = "pii",
        **options: Any,
    ) -> None:
        """Declare the field; no request is sent yet.

        Args:
            field_id: An id that is bound to each token. Keep it when class or column is renamed.
            kind: The type of every value.
            context: The attributes that each token is bound to, including the primary key; by
                default only that.
            index: The name of the :class:`BlindIndexField` that queries use.
            key: The name of the service's Transit key.
            options: Django's own field options, such as ``null``.

        """
        super().__init__(**options)
        self.field_id = field_id
        self.kind = kind
        self.context = tuple(context)
        self.index = index
        self.key = key
        self._declared_field: DeclaredField | None = None

    def get_internal_type(self) -> str:
        """Return ``BinaryField``, because the database stores bytes."""
        return "BinaryField"

    def deconstruct(self) -> Any:
        """Return name, path, args and kwargs, from which a migration rebuilds the field."""
        name, path, args, options = super().deconstruct()
        own = {"context": self.context, "index": self.index, "key": self.key}
        return name, path, [self.field_id, self.kind, *args], {**options, **own}

    @property
    def context_names(self) -> tuple[str, ...]:
        """Return the names of the attributes whose values a token is bound to."""
        return self.context or (self.model._meta.pk.attname,)

    @property
    def declared_field(self) -> DeclaredField:
        """Return the declared field, with the keys of the default client."""
        cipher = default_client.get_default_client().cipher(self.key)
        if self._declared_field is None or self._declared_field.cipher is not cipher:
            self._declared_field = cipher.field(self.field_id, self.context_names, self.kind)
        return self._declared_field

    def decrypt(self, row: Any, token: Token) -> Any:
        """Return the value of *token* in *row*, cached until the token or its context changes.

        Args:
            row: The model object.
            token: The field's token.

        Raises:
            DecryptionFailed: If the token is not authentic for this field and row.
            KeyUnavailable: If its data key cannot be unwrapped now.

        """
        binding = self._context_values(row)
        known = known_values(row).get(self.attname)
        if known is None or (known.token, known.binding) != (token, binding):
            known = KnownValue(self.declared_field.decrypt(token, *binding), token, binding)
            known_values(row)[self.attname] = known
        return known.value

    def pre_save(self, row: Any, add: bool) -> Stored | None:  # noqa: ARG002 (Django's signature)
        """Return the token to save, encrypting the value if it has no token for this row yet.

        Raises:
            EncryptionError: If an attribute that the token is bound to has no value.

        """
        value, name = getattr(row, self.attname), self.attname
        if value is None:
            return None
        binding, known = self._context_values(row), known_values(row)[name]
        if None in binding:
            raise EncryptionError(
                f"{self} cannot be encrypted: it is bound to {', '.join(self.context_names)}, one "
                "of which has no value; assign it before saving"
            )
        if known.token is None:
            token = self.declared_field.encrypt(value, *binding)
            known_values(row)[name] = known = KnownValue(value, token, binding)
            row.__dict__[name] = Stored(known.token)  # type: ignore[arg-type] # set above
        return row.__dict__[name]  # type: ignore[no-any-return] # Django has no types

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Return a token as the database driver takes it.

        Raises:
            EncryptionError: If *value* is a plaintext.

        """
        if value is None:
            return None
        token = value.token if isinstance(value, Stored) else value
        binary = connection.Database.Binary(token_to_bytes(token))
        return super().get_db_prep_value(binary, connection, prepared)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Stored | None:  # noqa: ARG002 (Django's signature)
        """Return the token from a column value; the attribute decrypts it with its row."""
        return None if value is None else Stored(token_from_bytes(bytes(value)))

    def value_to_string(self, row: Any) -> NoReturn:  # noqa: ARG002 (Django's signature)
        """Raise EncryptionError, because ``dumpdata`` would write the plain value."""
        self.raise_unsupported("serialise it")

    def get_lookup(self, lookup_name: str) -> Any:
        """Return the lookup class: ``exact`` and ``in`` by the blind index, or ``isnull``.

        Raises:
            EncryptionError: If it is another lookup.

        """
        found = {"exact": IndexExact, "in": IndexIn, "isnull": IsNull}.get(lookup_name)
        return found or self.raise_unsupported(f"apply {lookup_name} to it")

    def get_transform(self, lookup_name: str) -> NoReturn:
        """Raise EncryptionError, because the database cannot compute anything of a token."""
        self.raise_unsupported(f"compute {lookup_name} of it")

    def index_field(self) -> BlindIndexField:
        """Return the field of the blind index.

        Raises:
            EncryptionError: If the field has no index.

        """
        if self.index is None:
            raise EncryptionError(
                f"{self} is encrypted and has no index, so no query can find its values; add a "
                "BlindIndexField and name it with index="
            )
        field: BlindIndexField = self.model._meta.get_field(self.index)
        return field

    def raise_unsupported(self, operation: str) -> NoReturn:
        """Raise EncryptionError, because the database cannot perform an operation.

        Args:
            operation: The operation as a phrase, such as ``order by it``.

        Raises:
            EncryptionError: Always.

        """
        raise EncryptionError(
            f"{self} is encrypted: the database cannot {operation}, only compare for "
            "equality by a blind index; fetch the whole object and read the attribute"
        )

    def _context_values(self, row: Any) -> tuple[Any, ...]:
        return tuple(getattr(row, name) for name in self.context_names)


class BlindIndexField(models.BinaryField):  # type: ignore[misc] # as above
    """A model field for the values of a blind index, updated when the object is saved."""

    def __init__(self, name: str, *, of: Sequence[str], **options: Any) -> None:
        """Declare the index; no request is sent yet.

        Args:
            name: The id of the index, such as ``customers.email``.
            of: The names of the indexed attributes.
            options: Those of ``BlindIndexes.index`` (*rows*, *distinct*, *normalise*,
                *low_entropy*), and Django's own field options.

        """
        self.index_id = name
        self.of = tuple(of)
        own = ("rows", "distinct", "normalise", "low_entropy")
        self.index_options = {each: options.pop(each) for each in own if each in options}
        super().__init__(**{"null": True, "db_index": True, "editable": False, **options})

    def deconstruct(self) -> Any:
        """Return name, path, args and kwargs, from which a migration rebuilds the field."""
        name, path, args, options = super().deconstruct()
        return name, path, [self.index_id, *args], {**options, "of": self.of, **self.index_options}

    @property
    def blind_index(self) -> BlindIndex:
        """Return the blind index, with the keys of the default client."""
        indexes = default_client.get_default_client().indexes
        return indexes.find(self.index_id) or indexes.index(self.index_id, **self.index_options)

    def indexed_values(self, row: Any) -> tuple[Any, ...]:
        """Return the values of the indexed attributes of *row*."""
        return tuple(getattr(row, name) for name in self.of)

    def pre_save(self, row: Any, add: bool) -> bytes | None:  # noqa: ARG002 (Django's signature)
        """Return the index value of *row*'s current values, and assign it to the attribute."""
        value = self.blind_index.value(*self.indexed_values(row))
        setattr(row, self.attname, value)
        return value


def create_index_keys(*owners: type[models.Model]) -> list[str]:
    """Create the first key of each index that has none.

    Call it in the migration that creates the table, and not later: another key would find none of
    the index values that rows already have. See ``BlindIndex.create``.

    Args:
        owners: Models with :class:`BlindIndexField` fields.

    Returns:
        The ids of the indexes whose key was created.

    Raises:
        IndexKeyLost: If there are stored keys, but not as they were written.
        KeyUnavailable: If a key cannot be created or stored now.

    """
    fields = [each for owner in owners for each in owner._meta.get_fields()]
    indexes = [each for each in fields if isinstance(each, BlindIndexField)]
    return [each.index_id for each in indexes if each.blind_index.create()]
