"""Objects that one query loads, whose values are decrypted together.

The values of one attribute are decrypted when it is read of a second object, because a single
object is read alone, and most queries for many objects read the same attributes of each. An object
whose token fails is left out here, and its own attribute raises the error when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias
from weakref import ref

from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.parsed_token import Token
from app_integration.errors import StrongroomError

#: What caches an object's value, its token and the context values that the token is bound to.
Found: TypeAlias = tuple[Any, Token, tuple[Any, ...]]
#: What caches an object's value, the value, its token and these context values.
Decrypted: TypeAlias = tuple[Any, Any, Token, tuple[Any, ...]]


class LoadedRowsBase(list[ref[Any]]):
    """Weak references to some objects of one class that one query loaded.

    Only these objects refer to the list. So it keeps no object and no value, and is freed with
    the last of them.
    """

    SIZE: Final = 256

    __slots__ = ("__weakref__", "decrypted", "names")

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.decrypted: set[str] = set()

    def is_read_again(self, name: str) -> bool:
        """Return whether the attribute *name* is read for the second time.

        Returns True once, so that a token that fails does not fail for each object again.
        """
        if name not in self.names:
            self.names.add(name)
            return False
        if name in self.decrypted:
            return False
        self.decrypted.add(name)
        return True

    @staticmethod
    def decrypt_found(field: DeclaredField, found: Sequence[Found]) -> Iterable[Decrypted]:
        """Return the values of *found*, without those that cannot be decrypted.

        It raises nothing, because the caller reads another object's value.
        """
        if not found:
            return ()
        caches, tokens, bindings = zip(*found, strict=True)
        try:
            batch = field.decrypt_many(tokens, *columns_of(bindings))
        except StrongroomError:
            return ()
        decrypted = zip(caches, batch.results, tokens, bindings, strict=True)
        if not batch.failed:
            return decrypted
        failed = set(batch.failed)
        return [each for row, each in enumerate(decrypted) if row not in failed]


def columns_of(rows: Iterable[tuple[Any, ...]]) -> Sequence[Sequence[Any]]:
    """Return the columns of *rows*, which has at least one row."""
    return list(zip(*rows, strict=True))
