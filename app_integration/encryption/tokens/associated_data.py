"""Binding of a token: a declared field and a context, authenticated after the token's header.

::

    binding = field length u8 | field id, UTF-8 | context

The length is 0 for a token of no declared field. :mod:`.tokens.encryption_context` encodes the
context. The field is named by an id that its owner declares and never changes, not by the names of
a table or class, because those may be renamed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.encryption.tokens.encryption_context import Context
from app_integration.errors import InvalidContext, InvalidName

_FIELD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}", re.ASCII)
NO_FIELD: Final = b"\x00"
ONE_ENTRY: Final = NO_FIELD + b"\x01"  # no declared field, and a context of one entry


def encode_field(field: str | None) -> bytes:
    """Return the beginning of a binding."""
    if field is None:
        return NO_FIELD
    if not _FIELD.fullmatch(field):
        raise InvalidName(
            f"{field!r} is not a valid field id; use 1 to 128 ASCII letters, digits and _ . : / -, "
            "beginning with a letter or digit, such as 'users.email'"
        )
    return bytes((len(field),)) + field.encode()


def encode(field: str | None, context: Context | None) -> bytes:
    """Return the binding of a token to the declared field *field* and *context*; None for none."""
    return encode_field(field) + contexts.encode(context)


class Binding:
    """Bindings of one declared field, whose context's names are declared."""

    __slots__ = ("field", "names", "order", "start")

    def __init__(self, field: str | None, names: Sequence[str]) -> None:
        """Encode the constant part of the field's bindings."""
        if isinstance(names, str) or len(set(names)) != len(names):
            raise InvalidContext(
                f"{field}: context={names!r} is not valid; use a list of different names"
            )
        self.field = field
        self.names = tuple(names)
        # Encoding a context with these names raises the error for an invalid one.
        contexts.encode(dict.fromkeys(names, 0) or None)
        self.start = encode_field(field) + bytes((len(names),))
        # Entries are sorted as bytes. They begin with the length of the name and the name itself,
        # so their order depends on the names alone.
        self.order = sorted(range(len(names)), key=lambda at: contexts.encode_name(names[at]))

    def entries(self, values: Sequence[object]) -> bytes:
        """Return the bytes that follow :attr:`start` for *values*, one for each name."""
        if len(values) != len(self.names):
            raise InvalidContext(
                f"{self.field}: got {len(values)} values of context; pass {len(self.names)}"
                f"{', for ' if self.names else ''}{', '.join(self.names)}"
            )
        names = self.names
        return b"".join([contexts.encode_entry(names[at], values[at]) for at in self.order])

    def prefixes(self, header: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """Return the constant associated data of the field's tokens that begin with *header*.

        For a context of one entry, the second part is the same up to an integer value, by the
        integer's length in bytes.
        """
        prefix = header + self.start
        heads = self.integer_heads()[:9] if len(self.names) == 1 else ()
        return prefix, tuple(prefix + head for head in heads)

    def integer_heads(self) -> tuple[bytes, ...]:
        """Return the bytes before an integer, by its length, for a context that has one entry."""
        (name,) = self.names
        return contexts.get_entry_heads(name, int)
