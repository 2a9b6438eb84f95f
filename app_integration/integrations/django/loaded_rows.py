"""Model objects that one query loads. See :mod:`app_integration.integrations.loaded_rows`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import getattr_static
from itertools import islice
from typing import Any, NoReturn, TypeAlias
from weakref import ref

from django.db.models.query import ModelIterable
from django.db.models.query_utils import DeferredAttribute

from app_integration.encryption.declared_field import DeclaredField
from app_integration.integrations.loaded_rows import Found, LoadedRowsBase
from app_integration.integrations.orm_values import (
    CACHE_KEY,
    KnownValues,
    compile_reader,
    known_values,
)

#: Returns the context values in an object's ``__dict__``, or raises KeyError.
ContextReader: TypeAlias = Callable[[Mapping[str, Any]], tuple[Any, ...]]


class LoadedRows(LoadedRowsBase):
    """Weak references to some objects of one model, to which only their plain values refer."""

    __slots__ = ()

    def __init__(self, rows: Sequence[Any]) -> None:
        """Note that *rows*, which were just loaded, are decrypted together."""
        super().__init__()
        for row in rows:
            known_values(row).loaded_with = self
            self.append(ref(row))

    @staticmethod
    def find(row: Any) -> LoadedRows | None:
        """Return the objects that were loaded with *row*, or None."""
        values: KnownValues | None = row.__dict__.get(CACHE_KEY)
        return None if values is None else values.loaded_with

    def decrypt(self, name: str, read_context: ContextReader, field: DeclaredField) -> None:
        """Decrypt the values of an attribute that are not decrypted yet, and cache them.

        It raises nothing, because the caller reads another object's value.

        Args:
            name: The name of the attribute.
            read_context: Returns the context values of an object.
            field: The declared field.

        """
        self.decrypt_found(name, field, self._find(name, read_context))

    def _find(self, name: str, read_context: ContextReader) -> list[Found]:
        found = []
        for each in self:
            row = each()
            if row is None:
                continue
            loaded, values = row.__dict__, known_values(row)
            try:
                stored = loaded[name]
                # An assigned value is no token, and a value that is known needs no other one.
                if stored is not None and stored.token is not None and name not in values:
                    binding = stored.binding or read_context(loaded)
                    found.append((values, stored.token, binding))
            except KeyError:
                continue  # because the field was not loaded
        return found


class EncryptedIterable(ModelIterable):  # type: ignore[misc] # Django has no types
    """Iterable of the objects of a query, which notes those that are loaded together."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the objects, which are created in chunks of those that are decrypted together.

        A query set that streams fetches rows in chunks, too; theirs may be smaller.
        """
        size = min(self.chunk_size, LoadedRows.SIZE) if self.chunked_fetch else LoadedRows.SIZE
        rows = super().__iter__()
        while chunk := list(islice(rows, size)):
            LoadedRows(chunk)
            yield from chunk
            chunk.clear()  # so that no more than one chunk is kept


def compile_context_reader(model: type, names: Sequence[str]) -> ContextReader:
    """Return a function that returns context values in an object's ``__dict__``.

    It raises KeyError if one of them is not loaded, or if an attribute computes its value, as an
    encrypted one does.

    Args:
        model: The model.
        names: The names of the attributes.

    """
    kinds = (type(getattr_static(model, name)) for name in names)
    if all(getattr(kind, "__get__", None) is DeferredAttribute.__get__ for kind in kinds):
        return compile_reader(names)
    return _raise_not_loaded


def _raise_not_loaded(_: Mapping[str, Any]) -> NoReturn:
    raise KeyError
