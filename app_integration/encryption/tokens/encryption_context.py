"""What a token is bound to, as bytes: no two different contexts have the same encoding.

A context is a small mapping such as ``{"user_id": 7}``. It is authenticated with the token and not
stored in it, so a token copied to another row no longer opens. Its encoding::

    count u8 | entry ...          entries sorted as byte strings
    entry = name length u8 | name UTF-8 | type u8 | value length u16 | value

Order doesn't matter; ``1``, ``"1"`` and ``True`` differ. Text is taken as it is, without Unicode
normalisation. Refused: an empty mapping (``None`` says that nothing is bound), ``None`` as a value
(an absent column must not look like a bound one), floats (``0.1`` has no one spelling) and
subclasses of the types below (an enum would bind to its value, not to itself).
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
_REFUSED: Final = (LookupError, TypeError, ValueError)
_KEPT: Final = 256  # names whose heads are kept, for each type
#: Type → its code, the encoder of its values, and for each name seen the heads of its entries.
KINDS: Final[dict[type, tuple[int, Callable[[Any], bytes], dict[str, _Heads]]]] = {
    str: (scalar_codec.TEXT, str.encode, {}),
    bytes: (scalar_codec.BYTES, scalar_codec.encode_bytes, {}),
    int: (scalar_codec.INTEGER, scalar_codec.encode_integer, {}),
    bool: (scalar_codec.BOOLEAN, scalar_codec.encode_boolean, {}),
    UUID: (scalar_codec.UNIQUE_ID, scalar_codec.encode_unique_id, {}),
}


def encode(context: Context | None) -> bytes:
    """The one encoding of *context*; of "bound to nothing" when it is None.

    Raises:
        InvalidContext: empty, too large, or an entry of a type outside :data:`ContextValue`.

    """
    if context is None:
        return _NOTHING
    _check(context)
    entries = [entry(name, value) for name, value in context.items()]
    entries.sort()
    return len(entries).to_bytes(1, "big") + b"".join(entries)


def entry(name: str, value: object) -> bytes:
    """One entry of a context.

    Raises:
        InvalidContext: a name or value out of bounds.

    """
    try:
        code, encoder, known = KINDS[type(value)]
        encoded = encoder(value)
        heads = known.get(name) or _make_heads(name, code, known)
        return heads[len(encoded)] + encoded
    except _REFUSED:
        raise InvalidContext(_complaint(name, value)) from None


def heads_of(name: str, kind: type) -> _Heads:
    """What comes before a value of type *kind*, for each length that it may have.

    LookupError, TypeError or ValueError when there can be no such entry.
    """
    code, _, known = KINDS[kind]
    return known.get(name) or _make_heads(name, code, known)


def _make_heads(name: str, code: int, known: dict[str, _Heads]) -> _Heads:
    """All heads at once: looking one up is quicker than making it, and bounds the length."""
    start = name_part(name) + bytes((code,))
    heads = tuple(start + size.to_bytes(2, "big") for size in range(MAX_VALUE + 1))
    if len(known) >= _KEPT:
        known.clear()
    known[name] = heads
    return heads


def name_part(name: str) -> bytes:
    """*name* with its length; TypeError or ValueError when it can't be one."""
    encoded = str.encode(name)
    if not 0 < len(encoded) <= MAX_NAME:
        raise ValueError
    return bytes((len(encoded),)) + encoded


def _check(context: object) -> None:
    # A dict is the common case, and asking the abstract class takes as long as a whole entry.
    if type(context) is not dict and not isinstance(context, Mapping):
        raise InvalidContext(f"a context of type {type(context).__name__}; use a mapping")
    if not 0 < len(context) <= MAX_ENTRIES:
        raise InvalidContext(
            f"a context of {len(context)} entries; use 1 to {MAX_ENTRIES}, or None to bind nothing"
        )


def _complaint(name: object, value: object) -> str:
    """Why an entry was refused; it never shows the value."""
    if type(value) not in KINDS:
        return (
            f"context {name!r}: a value of type {type(value).__name__}; "
            "use exactly str, int, bool, bytes or UUID"
        )
    return (
        f"context {name!r}: a name is a str of 1 to {MAX_NAME} bytes and a value has at most "
        f"{MAX_VALUE} bytes, both without lone surrogates"
    )
