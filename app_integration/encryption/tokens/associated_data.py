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
    """Return the beginning of a binding.

    Raises:
        InvalidName: If *field* is not a valid field id.

    """
    if field is None:
        return NO_FIELD
    if not _FIELD.fullmatch(field):
        raise InvalidName(
            f"{field!r} is not a valid field id; use 1 to 128 ASCII letters, digits and _ . : / -, "
            "beginning with a letter or digit, such as 'users.email'"
        )
    return bytes((len(field),)) + field.encode()


def encode(field: str | None, context: Context | None) -> bytes:
    """Return the binding of a token.

    Args:
        field: The id of a declared field; None for none.
        context: The context; None for none.

    Raises:
        InvalidName: If *field* is not a valid field id.
        InvalidContext: If *context* cannot be bound.

    """
    return encode_field(field) + contexts.encode(context)


class Binding:
    """Bindings of one declared field, whose context's names are declared.

    Attributes:
        field: The field's id; None for tokens of no declared field.
        names: The names of its context, in the order in which values are passed.
        order: The indices of *names*, in the order of the encoded entries.
        start: The bytes that all bindings of the field begin with: the field, and the number of
            entries.

    """

    __slots__ = ("field", "names", "order", "start")

    def __init__(self, field: str | None, names: Sequence[str]) -> None:
        """Encode the constant part of the field's bindings.

        Args:
            field: The field's id; None for tokens of no declared field.
            names: The names of its context, 0 to 32 different ones.

        Raises:
            InvalidName: If *field* is not a valid field id.
            InvalidContext: If *names* cannot be the names of a context.

        """
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
        """Return the bytes that follow :attr:`start` for *values*, one for each name.

        Raises:
            InvalidContext: If the number of values differs from the names, or a value cannot be
                bound.

        """
        if len(values) != len(self.names):
            raise InvalidContext(
                f"{self.field}: got {len(values)} values of context; pass {len(self.names)}"
                f"{', for ' if self.names else ''}{', '.join(self.names)}"
            )
        names = self.names
        return b"".join([contexts.encode_entry(names[at], values[at]) for at in self.order])

    def prefixes(self, header: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """Return the constant associated data of the field's tokens that begin with *header*.

        Returns:
            *header* with :attr:`start`; and, if the context has exactly one entry, the same up to
            an integer value, by the integer's length in bytes, up to 8.

        """
        prefix = header + self.start
        heads = self.integer_heads()[:9] if len(self.names) == 1 else ()
        return prefix, tuple(prefix + head for head in heads)

    def integer_heads(self) -> tuple[bytes, ...]:
        """Return the bytes before an integer, by its length, for a context that has one entry."""
        (name,) = self.names
        return contexts.get_entry_heads(name, int)
