# ruff: noqa: SLF001 (``_meta`` is public by Django's documentation)
"""Encrypted fields of a model, and the fields of their blind indexes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from django.db import models
from django.db.models.lookups import In, IsNull
from django.db.models.query_utils import DeferredAttribute

from app_integration import default_client
from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.core import Token
from app_integration.encryption.declared_field import DeclaredField
from app_integration.errors import EncryptionError
from app_integration.integrations.orm_values import Known, known_values, token_bytes, token_of


class Stored:
    """A token as it lies in the database; without its row it can't be read."""

    __slots__ = ("token",)

    def __init__(self, token: Token) -> None:
        self.token = token


class _Attribute(DeferredAttribute):  # type: ignore[misc] # Django has no types
    """The value on an object: decrypted when it is read, a token when it is saved."""

    def __get__(self, row: Any, owner: type | None = None) -> Any:
        if row is None:
            return self
        stored = super().__get__(row, owner)  # one that was left out is fetched now
        if isinstance(stored, Stored):
            return self.field.opened(row, stored.token)
        known = known_values(row).get(self.field.attname)
        return known.value if known is not None else None

    def __set__(self, row: Any, value: Any) -> None:
        name = self.field.attname
        known_values(row).pop(name, None)
        row.__dict__[name] = value
        if value is not None and not isinstance(value, Stored):
            self.field.bound.plaintext(value)  # refused here, not when it is saved
            known_values(row)[name] = Known(value)
            row.__dict__[name] = None


class EncryptedField(models.Field):  # type: ignore[misc] # as above
    """A model's attribute that is plain on the object and a token in the database."""

    descriptor_class = _Attribute
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
        """Declare it; nothing is asked of a server yet.

        Args:
            field_id: bound to each token: keep it when class or column is renamed.
            kind: the type of every value.
            context: the attributes that each token is bound to, the primary key among them; by
                default that alone.
            index: name of the :class:`BlindIndexField` by which it is found.
            key: the service's Transit key.
            options: Django's own, such as ``null``.

        """
        super().__init__(**options)
        self.field_id = field_id
        self.kind = kind
        self.context = tuple(context)
        self.index = index
        self.key = key
        self._bound: DeclaredField | None = None

    def get_internal_type(self) -> str:
        """Bytes, for the database."""
        return "BinaryField"

    def deconstruct(self) -> Any:
        """As Django's migrations write it."""
        name, path, args, options = super().deconstruct()
        own = {"context": self.context, "index": self.index, "key": self.key}
        return name, path, [self.field_id, self.kind, *args], {**options, **own}

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes whose values a token is bound to."""
        return self.context or (self.model._meta.pk.attname,)

    @property
    def bound(self) -> DeclaredField:
        """The declared field, under the keys of the process's client."""
        cipher = default_client.get_default_client().cipher(self.key)
        if self._bound is None or self._bound.cipher is not cipher:
            self._bound = cipher.field(self.field_id, self.names, self.kind)
        return self._bound

    def opened(self, row: Any, token: Token) -> Any:
        """The value of *token* in *row*; kept until either changes."""
        binding = self._binding(row)
        known = known_values(row).get(self.attname)
        if known is None or (known.token, known.binding) != (token, binding):
            known = Known(self.bound.decrypt(token, *binding), token, binding)
            known_values(row)[self.attname] = known
        return known.value

    def pre_save(self, row: Any, add: bool) -> Stored | None:  # noqa: ARG002 (Django's signature)
        """The token to be saved, made now if there is none for this value and row.

        Raises:
            EncryptionError: what the token is bound to has no value.

        """
        value, name = getattr(row, self.attname), self.attname
        if value is None:
            return None
        binding, known = self._binding(row), known_values(row)[name]
        if None in binding:
            raise EncryptionError(f"{self} is bound to {', '.join(self.names)}: one has no value")
        if known.token is None:
            token = self.bound.encrypt(value, *binding)
            known_values(row)[name] = known = Known(value, token, binding)
            row.__dict__[name] = Stored(known.token)  # type: ignore[arg-type] # just made
        return row.__dict__[name]  # type: ignore[no-any-return] # Django has no types

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """A token as the database takes it; EncryptionError for a plaintext."""
        if value is None:
            return None
        token = value.token if isinstance(value, Stored) else value
        binary = connection.Database.Binary(token_bytes(token))
        return super().get_db_prep_value(binary, connection, prepared)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Stored | None:  # noqa: ARG002 (Django's signature)
        """The token, which needs its row to be read."""
        return None if value is None else Stored(token_of(bytes(value)))

    def value_to_string(self, row: Any) -> NoReturn:  # noqa: ARG002 (Django's signature)
        """Raises EncryptionError: ``dumpdata`` would write what is protected."""
        self.refuse("serialise")

    def get_lookup(self, lookup_name: str) -> Any:
        """``exact`` and ``in`` by the blind index, ``isnull``; anything else is refused."""
        found = {"exact": _Exact, "in": _In, "isnull": IsNull}.get(lookup_name)
        return found or self.refuse(f"compare with {lookup_name}")

    def get_transform(self, lookup_name: str) -> NoReturn:
        """Raises EncryptionError."""
        self.refuse(f"compute {lookup_name}")

    def index_field(self) -> BlindIndexField:
        """The field by which it is found; EncryptionError when there is none."""
        if self.index is None:
            self.refuse("find without an index")
        field: BlindIndexField = self.model._meta.get_field(self.index)
        return field

    def refuse(self, what: str) -> NoReturn:
        """Raises EncryptionError: the database can't do *what*."""
        raise EncryptionError(
            f"{self} is encrypted: the database can't {what} by it. It can only compare for "
            "equality by a blind index; fetch the whole object and read the attribute"
        )

    def _binding(self, row: Any) -> tuple[Any, ...]:
        return tuple(getattr(row, name) for name in self.names)


