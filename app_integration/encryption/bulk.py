"""Many values of one declared field at once.

A fast path for what columns mostly are (of one type, without surprises), and for each piece where
it doesn't hold a slow way that finds out which row is wrong. Pieces are small enough for the
processor's cache. Within one nothing is done row by row in Python: ``map`` calls the cipher, and
each step is done for all rows before the next, which is a fifth quicker than row after row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from operator import call, itemgetter
from typing import Any, Final, TypeAlias

from app_integration.encryption.batch import Batch
from app_integration.encryption.bulk_aad import additional, cut, header_of
from app_integration.encryption.core import FieldCore, Token
from app_integration.encryption.tokens import envelope, keyring_token, value_codec
from app_integration.errors import DecryptionFailed, EncryptionError

ROWS: Final = 2048  # of one piece

_Columns: TypeAlias = Sequence[Sequence[Any]]
_Cipher: TypeAlias = Callable[[bytes, bytes, bytes], bytes]
_nonce_of: Final = itemgetter(slice(keyring_token.HEADER, keyring_token.NONCE_END))
_sealed_of: Final = itemgetter(slice(keyring_token.NONCE_END, None))


def encrypt(field: FieldCore, items: Sequence[Any], columns: _Columns) -> list[Token | None]:
    """The token of each item; None for None.

    Raises:
        EncryptionError: an item or its context that can't be encrypted or bound; it is named.

    """
    _check(field, items, columns)
    tokens: list[Token | None] = []
    for start in range(0, len(items), ROWS):
        piece = items[start : start + ROWS]
        bound = [column[start : start + ROWS] for column in columns]
        try:
            tokens += _with_nulls(piece, bound, partial(_seal, field))
        except EncryptionError:
            _name_the_wrong_one(field, start, piece, bound)
            raise
    return tokens


def decrypt(field: FieldCore, tokens: Sequence[Any], columns: _Columns) -> Batch[Any]:
    """The value of each token, None for None; data keys that aren't held come in few requests.

    Raises:
        InvalidContext: a context that nothing can have been bound to.
        KeyUnavailable: a data key isn't held and can't be unwrapped now.

    """
    _check(field, tokens, columns)
    found: list[Any] = []
    failed: list[int] = []
    headers = [_headers(tokens[start : start + ROWS]) for start in range(0, len(tokens), ROWS)]
    keys = _keys(field, headers)
    for start, header in zip(range(0, len(tokens), ROWS), headers, strict=True):
        piece = tokens[start : start + ROWS]
        bound = [column[start : start + ROWS] for column in columns]
        try:
            if None in piece:
                found += _with_nulls(piece, bound, partial(_open_mixed, field, keys=keys))
            else:
                found += _open(field, piece, bound, header, keys)
        except value_codec.UNREADABLE:
            results = [_one(field, *row) for row in zip(piece, *bound, strict=True)]
            failed += [start + at for at, result in enumerate(results) if result is _FAILED]
            found += [None if result is _FAILED else result for result in results]
    return Batch(found, tuple(failed), f"decrypting {field.binding.field}")


_FAILED: Final = object()


def _check(field: FieldCore, items: Sequence[Any], columns: _Columns) -> None:
    names = field.binding.names
    if len(columns) != len(names) or any(len(column) != len(items) for column in columns):
        raise EncryptionError(
            f"{field.binding.field}: {len(items)} items with columns of "
            f"{[len(column) for column in columns]} for the context {list(names)}; give one "
            "column of the same length for each name"
        )


def _with_nulls(piece: Sequence[Any], columns: _Columns, work: Any) -> list[Any]:
    """*work* done for the rows that have a value, and None for the others."""
    if None not in piece:
        return list(work(piece, columns))
    rows = [row for row, item in enumerate(piece) if item is not None]
    if not rows:
        return [None] * len(piece)
    dense = [[column[row] for row in rows] for column in (piece, *columns)]
    results: list[Any] = [None] * len(piece)
    for row, result in zip(rows, work(dense[0], dense[1:]), strict=True):
        results[row] = result
    return results


def _seal(field: FieldCore, items: Sequence[Any], columns: _Columns) -> list[Token]:
    cipher, writer, count = field.cipher, field.cipher.writer, len(items)
    plain = _plaintexts(field, items)
    largest = max(map(len, plain))
    messages = count if largest <= cipher.unit else sum(map(writer.messages, map(len, plain)))
    if messages > writer.total and count > 1:
        halves = (slice(count // 2), slice(count // 2, None))
        return [
            token
            for half in halves
            for token in _seal(field, items[half], [column[half] for column in columns])
        ]
    key = writer.key_for(messages)
    nonces = list(cut(envelope.NONCE, cipher.random(envelope.NONCE * count)))
    if not cipher.compact:
        bound = additional(field.binding, b"", columns, count)
        return list(map(envelope.seal, repeat(key), repeat(field.code), plain, bound, nonces))
    header = field.header(key.number)
    authenticated = list(additional(field.binding, header, columns, count))
    sealed = list(map(key.encrypt, nonces, plain, authenticated))
    return list(map(b"".join, zip(repeat(header), nonces, sealed)))


def _plaintexts(field: FieldCore, items: Sequence[Any]) -> list[bytes]:
    if set(map(type, items)) == {field.type}:
        try:
            plain: list[bytes] = list(map(value_codec.ENCODERS[field.type][1], items))
        except (TypeError, ValueError, RecursionError):
            pass  # the one that is wrong is found below
        else:
            if max(map(len, plain)) <= value_codec.MAX_SIZE:
                return plain
    return list(map(field.plaintext, items))


def _headers(piece: Sequence[Any]) -> bytes | list[bytes]:
    """The first bytes of each token that is bytes; of all of them when they are alike.

    Tokens that begin alike are alike between the least and the greatest, so most pieces show theirs
    without a look at each token.
    """
    if set(map(type, piece)) != {bytes}:
        return [header_of(token) for token in piece if type(token) is bytes]
    header = header_of(piece[0])
    alike = header == header_of(piece[-1]) and header == header_of(min(piece))
    return header if alike and header == header_of(max(piece)) else list(map(header_of, piece))


def _keys(field: FieldCore, pieces: Sequence[bytes | list[bytes]]) -> dict[bytes, _Cipher]:
    """First bytes of this field's tokens → their cipher. All data keys come in few requests."""
    headers: set[bytes] = set()
    for piece in pieces:
        headers.update((piece,) if isinstance(piece, bytes) else piece)
    named = [(header, int.from_bytes(header[1:], "big")) for header in headers]
    ours = [number for header, number in named if header == field.header(number)]
    if not ours:
        return {}
    keys = field.cipher.keyring.read_keys(ours).values()
    return {field.header(key.number): key.decrypt for key in keys}


