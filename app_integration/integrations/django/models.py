# ruff: noqa: SLF001 (``_meta`` is public by Django's documentation)
"""Models with encrypted fields, and their query sets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

from django.db import models
from django.db.models.signals import class_prepared

from app_integration.errors import ConfigurationError
from app_integration.integrations.django.created_rows import encrypt_together
from app_integration.integrations.django.fields import EncryptedField
from app_integration.integrations.django.loaded_rows import EncryptedIterable, LoadedRows
from app_integration.integrations.django.reserved_keys import reserved_keys
from app_integration.integrations.django.written_fields import (
    SavedValues,
    add_bound,
    add_columns,
    check_update,
    check_upsert,
    encrypted_fields,
    settle,
)

#: Django's name for the module of the models that it rebuilds from migrations.
_HISTORICAL: Final = "__fake__"


class EncryptedQuerySet(models.QuerySet):  # type: ignore[misc] # Django has no types
    """A query set that rejects ordering by encrypted fields, and writes their columns together.

    If it streams, it creates some objects ahead, so that their values are decrypted together. See
    :class:`EncryptedIterable`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._iterable_class = EncryptedIterable

    def order_by(self, *names: Any) -> EncryptedQuerySet:
        """Return the query set in another order, as Django does.

        Args:
            names: Names of fields, or expressions.

        Raises:
            EncryptionError: If one of *names* is an encrypted field.

        """
        _check_order(self.model, names)
        ordered: EncryptedQuerySet = super().order_by(*names)
        return ordered

    def raw(
        self, raw_query: Any, params: Any = (), translations: Any = None, using: Any = None
    ) -> models.query.RawQuerySet:
        """Return the objects of a query in SQL, as Django does.

        While plaintext is read, tokens among its columns are not taken for values.

        Args:
            raw_query: The SQL.
            params: Its parameters.
            translations: The fields of columns that have other names.
            using: The alias of the database.

        """
        tokens = {
            each.column: f"stored_{each.column}"
            for each in encrypted_fields(self.model)
            if each.reads_plaintext
        }
        return super().raw(raw_query, params, {**tokens, **(translations or {})}, using)

    def update(self, **values: Any) -> int:
        """Update all rows as Django does, and clear indexes and plaintext with a cleared field.

        Args:
            values: The values by field. An encrypted one can only be None, or another row's token.

        Raises:
            EncryptionError: If an encrypted field gets a plaintext, also in an expression.

        """
        check_update(self.model, values)
        cleared = [name for name, value in values.items() if value is None]
        others = add_columns(self.model, cleared) - values.keys()
        updated: int = super().update(**values, **dict.fromkeys(others))
        return updated

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Iterable[str] | None = None,
        unique_fields: Iterable[str] | None = None,
    ) -> list[Any]:
        """Insert objects as Django does, and update the fields that belong to *update_fields*.

        Args:
            objs: The objects.
            batch_size: As Django's.
            ignore_conflicts: As Django's.
            update_conflicts: As Django's.
            update_fields: The fields to update if a row exists.
            unique_fields: The fields that identify an existing row.

        Raises:
            EncryptionError: If no key can be reserved for an object, or a row that exists would get
                a token that is bound to another key.

        """
        rows = [*objs]
        if update_fields is not None:
            update_fields = [*add_bound(self.model, update_fields)]
            check_upsert(self.model, rows, update_fields, unique_fields)
        self._for_write = True
        with reserved_keys(self.model, rows, self.db, is_kept=not ignore_conflicts):
            for each in rows:
                settle(each)
            encrypt_together(self.model, rows)
            created: list[Any] = super().bulk_create(
                rows, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields
            )
        return created

    def bulk_update(
        self, objs: Iterable[Any], fields: Iterable[str], *args: Any, **options: Any
    ) -> int:
        """Update objects as Django does, with encrypted values and all that belongs to them.

        Args:
            objs: The objects.
            fields: The names of the fields. Those of their indexes and plaintext are added.
            args: Passed to Django.
            options: Passed to Django.

        """
        names, rows = add_bound(self.model, fields), [*objs]
        encrypt_together(self.model, rows, names)
        saved = [SavedValues(each, names) for each in rows]
        updated: int = super().bulk_update(saved, names, *args, **options)
        return updated


