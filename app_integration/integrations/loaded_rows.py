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
from app_integration.integrations.orm_values import KnownValues, as_known_value

#: The plain values of an object, its token and the context values that the token is bound to.
Found: TypeAlias = tuple[KnownValues, Token, tuple[Any, ...]]


class LoadedRowsBase(list[ref[Any]]):
    """Weak references to some objects of one class that one query loaded.

    Only these objects refer to the list. So it keeps neither an object nor a value, and ends with
    the last of them.

    Attributes:
        names: The attributes that were read of one of the objects.
        decrypted: The attributes whose values were decrypted together.

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
    def decrypt_found(name: str, field: DeclaredField, found: Sequence[Found]) -> None:
        """Decrypt the values of an attribute, and cache them.

        It raises nothing, because the caller reads another object's value.

        Args:
            name: The name of the attribute.
            field: The declared field.
            found: The objects' plain values, to which those of *name* are added, with the tokens.

        """
        if not found:
            return
        cached, tokens, bindings = zip(*found, strict=True)
        try:
            batch = field.decrypt_many(tokens, *columns_of(bindings))
        except StrongroomError:
            return
        failed = set(batch.failed)
        known = map(as_known_value, zip(batch.results, tokens, bindings, strict=True))
        for row, (values, value) in enumerate(zip(cached, known, strict=True)):
            if row not in failed:
                values[name] = value


def columns_of(rows: Iterable[tuple[Any, ...]]) -> Sequence[Sequence[Any]]:
    """Return the columns of *rows*, of which there is at least one."""
    return list(zip(*rows, strict=True))