class _In(In):  # type: ignore[misc] # as above
    """Rows that may hold one of the values: those with an index value of theirs."""

    def get_prep_lookup(self) -> Any:
        """The index values that are looked for."""
        blind = self.lhs.target.index_field().blind
        return [each for value in self.rhs for each in blind.candidates(*given(value))]

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """The comparison, on the index's column."""
        index = self.lhs.target.index_field()
        return In(index.get_col(self.lhs.alias), self.rhs).as_sql(compiler, connection)


class _Exact(_In):
    """Rows that may hold the value."""

    lookup_name = "exact"

    def __init__(self, lhs: Any, rhs: Any) -> None:
        super().__init__(lhs, [rhs])


class BlindIndexField(models.BinaryField):  # type: ignore[misc] # as above
    """The column of a blind index; it follows the attributes that it is over."""

    def __init__(self, name: str, *, of: Sequence[str], **options: Any) -> None:
        """Declare it.

        Args:
            name: the index's id, such as ``customers.email``.
            of: the attributes that it is over.
            options: as ``BlindIndexes.index`` has them (*rows*, *distinct*, *normalise*,
                *low_entropy*), and Django's own.

        """
        self.index_id = name
        self.of = tuple(of)
        own = ("rows", "distinct", "normalise", "low_entropy")
        self.declared = {each: options.pop(each) for each in own if each in options}
        super().__init__(**{"null": True, "db_index": True, "editable": False, **options})

    def deconstruct(self) -> Any:
        """As Django's migrations write it."""
        name, path, args, options = super().deconstruct()
        return name, path, [self.index_id, *args], {**options, "of": self.of, **self.declared}

    @property
    def blind(self) -> BlindIndex:
        """The index, under the keys of the process's client."""
        indexes = default_client.get_default_client().indexes
        return indexes.find(self.index_id) or indexes.index(self.index_id, **self.declared)

    def given(self, row: Any) -> tuple[Any, ...]:
        """The values of *row* that the index is over."""
        return tuple(getattr(row, name) for name in self.of)

    def pre_save(self, row: Any, add: bool) -> bytes | None:  # noqa: ARG002 (Django's signature)
        """The value for what *row* holds now."""
        value = self.blind.value(*self.given(row))
        setattr(row, self.attname, value)
        return value


def create_index_keys(*owners: type[models.Model]) -> list[str]:
    """Make the first key of each index of the models *owners* that has none; return their names.

    For the migration that makes the table, as ``BlindIndex.create`` says. Raises as that does.
    """
    fields = [each for owner in owners for each in owner._meta.get_fields()]
    indexes = [each for each in fields if isinstance(each, BlindIndexField)]
    return [each.index_id for each in indexes if each.blind.create()]


def given(value: Any) -> Sequence[Any]:
    """What an index is given: a tuple for a compound one."""
    return value if isinstance(value, tuple) else (value,)
