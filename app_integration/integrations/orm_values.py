"""Conversions of tokens to column bytes, and the plain values that a mapped object has cached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, TypeAlias

from app_integration.encryption.parsed_token import Token
from app_integration.encryption.tokens import envelope, keyring_token
from app_integration.errors import DecryptionFailed, EncryptionError

#: The prefix of every text token, and of no keyring token.
TEXT_PREFIX: Final = b"sr"
CACHE_KEY: Final = "_strongroom_plain"  # in the object's `__dict__`


#: A plain value, with its token and the context values that the token is bound to. The token is
#: None for an assigned value that is not encrypted yet. A named tuple takes longer to build.
KnownValue: TypeAlias = tuple[Any, Token | None, tuple[Any, ...]]
token_of: Final[Callable[[KnownValue], Token | None]] = itemgetter(1)


# Pickled objects name this class, so it can be neither renamed nor moved.
class KnownValues(dict[str, KnownValue]):
    """Plain values of one object's encrypted attributes, by attribute name.

    A pickle or deep copy of the object gets an empty one, so that it holds no plain value. *owner*
    is the ``id`` of the object, which tells a shallow copy from it.
    """

    owner: int | None = None

    def __reduce__(self) -> tuple[type[KnownValues], tuple[()]]:
        return KnownValues, ()

    def __repr__(self) -> str:
        return f"<{len(self)} values>"


def compile_reader(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a function that returns the values of attributes in an object's ``__dict__``.

    It raises KeyError if one of them is not loaded.
    """
    if len(names) == 1:
        (only,) = names
        return lambda loaded: (loaded[only],)
    return itemgetter(*names) if names else lambda _: ()


def as_index_values(value: Any) -> Sequence[Any]:
    """Return *value* as a sequence of indexed values, which a tuple (a compound index) is."""
    return value if isinstance(value, tuple) else (value,)


def check_searched(field: object, values: Any) -> Iterable[Any]:
    """Return the *values* that a search by *field* accepts."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise EncryptionError(
            f"{field} is encrypted, so a search for one of several values cannot take "
            f"{type(values).__name__}; pass a list of values, and those of a query as a list too"
        )
    return values


def find_known(row: Any, name: str) -> KnownValue | None:
    """Return the plain value of the attribute *name* of *row* that is cached, or None."""
    values: KnownValues | None = row.__dict__.get(CACHE_KEY)
    return None if values is None else values.get(name)


def keep_current(
    known: KnownValue | None, token: Token | None, binding: tuple[Any, ...]
) -> KnownValue | None:
    """Return *known* if it has the value that is stored as *token*, else None.

    A dict or list may have been changed without an assignment, so that it is not what is stored. It
    is cached only until its token is loaded again, which is another object then.
    """
    if known is None or known[1:] != (token, binding):
        return None
    return known if token_of(known) is token or not isinstance(known[0], dict | list) else None


def known_values(row: Any) -> KnownValues:
    """Return the plain values of *row*, which are cached in its ``__dict__``.

    A shallow copy of *row* gets values of its own, so that an assignment to one of the two objects
    does not change the other.
    """
    values: KnownValues | None = row.__dict__.get(CACHE_KEY)
    if values is None or values.owner != id(row):
        values = row.__dict__[CACHE_KEY] = KnownValues(values or {})
        values.owner = id(row)
    return values


def token_to_bytes(token: object) -> bytes:
    """Return *token* as a binary column stores it; raise EncryptionError for a plaintext."""
    try:
        if isinstance(token, str):
            envelope.parse(token)
            return token.encode("ascii")
        if isinstance(token, (bytes, bytearray, memoryview)):
            stored = bytes(token)
            keyring_token.parse_type(stored)
            return stored
    except DecryptionFailed:
        pass
    raise EncryptionError(
        "a value written to an encrypted column is not an encrypted token; assign it to the "
        "encrypted attribute of a mapped object, and save that"
    )


def tokens_from_bytes(column: Sequence[bytes | None]) -> list[Token | None]:
    """Return the tokens in the values of a column, in few calls. See :func:`token_from_bytes`."""
    if any(each is not None and each[:2] == TEXT_PREFIX for each in column):
        return [None if each is None else token_from_bytes(each) for each in column]
    return list(column)


def token_from_bytes(stored: bytes) -> Token:
    """Return the token in the column value *stored*. Reverses :func:`token_to_bytes`."""
    return stored.decode("ascii", "replace") if stored.startswith(TEXT_PREFIX) else stored
