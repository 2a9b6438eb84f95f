"""Model objects that one query loads. See :mod:`app_integration.integrations.loaded_rows`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import getattr_static
from itertools import islice
from typing import Any, Final, NoReturn, TypeAlias
from weakref import ref

from django.db.models.query import ModelIterable
from django.db.models.query_utils import DeferredAttribute

from app_integration.integrations.django.attribute import Stored
from app_integration.integrations.loaded_rows import Found, LoadedRowsBase
from app_integration.integrations.orm_values import compile_reader

#: Where an object's `__dict__` refers to the objects that were loaded with it.
_LOADED_WITH: Final = "_strongroom_loaded_with"

#: Returns the context values in an object's ``__dict__``, or raises KeyError.
ContextReader: TypeAlias = Callable[[Mapping[str, Any]], tuple[Any, ...]]


class LoadedRows(LoadedRowsBase):
    """Weak references to some objects of one model. Its pickles and deep copies are None."""

    __slots__ = ()

    @classmethod
    def add(cls, row: Any, names: Sequence[str]) -> None:
        """Add an object to the list of those that its query loads.

        *names* identifies the query, which has an object of its own for them. Another list is
        started if that is full, or if one of its objects was read, as by a query that streams in
        chunks.
        """
        found = _LOADING.get(id(names))
        rows = None if found is None else found[1]()
        if rows is None or rows.names or len(rows) == cls.SIZE:
            if len(_LOADING) >= _QUERIES:
                _LOADING.popitem(last=False)
            rows = cls()
            _LOADING[id(names)] = names, ref(rows)
        rows.append(ref(row))
        row.__dict__[_LOADED_WITH] = rows

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()

    @staticmethod
    def find(row: Any) -> LoadedRows | None:
        """Return the objects that were loaded with *row*, or None."""
        found: LoadedRows | None = row.__dict__.get(_LOADED_WITH)
        return found

    def decrypt(self, field: Any) -> None:
        """Decrypt the values of *field* that are not decrypted yet, and cache them in their tokens.

        It raises nothing, because the caller reads another object's value.
        """
        found = self._find(field.attname, field.loaded_context)
        for stored, value, _, binding in self.decrypt_found(field.declared_field, found):
            stored.known = value, field, binding

    def _find(self, name: str, read_context: ContextReader) -> list[Found]:
        found = []
        for each in self:
            row = each()
            if row is None:
                continue
            loaded = row.__dict__
            try:
                stored = loaded[name]
                if type(stored) is Stored and stored.token is not None and stored.known is None:
                    binding = stored.binding or read_context(loaded)
                    found.append((stored, stored.token, binding))
            except KeyError:
                continue  # because the field was not loaded
        return found


#: The list that each query is loading, by the id of the names of the loaded fields. These are kept
#: so that no others get their id. The oldest query is dropped first, not one that loads now.
_LOADING: Final[OrderedDict[int, tuple[Sequence[str], ref[LoadedRows]]]] = OrderedDict()
_QUERIES: Final = 64  # that are noted at most


class EncryptedIterable(ModelIterable):  # type: ignore[misc] # Django has no types
    """Iterable of the objects of a query, which creates them ahead if the query streams.

    So there are some that can be decrypted together.
    """

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over the objects."""
        rows: Iterator[Any] = super().__iter__()
        if not self.chunked_fetch:
            return rows  # which the query set creates before it returns the first one
        return _create_ahead(rows, min(self.chunk_size, LoadedRows.SIZE))


def _create_ahead(rows: Iterator[Any], size: int) -> Iterator[Any]:
    while chunk := list(islice(rows, size)):
        yield from chunk
        chunk.clear()  # so that no more than one chunk is kept


def compile_context_reader(model: type, names: Sequence[str]) -> ContextReader:
    """Return a function that returns context values in an object's ``__dict__``.

    It raises KeyError if one of them is not loaded, or if an attribute computes its value, as an
    encrypted one does.
    """
    kinds = (type(getattr_static(model, name)) for name in names)
    if all(getattr(kind, "__get__", None) is DeferredAttribute.__get__ for kind in kinds):
        return compile_reader(names)
    return _raise_not_loaded


def _raise_not_loaded(_: Mapping[str, Any]) -> NoReturn:
    raise KeyError
