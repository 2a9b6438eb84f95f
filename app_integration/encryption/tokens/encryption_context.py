"""Encoding of a context, which a token is bound to: different contexts encode differently.

A context is a small mapping such as ``{"user_id": 7}``. It is authenticated with the token and not
stored in it, so a token that was copied to another row cannot be decrypted. Its encoding::

    count u8 | entry ...          entries sorted as byte strings
    entry = name length u8 | name UTF-8 | type u8 | value length u16 | value

The order of entries does not matter; ``1``, ``"1"`` and ``True`` differ. Text is encoded without
Unicode normalisation. Rejected are: an empty mapping, because ``None`` means that nothing is bound;
``None`` as a value, because an absent column must not look like a bound one; floats, because
``0.1`` has several representations; and subclasses of the types below, because an enum would bind
to its value and not to itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

from app_integration.encryption.tokens import scalar_codec
from app_integration.errors import InvalidContext

ContextValue: TypeAlias = str | int | bool | bytes | UUID
Context: TypeAlias = Mapping[str, ContextValue]

MAX_ENTRIES: Final = 32
MAX_NAME: Final = 255  # bytes of UTF-8
MAX_VALUE: Final = 1024  # bytes, encoded

_NOTHING: Final = b"\x00"
_Heads: TypeAlias = tuple[bytes, ...]
#: Errors of encoding an entry that cannot be bound.
REFUSED: Final = (LookupError, TypeError, ValueError)
_MAX_CACHED: Final = 256  # names whose heads are cached, for each type
#: Type → its code, the encoder of its values, and a cache of name → heads of its entries. A head is
#: the part of an entry before the value, and depends on the value's length.
KINDS: Final[dict[type, tuple[int, Callable[[Any], bytes], dict[str, _Heads]]]] = {
    str: (scalar_codec.TEXT, str.encode, {}),
    bytes: (scalar_codec.BYTES, scalar_codec.encode_bytes, {}),
    int: (scalar_codec.INTEGER, scalar_codec.encode_integer, {}),
    bool: (scalar_codec.BOOLEAN, scalar_codec.encode_boolean, {}),
    UUID: (scalar_codec.UNIQUE_ID, scalar_codec.encode_unique_id, {}),
}


def encode(context: Context | None) -> bytes:
    """Return the encoding of *context*; for None, the encoding that binds nothing.

    Raises:
        InvalidContext: If *context* is empty or too large, or an entry is of a type outside
            :data:`ContextValue`.

    """
    if context is None:
        return _NOTHING
    _check(context)
    entries = [encode_entry(name, value) for name, value in context.items()]
    entries.sort()
    return len(entries).to_bytes(1, "big") + b"".join(entries)


def decode(encoded: bytes) -> dict[str, ContextValue]:
    """Return the context that :func:`encode` encoded; an empty mapping if nothing is bound.

    Raises:
        ValueError: If *encoded* is not exactly what :func:`encode` returns.

    """
    context: dict[str, ContextValue] = {}
    rest = encoded[1:]
    while rest:
        name, kind, value, rest = _split_entry(rest)
        context[name] = scalar_codec.DECODERS[kind](value)
    if encode(context or None) != encoded:
        raise ValueError
    return context


def _split_entry(entries: bytes) -> tuple[str, int, bytes, bytes]:
    """Return name, type and value of the first entry, and the entries after it."""
    kind = 1 + entries[0]
    start = kind + 3
    end = start + int.from_bytes(entries[kind + 1 : start], "big")
    return entries[1:kind].decode(), entries[kind], entries[start:end], entries[end:]


def encode_entry(name: str, value: object) -> bytes:
    """Return one encoded entry of a context."""
    try:
        code, encoder, known = KINDS[type(value)]
        encoded = encoder(value)
        heads = known.get(name) or _make_heads(name, code, known)
        return heads[len(encoded)] + encoded
    except REFUSED:
        raise InvalidContext(_describe_invalid_entry(name, value)) from None


def get_entry_heads(name: str, kind: type) -> _Heads:
    """Return the heads of the entries *name* with a value of type *kind*, by the value's length."""
    code, _, known = KINDS[kind]
    return known.get(name) or _make_heads(name, code, known)


def _make_heads(name: str, code: int, known: dict[str, _Heads]) -> _Heads:
    """Compute and cache the heads for all lengths.

    Looking a head up is faster than computing it, and a length that is not found is too large.
    """
    start = encode_name(name) + bytes((code,))
    heads = tuple(start + size.to_bytes(2, "big") for size in range(MAX_VALUE + 1))
    if len(known) >= _MAX_CACHED:
        known.clear()
    known[name] = heads
    return heads


def encode_name(name: str) -> bytes:
    """Return *name* after its length."""
    encoded = str.encode(name)
    if not 0 < len(encoded) <= MAX_NAME:
        raise ValueError
    return bytes((len(encoded),)) + encoded


def _check(context: object) -> None:
    # A dict is the common case, and isinstance with the abstract class takes as long as an entry.
    if type(context) is not dict and not isinstance(context, Mapping):
        raise InvalidContext(f"a context cannot be a {type(context).__name__}; use a mapping")
    if not 0 < len(context) <= MAX_ENTRIES:
        raise InvalidContext(
            f"a context cannot have {len(context)} entries; use 1 to {MAX_ENTRIES}, or None to "
            "bind nothing"
        )


def _describe_invalid_entry(name: object, value: object) -> str:
    """Return the reason why an entry is rejected; the value stays secret."""
    if type(value) not in KINDS:
        return (
            f"context {name!r}: cannot bind a value of type {type(value).__name__}; "
            "use exactly str, int, bool, bytes or UUID"
        )
    return (
        f"context {name!r}: cannot bind this entry; use a str of 1 to {MAX_NAME} bytes as the name "
        f"and a value of at most {MAX_VALUE} bytes, both without lone surrogates"
    )
