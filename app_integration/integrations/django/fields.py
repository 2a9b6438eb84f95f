# ruff: noqa: SLF001 (``_meta`` is public by Django's documentation)
"""Model fields for encrypted values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NoReturn

from django.db import models
from django.db.models.lookups import IsNull

from app_integration import default_client
from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.parsed_token import Token
from app_integration.errors import EncryptionError
from app_integration.integrations.django import loaded_rows
from app_integration.integrations.django.attribute import EncryptedAttribute, Stored
from app_integration.integrations.django.index_field import BlindIndexField
from app_integration.integrations.django.lookups import IndexExact, IndexIn, PlaintextCol
from app_integration.integrations.django.plain_fields import PlainFieldMixin
from app_integration.integrations.orm_values import (
    TEXT_PREFIX,
    token_from_bytes,
    token_to_bytes,
)
from app_integration.integrations.plaintext import to_plaintext


class EncryptedField(PlainFieldMixin, models.Field):  # type: ignore[misc] # Django has no types
    """A model field that is a plain value on the object and an encrypted token in the database."""

    descriptor_class = EncryptedAttribute
    empty_strings_allowed = True
    #: A change of them changes no column, so its migration runs no SQL.
    non_db_attrs = (*models.Field.non_db_attrs, "phase", "plaintext", "self_contained")

    def __init__(
        self,
        field_id: str,
        kind: type = str,
        *,
        context: Sequence[str] = (),
        index: str | None = None,
        key: str = "pii",
        plaintext: str | None = None,
        phase: str | None = None,
        self_contained: bool = False,
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
            plaintext: The name of the plaintext field, while the table is migrated. Declare that
                before this one, with the name of its column (``db_column``).
            phase: Its :class:`~app_integration.integrations.plaintext.Phase`, with *plaintext*.
            self_contained: Whether its tokens carry their data keys, although there is a table.
            options: Django's own field options, such as ``null``.

        Raises:
            ConfigurationError: If *plaintext* or *phase* is missing, or there is no such phase.

        """
        super().__init__(**options)
        self.field_id = field_id
        self.kind = kind
        self.context = tuple(context)
        self.index = index
        self.key = key
        self.self_contained = self_contained
        self.plaintext = to_plaintext(field_id, plaintext, phase)
        #: Whether the attribute and its queries use the plaintext field.
        self.reads_plaintext = self.plaintext is not None and self.plaintext.is_read
        self._declared_field: DeclaredField | None = None

    def get_internal_type(self) -> str:
        """Return ``BinaryField``, because the database stores bytes."""
        return "BinaryField"

    def deconstruct(self) -> Any:
        """Return name, path, args and kwargs, from which a migration rebuilds the field."""
        name, path, args, options = super().deconstruct()
        own: dict[str, Any] = {"context": self.context, "index": self.index, "key": self.key}
        own |= {"self_contained": True} if self.self_contained else {}
        if self.plaintext is not None:
            own |= {"plaintext": self.plaintext.column, "phase": str(self.plaintext.phase)}
        return name, path, [self.field_id, self.kind, *args], {**options, **own}

    def get_col(self, alias: Any, output_field: Any = None) -> Any:
        """Return the column that queries use: of plaintext while that is read, else of tokens."""
        if self.plaintext is not None and self.plaintext.is_read:
            return PlaintextCol(alias, self, self.model._meta.get_field(self.plaintext.column))
        return super().get_col(alias, output_field)

    @property
    def context_names(self) -> tuple[str, ...]:
        """Return the names of the attributes whose values a token is bound to."""
        return self.context or (self.model._meta.pk.attname,)

    @cached_property
    def loaded_context(self) -> loaded_rows.ContextReader:
        """Return the function that returns the context values in an object's ``__dict__``."""
        return loaded_rows.compile_context_reader(self.model, self.context_names)

    @property
    def declared_field(self) -> DeclaredField:
        """Return the declared field, with the keys of the default client."""
        client = default_client.get_default_client()
        cipher = client.cipher(self.key, self_contained=self.self_contained)
        if self._declared_field is None or self._declared_field.cipher is not cipher:
            self._declared_field = cipher.field(self.field_id, self.context_names, self.kind)
        return self._declared_field

    def decrypt(self, row: Any, stored: Stored) -> Any:
        """Return the value of a token in *row*, cached until the token or its context changes.

        Args:
            row: The model object.
            stored: The field's token.

        Raises:
            DecryptionFailed: If the token is not authentic for this field and row.
            KeyUnavailable: If its data key cannot be unwrapped now.

        """
        binding = self.context_values(row) if stored.binding is None else stored.binding
        if stored.known is not None and stored.is_known(self, binding):
            return stored.known[0]
        value = self.declared_field.decrypt(stored.token, *binding)
        stored.known = value, self, binding
        rows = loaded_rows.LoadedRows.find(row)
        if rows is not None and rows.is_read_again(self.attname):
            rows.decrypt(self)
        return value

    def check_value(self, value: object) -> None:
        """Raise EncryptionError if *value* is not of the declared type or cannot be encrypted."""
        (self._declared_field or self.declared_field).encode_value(value)

    def pre_save(self, row: Any, add: bool) -> Stored | None:  # noqa: ARG002 (Django's signature)
        """Return the token to save, encrypting the value if it has no token for this row yet.

        Raises:
            EncryptionError: If an attribute that the token is bound to has no value.

        """
        name, binding = self.attname, self.context_values(row)
        current = self._find_current(row, binding)
        if current is not None:
            return current
        value, stored = getattr(row, name), row.__dict__.get(name)
        if value is None:
            return None
        if None in binding:
            raise EncryptionError(
                f"{self} cannot be encrypted: it is bound to {', '.join(self.context_names)}, and "
                "not all of them have a value; assign it before saving, or derive the manager from "
                "EncryptedQuerySet, which reserves a key of the database"
            )
        if self.reads_plaintext:
            return Stored(self.declared_field.encrypt(value, *binding))
        is_known = isinstance(stored, Stored) and stored.is_known(self, binding)
        if not is_known or stored.needs_renewal:
            stored = self._store(row, value, self.declared_field.encrypt(value, *binding), binding)
        return stored  # type: ignore[no-any-return] # Django has no types

    def settle(self, row: Any) -> None:
        """Load what a save of *row* needs, before Django reads the value of the plaintext field.

        That is assigned with this one, and Django reads it first.
        """
        if self.plaintext is None or self.reads_plaintext:
            return
        if self.attname not in row.__dict__:
            getattr(row, self.attname)
        stored = row.__dict__[self.attname]
        has_token = isinstance(stored, Stored) and stored.token is not None
        if self.plaintext.is_nulled and has_token and self.plaintext.column not in row.__dict__:
            row.__dict__[self.plaintext.column] = None
            stored.needs_renewal = True

    def note_context(self, row: Any) -> None:
        """Note what the token of a loaded *row* is bound to, while its table is migrated.

        A save then writes another token if the context has changed. A deferred context is queried,
        because an assignment to it would hide what it was.
        """
        stored, names = row.__dict__.get(self.attname), self.context_names
        if self.plaintext is None or not isinstance(stored, Stored):
            return
        if {*names} <= {*row.__dict__}:
            stored.binding = self.context_values(row)
        else:
            rows = self.model._base_manager.using(row._state.db).filter(pk=row.pk)
            stored.binding = rows.values_list(*names).get()

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: ARG002 (Django's signature)
        """Return a token as the database driver takes it.

        Raises:
            EncryptionError: If *value* is a plaintext.

        """
        token = value.token if isinstance(value, Stored) else value
        if token is None:
            return None
        return connection.Database.Binary(token_to_bytes(token))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Stored | None:  # noqa: ARG002 (Django's signature)
        """Return the token from a column value; the attribute decrypts it with its row."""
        if type(value) is bytes and value[:2] != TEXT_PREFIX:
            return Stored(value)
        if value is None:
            # While the table is migrated, a missing token is not the same as an assigned None.
            return None if self.plaintext is None else Stored(None)
        return Stored(token_from_bytes(bytes(value)))

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

        *operation* is a phrase, such as ``order by it``.
        """
        raise EncryptionError(
            f"{self} is encrypted: the database cannot {operation}, only compare for "
            "equality by a blind index; fetch the whole object and read the attribute"
        )

    def context_values(self, row: Any) -> tuple[Any, ...]:
        """Return the context values of *row*, to which its token is bound beside the field's id."""
        try:
            return self.loaded_context(row.__dict__)
        except KeyError:
            return tuple(getattr(row, name) for name in self.context_names)

    def _find_current(self, row: Any, binding: tuple[Any, ...]) -> Stored | None:
        """Return the token that can be saved without a look at its value, or None."""
        stored = row.__dict__.get(self.attname)
        if self.plaintext is not None:
            is_complete = isinstance(stored, Stored) and not stored.needs_renewal
            has_token = is_complete and (stored.token is None or stored.binding == binding)
            return stored if has_token else None
        if isinstance(stored, Stored):
            return stored if stored.is_known(self, binding) else None
        if stored is None or stored.encrypted is None or stored.encrypted[1] != binding:
            return None
        return self._store(row, stored.value, *stored.encrypted)

    def _store(self, row: Any, value: Any, token: Token | None, binding: tuple[Any, ...]) -> Stored:
        """Give *row* the token of its value instead of the value that was assigned."""
        known = value, self, binding
        stored = Stored(token, None if self.plaintext is None else binding, known)
        row.__dict__[self.attname] = stored
        return stored