class EncryptedModel(models.Model):  # type: ignore[misc] # as above
    """Base class of a model with encrypted fields."""

    objects = EncryptedQuerySet.as_manager()
    #: The encrypted fields whose table is migrated.
    _migrated_fields: ClassVar[Sequence[EncryptedField]] = ()

    class Meta:  # noqa: D106 (Django's)
        abstract = True

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """Save the object as Django does, and with an attribute always what belongs to it.

        Args:
            args: Passed to Django.
            update_fields: The names of the fields to save. The fields of their indexes and
                plaintext are added, and the encrypted fields that are bound to them.
            options: Passed to Django.

        """
        if update_fields is None and not args and not options.get("force_insert"):
            update_fields = self._find_loaded_fields(options.get("using"))
        if update_fields is not None:
            update_fields = add_bound(type(self), update_fields)
        settle(self, update_fields)
        super().save(*args, update_fields=update_fields, **options)

    @classmethod
    def from_db(cls, db: Any, field_names: Any, values: Any, **options: Any) -> Any:
        """Return the object of a loaded row, as Django does.

        Args:
            db: The alias of the database.
            field_names: The loaded fields.
            values: Their values.
            options: Passed to Django, such as *fetch_mode*, which Django has since 6.1.

        """
        row = super().from_db(db, field_names, values, **options)
        LoadedRows.add(row, field_names)
        for each in cls._migrated_fields:
            each.note_context(row)
        return row

    def _do_insert(self, manager: Any, using: str, fields: list[Any], *args: Any) -> Any:
        """Insert the row, as Django does, with a key that the database would generate."""
        key = manager.model._meta.pk
        with reserved_keys(manager.model, [self], using):
            if getattr(self, key.attname) is not None and key not in fields:
                fields = [key, *fields]
            return super()._do_insert(manager, using, fields, *args)

    def _find_loaded_fields(self, using: str | None) -> set[str] | None:
        """Return the fields to save if some were not loaded, as Django does; else None."""
        deferred = self.get_deferred_fields()
        if not deferred or using not in (None, self._state.db):
            return None
        fields = (each for each in self._meta.concrete_fields if not each.primary_key)
        return {each.attname for each in fields if each.attname not in deferred} or None


def _check_order(model: Any, names: Iterable[Any]) -> None:
    """Raise EncryptionError if *names* order by an encrypted field, also of a related model."""
    for name in names:
        expressions = name.flatten() if hasattr(name, "flatten") else [name]
        for each in expressions:
            path = getattr(each, "name", each)
            if isinstance(path, str) and path != "?":
                _check_path(model, path.lstrip("+-").split("__"))


def _check_path(model: Any, path: list[str]) -> None:
    for name in path:
        fields = {} if model is None else {each.name: each for each in model._meta.get_fields()}
        field = fields.get(name)
        if isinstance(field, EncryptedField) and not field.reads_plaintext:
            field.raise_unsupported("order by it")
        model = getattr(field, "related_model", None)


def _check_model(sender: Any, **_: Any) -> None:
    """Raise ConfigurationError if the primary key is unsuitable or missing in a context.

    Tokens are bound to it, so it must be known before the row is saved.
    """
    fields = [each for each in sender._meta.local_fields if isinstance(each, EncryptedField)]
    for field in fields:
        _check_plaintext(sender, field)
        key = sender._meta.pk
        if key.has_db_default():
            raise ConfigurationError(
                f"{field}: tokens are bound to {key.name} before the row is saved, so the database "
                "can generate it by a sequence only; use an AutoField, or default= for db_default="
            )
        known = {each.attname for each in sender._meta.fields}
        _check_order(sender, sender._meta.ordering)
        if key.attname not in field.context_names or not known.issuperset(field.context_names):
            raise ConfigurationError(
                f"{field}: context={sorted(field.context_names)}; name attributes with columns of "
                f"their own, and the primary key among them: {key.attname}"
            )


def _check_plaintext(sender: Any, field: EncryptedField) -> None:
    """Raise ConfigurationError if *field* has a plaintext field, but not before it.

    Django assigns fields in their order, and an assignment to *field* is one to its plaintext.
    Between two operations of a migration, a model may lack the plaintext field: ``makemigrations``
    removes that before it alters *field*.
    """
    if field.plaintext is None:
        return
    names = [each.name for each in sender._meta.fields]
    if sender.__module__ == _HISTORICAL and field.plaintext.column not in names:
        return
    if field.plaintext.column not in names[: names.index(field.name)]:
        raise ConfigurationError(
            f"{field}: plaintext={field.plaintext.column!r}; declare a field of that name before it"
        )


def _note_migrated_fields(sender: Any, **_: Any) -> None:
    if issubclass(sender, EncryptedModel):
        fields = encrypted_fields(sender)
        sender._migrated_fields = [each for each in fields if each.plaintext is not None]


class_prepared.connect(_check_model)
class_prepared.connect(_note_migrated_fields)
