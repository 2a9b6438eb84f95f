"""A value that doesn't show itself."""

from __future__ import annotations

from typing import Any, Final, NoReturn, Self

REDACTED = "[REDACTED]"
#: Stands for "no default given"; ``default=None`` is a default.
REQUIRED: Final[Any] = object()


class Secret(str):
    """A secret value: a ``str`` in use, ``[REDACTED]`` when shown.

    It equals, hashes and concatenates as the value, so ``create_engine(secret)`` works as it is.
    ``repr``, ``str()`` and ``format()`` give ``[REDACTED]``; pickling raises; copying returns the
    same object. Code written in C that reads the characters directly (``json.dumps``, ``join``,
    writing to a file) gets the value: ``docs/Security.md`` lists which libraries do.
    """

    __slots__ = ()

    def reveal(self) -> str:
        """The value as a plain ``str``."""
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
        raise TypeError("a Secret can't be pickled; pickle the result of reveal() if you must")
