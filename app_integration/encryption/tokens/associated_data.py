"""What a token is bound to beside its header: a declared field, and a context.

::

    binding = field length u8 | field id, UTF-8 | context

The length is 0 for a token of no declared field. The context is that of
:mod:`.tokens.encryption_context`. The field is called by an id that its owner declares and never
changes, not by the names of a table or class: those may be renamed.
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


def field_part(field: str | None) -> bytes:
    """The beginning of a binding.

    Raises:
        InvalidName: *field* can't be the id of a field.

    """
    if field is None:
        return NO_FIELD
    if not _FIELD.fullmatch(field):
        raise InvalidName(
            f"{field!r} can't be a field's id: 1 to 128 letters, digits and _ . : / - of ASCII, "
            "such as 'users.email'"
        )
    return bytes((len(field),)) + field.encode()


def encode(field: str | None, context: Context | None) -> bytes:
    """The binding of a token.

    Raises:
        InvalidName: *field* can't be the id of a field.
        InvalidContext: *context* can't be bound.

    """
    return field_part(field) + contexts.encode(context)


class Binding:
    """The bindings of one declared field, whose context's names are known ahead.

    Attributes:
        field: the field's id.
        names: those of its context, in the order in which values are given.
        start: what all its bindings begin with: the field, and the number of entries.

    """

    __slots__ = ("field", "names", "order", "start")

    def __init__(self, field: str, names: Sequence[str]) -> None:
        """Args: *names* are 0 to 32 different names.

        Raises:
            InvalidName: *field* can't be the id of a field.
            InvalidContext: *names* can't be those of a context.

        """
        if isinstance(names, str) or len(set(names)) != len(names):
            raise InvalidContext(f"{field}: context={names!r}; use a list of different names")
        self.field = field
        self.names = tuple(names)
        # Encoding a context of these names once finds out what is wrong with them.
        contexts.encode(dict.fromkeys(names, 0) or None)
        self.start = field_part(field) + bytes((len(names),))
        # Entries are sorted as bytes; their lengths come first, then the names, which differ.
        self.order = sorted(range(len(names)), key=lambda at: contexts.name_part(names[at]))

    def entries(self, values: Sequence[object]) -> bytes:
        """What follows :attr:`start` for *values*, one for each name.

        Raises:
            InvalidContext: another number of values, or one that can't be bound.

        """
        if len(values) != len(self.names):
            raise InvalidContext(
                f"{self.field}: {len(values)} values of context; give {len(self.names)}, "
                f"for {', '.join(self.names) or 'it is bound to nothing else'}"
            )
        names = self.names
        return b"".join([contexts.entry(names[at], values[at]) for at in self.order])

    def prefixes(self, header: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """*header* and :attr:`start`; and the same up to a whole number, by its length up to 8."""
        prefix = header + self.start
        heads = self.integer_heads()[:9] if len(self.names) == 1 else ()
        return prefix, tuple(prefix + head for head in heads)

    def integer_heads(self) -> tuple[bytes, ...]:
        """What comes before a whole number, by its length, when the context has one entry."""
        (name,) = self.names
        return contexts.heads_of(name, int)
