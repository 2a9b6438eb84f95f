"""Many values of one declared field at once.

A quick way for what columns mostly are (of one type, without surprises), and for each piece where
it doesn't hold a slow way that finds out which row is wrong. Pieces are small enough for the
processor's cache. Within one nothing is done row by row in Python: ``map`` calls the cipher, and
each step is done for all rows before the next, which is a fifth quicker than row after row.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import repeat
from operator import call, itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from app_integration.encryption import compact_token, envelope, values
from app_integration.encryption.additional import additional, cut, header_of
from app_integration.encryption.batch import Batch
from app_integration.encryption.data_key import DataKey
from app_integration.errors import DecryptionFailed, EncryptionError

if TYPE_CHECKING:
    from app_integration.encryption.bound_field import BoundField, Token

ROWS: Final = 4096  # of one piece

_Columns: TypeAlias = Sequence[Sequence[Any]]
_nonce_of: Final = itemgetter(slice(compact_token.HEADER, compact_token.NONCE_END))
_sealed_of: Final = itemgetter(slice(compact_token.NONCE_END, None))


def encrypt(field: BoundField, items: Sequence[Any], columns: _Columns) -> list[Token | None]:
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


def decrypt(field: BoundField, tokens: Sequence[Any], columns: _Columns) -> Batch[Any]:
    """The value of each token, None for None; data keys that aren't held come in few requests.

    Raises:
        InvalidContext: a context that nothing can have been bound to.
        KeyUnavailable: a data key isn't held and can't be unwrapped now.
    """
    _check(field, tokens, columns)
    found: list[Any] = []
    failed: list[int] = []
    headers, keys = _scan(field, tokens)
    for start, header in zip(range(0, len(tokens), ROWS), headers, strict=True):
        piece = tokens[start : start + ROWS]
        bound = [column[start : start + ROWS] for column in columns]
        try:
            if header is not None:
                found += _open_alike(field, piece, bound, header, keys[header])
            else:
                found += _with_nulls(piece, bound, partial(_open, field, keys=keys))
        except values.UNREADABLE:
            results = [_one(field, *row) for row in zip(piece, *bound, strict=True)]
            failed += [start + at for at, result in enumerate(results) if result is _FAILED]
            found += [None if result is _FAILED else result for result in results]
    return Batch(found, tuple(failed), f"decrypting {field.binding.field}")


_FAILED: Final = object()


def _check(field: BoundField, items: Sequence[Any], columns: _Columns) -> None:
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


def _seal(field: BoundField, items: Sequence[Any], columns: _Columns) -> list[Token]:
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


def _plaintexts(field: BoundField, items: Sequence[Any]) -> list[bytes]:
    if set(map(type, items)) == {field.type}:
        try:
            plain: list[bytes] = list(map(values.ENCODERS[field.type][1], items))
        except (TypeError, ValueError, RecursionError):
            pass  # the one that is wrong is found below
        else:
            if max(map(len, plain)) <= values.MAX_SIZE:
                return plain
    return list(map(field.plaintext, items))


def _scan(
    field: BoundField, tokens: Sequence[Any]
) -> tuple[list[bytes | None], dict[bytes, DataKey]]:
    """The first bytes that all tokens of each piece share, or None; and the data keys by them.

    All keys come in few requests. Tokens that begin alike are alike between the least and the
    greatest of a piece, so most pieces show theirs without a look at each token.
    """
    shared: list[bytes | None] = []
    headers: set[bytes] = set()
    for start in range(0, len(tokens), ROWS):
        piece = tokens[start : start + ROWS]
        header = None
        if set(map(type, piece)) == {bytes}:
            least, greatest = header_of(min(piece)), header_of(max(piece))
            header = least if least == greatest else None
            headers.update((least,) if header else map(header_of, piece))
        else:
            headers.update(header_of(token) for token in piece if type(token) is bytes)
        shared.append(header)
    keys = _keys(field, headers)
    return [header if header in keys else None for header in shared], keys


def _keys(field: BoundField, headers: set[bytes]) -> dict[bytes, DataKey]:
    """The data keys of this field's tokens; what begins otherwise isn't one."""
    named = [(header, int.from_bytes(header[1:], "big")) for header in headers]
    ours = [number for header, number in named if header == field.header(number)]
    if not ours:
        return {}
    return {field.header(key.number): key for key in field.cipher.keyring.read_keys(ours).values()}


def _open_alike(
    field: BoundField, tokens: Sequence[Any], columns: _Columns, header: bytes, key: DataKey
) -> list[Any]:
    """All values; one of ``UNREADABLE`` when there is a row that needs a closer look."""
    authenticated = list(additional(field.binding, header, columns, len(tokens)))
    nonces, sealed = list(map(_nonce_of, tokens)), list(map(_sealed_of, tokens))
    plain = list(map(key.decrypt, nonces, sealed, authenticated))
    return list(map(values.DECODERS[field.code], plain))


def _open(
    field: BoundField, tokens: Sequence[Any], columns: _Columns, keys: dict[bytes, DataKey]
) -> list[Any]:
    """As :func:`_open_alike`, under several data keys."""
    if set(map(type, tokens)) != {bytes}:
        raise ValueError
    headers = list(map(header_of, tokens))
    ciphers = {header: key.decrypt for header, key in keys.items()}
    opened = list(map(ciphers.__getitem__, headers))
    authenticated = list(additional(field.binding, headers, columns, len(tokens)))
    nonces, sealed = list(map(_nonce_of, tokens)), list(map(_sealed_of, tokens))
    plain = list(map(call, opened, nonces, sealed, authenticated))
    return list(map(values.DECODERS[field.code], plain))


def _one(field: BoundField, token: Any, *context: Any) -> Any:
    try:
        return field.decrypt_slowly(token, *context)
    except DecryptionFailed:
        return _FAILED


def _name_the_wrong_one(
    field: BoundField, start: int, piece: Sequence[Any], columns: _Columns
) -> None:
    """Raise what is wrong with the first wrong row; nothing when no row is."""
    for row, (item, *context) in enumerate(zip(piece, *columns, strict=True)):
        try:
            if item is not None:
                field.plaintext(item)
            field.binding.entries(context)
        except EncryptionError as error:
            raise type(error)(f"item {start + row}: {error}") from None