def _open(
    field: FieldCore,
    tokens: Sequence[Any],
    columns: _Columns,
    header: bytes | list[bytes],
    keys: dict[bytes, _Cipher],
) -> list[Any]:
    """All values; one of ``UNREADABLE`` when there is a row that needs a closer look."""
    if isinstance(header, list) and len(header) != len(tokens):
        raise ValueError  # not all of them are keyring tokens
    alike = isinstance(header, bytes)
    ciphers = keys[header] if isinstance(header, bytes) else list(map(keys.__getitem__, header))
    authenticated = list(additional(field.binding, header, columns, len(tokens)))
    nonces, sealed = list(map(_nonce_of, tokens)), list(map(_sealed_of, tokens))
    work: Any = (ciphers,) if alike else (call, ciphers)
    plain: list[bytes] = list(map(*work, nonces, sealed, authenticated))
    return list(map(value_codec.DECODERS[field.code], plain))


def _open_mixed(
    field: FieldCore, tokens: Sequence[Any], columns: _Columns, keys: dict[bytes, _Cipher]
) -> list[Any]:
    """As :func:`_open`, for the tokens of a piece that has nulls."""
    return _open(field, tokens, columns, _headers(tokens), keys)


def _one(field: FieldCore, token: Any, *context: Any) -> Any:
    try:
        return field.decrypt_slowly(token, *context)
    except DecryptionFailed:
        return _FAILED


def _name_the_wrong_one(
    field: FieldCore, start: int, piece: Sequence[Any], columns: _Columns
) -> None:
    """Raise what is wrong with the first wrong row; nothing when no row is."""
    for row, (item, *context) in enumerate(zip(piece, *columns, strict=True)):
        try:
            if item is not None:
                field.plaintext(item)
            field.binding.entries(context)
        except EncryptionError as error:
            raise type(error)(f"item {start + row}: {error}") from None
