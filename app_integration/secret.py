"""A string type that hides its value when it is printed."""

from __future__ import annotations

from typing import Any, Final, NoReturn, Self

REDACTED = "[REDACTED]"
#: Sentinel for a call without a default, because None is a valid default.
REQUIRED: Final[Any] = object()


class Secret(str):
    """A secret value: a ``str`` in use, ``[REDACTED]`` when printed.

    It equals, hashes and concatenates like the value, so ``create_engine(secret)`` works as it is.
    ``repr``, ``str()`` and ``format()`` return ``[REDACTED]``; pickling raises TypeError; copying
    returns the same object. Code written in C that reads the characters directly (``json.dumps``,
    ``join``, writing to a file) gets the value: ``docs/Redaction.md`` lists how each library
    behaves.
    """

    __slots__ = ()

    def reveal(self) -> str:
        """Return the value as a plain ``str``."""
        return str.__str__(self)

    def __repr__(self) -> str:
        return REDACTED

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return format(REDACTED, spec)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled; pickle the result of reveal() if you must")
