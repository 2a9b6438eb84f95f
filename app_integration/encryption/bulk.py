"""Encryption and decryption of many values of one declared field.

Columns are processed in pieces that are small enough for the processor's cache, each step for all
rows of a piece before the next step, which is a fifth faster than one row after another. A piece
with anything but values of the declared type is processed row by row, to find the invalid rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from operator import call, itemgetter
from typing import Any, Final, TypeAlias

from app_integration.encryption.batch import Batch
from app_integration.encryption.bulk_aad import compute_aads, header_of, split
from app_integration.encryption.core import FieldCore
from app_integration.encryption.parsed_token import LARGEST, Token
from app_integration.encryption.tokens import envelope, keyring_token, value_codec
from app_integration.errors import DecryptionFailed, EncryptionError

ROWS: Final = 2048  # rows of one piece

_Columns: TypeAlias = Sequence[Sequence[Any]]
_Cipher: TypeAlias = Callable[[bytes, bytes, bytes], bytes]
_nonce_of: Final = itemgetter(slice(keyring_token.HEADER, keyring_token.NONCE_END))
_ciphertext_of: Final = itemgetter(slice(keyring_token.NONCE_END, None))


def encrypt(field: FieldCore, items: Sequence[Any], columns: _Columns) -> list[Token | None]:
    """Encrypt each item and return the tokens, in order; the token of None is None.

    *columns* has one sequence for each name of the context. An EncryptionError names the row.
    """
    _check_columns(field, items, columns)
    tokens: list[Token | None] = []
    for start in range(0, len(items), ROWS):
        piece = items[start : start + ROWS]
        bound = [column[start : start + ROWS] for column in columns]
        try:
            tokens += _with_nulls(piece, bound, partial(_encrypt_piece, field))
        except EncryptionError:
            _raise_for_first_invalid(field, start, piece, bound)
            raise
    return tokens


def decrypt(
    field: FieldCore, tokens: Sequence[Any], columns: _Columns, decrypt_one: Callable[..., Any]
) -> Batch[Any]:
    """Decrypt each token; the value of None is None.

    Data keys that are not cached are unwrapped together, in few requests. *decrypt_one* decrypts
    the tokens of a piece that is decrypted row by row.
    """
    _check_columns(field, tokens, columns)
    found: list[Any] = []
    failed: list[int] = []
    headers = [_headers(tokens[start : start + ROWS]) for start in range(0, len(tokens), ROWS)]
    keys = _ciphers_by_header(field, headers)

    def decrypt_dense(dense: Sequence[Any], bound: _Columns) -> list[Any]:
        return _decrypt_piece(field, dense, bound, _headers(dense), keys)

    for start, header in zip(range(0, len(tokens), ROWS), headers, strict=True):
        piece = tokens[start : start + ROWS]
        bound = [column[start : start + ROWS] for column in columns]
        try:
            if None in piece:
                found += _with_nulls(piece, bound, decrypt_dense)
            else:
                found += _decrypt_piece(field, piece, bound, header, keys)
        except (LookupError, *value_codec.DECODING_ERRORS):
            results = [_decrypt_row(decrypt_one, *row) for row in zip(piece, *bound, strict=True)]
            failed += [start + at for at, result in enumerate(results) if result is _FAILED]
            found += [None if result is _FAILED else result for result in results]
    return Batch(found, tuple(failed), f"decrypting {field.binding.field}")


_FAILED: Final = object()


def _check_columns(field: FieldCore, items: Sequence[Any], columns: _Columns) -> None:
    names = field.binding.names
    if len(columns) != len(names) or any(len(column) != len(items) for column in columns):
        raise EncryptionError(
            f"{field.binding.field}: cannot bind {len(items)} items to columns of lengths "
            f"{[len(column) for column in columns]} for the context {list(names)}; pass one "
            "column of the same length for each name"
        )


def _with_nulls(piece: Sequence[Any], columns: _Columns, work: Any) -> list[Any]:
    """Call *work* with the rows that have a value; return its results, and None for the others."""
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


def _encrypt_piece(field: FieldCore, items: Sequence[Any], columns: _Columns) -> list[Token]:
    cipher, active_key, count = field.cipher, field.cipher.active_key, len(items)
    plain = _plaintexts(field, items)
    largest = max(map(len, plain))
    messages = (
        count
        if largest <= cipher.message_size
        else sum(map(active_key.count_messages, map(len, plain)))
    )
    if messages > active_key.total and count > 1:
        halves = (slice(count // 2), slice(count // 2, None))
        return [
            token
            for half in halves
            for token in _encrypt_piece(field, items[half], [column[half] for column in columns])
        ]
    key = active_key.reserve_messages(messages)
    nonces = list(split(envelope.NONCE, cipher.random(envelope.NONCE * count)))
    if not cipher.writes_keyring_tokens:
        bound = compute_aads(field.binding, b"", columns, count)
        return list(map(envelope.seal, repeat(key), repeat(field.code), plain, bound, nonces))
    header = keyring_token.header(field.code, key.number)
    authenticated = list(compute_aads(field.binding, header, columns, count))
    sealed = list(map(key.encrypt, nonces, plain, authenticated))
    return list(map(b"".join, zip(repeat(header), nonces, sealed)))


def _plaintexts(field: FieldCore, items: Sequence[Any]) -> list[bytes]:
    if set(map(type, items)) == {field.type}:
        try:
            plain: list[bytes] = list(map(value_codec.ENCODERS[field.type][1], items))
        except (TypeError, ValueError, RecursionError):
            pass  # field.encode_value below finds the invalid item
        else:
            if max(map(len, plain)) <= value_codec.MAX_SIZE:
                return plain
    return list(map(field.encode_value, items))


def _headers(piece: Sequence[Any]) -> bytes | list[bytes]:
    """Return the header of each token that is bytes, or one header if all tokens share it.

    The least and the greatest token in byte order begin with the same header exactly if all tokens
    do. So most pieces need no look at each token.
    """
    if set(map(type, piece)) != {bytes}:
        return [header_of(token) for token in piece if type(token) is bytes]
    header = header_of(piece[0])
    alike = header == header_of(piece[-1]) and header == header_of(min(piece))
    return header if alike and header == header_of(max(piece)) else list(map(header_of, piece))


def _ciphers_by_header(
    field: FieldCore, pieces: Sequence[bytes | list[bytes]]
) -> dict[bytes, _Cipher]:
    """Return the cipher for each header of this field's tokens.

    All data keys are read together, so those that are not cached take few requests. Headers of
    other fields' types are left out.
    """
    headers: set[bytes] = set()
    for piece in pieces:
        headers.update((piece,) if isinstance(piece, bytes) else piece)
    named = [(header, int.from_bytes(header[1:], "big")) for header in headers]
    build_header = partial(keyring_token.header, field.code)
    numbers = [number for header, number in named if header == build_header(number)]
    if not numbers:
        return {}
    keys = field.cipher.keyring.read_keys(numbers).values()
    return {build_header(key.number): key.decrypt for key in keys}


def _decrypt_piece(
    field: FieldCore,
    tokens: Sequence[Any],
    columns: _Columns,
    header: bytes | list[bytes],
    keys: dict[bytes, _Cipher],
) -> list[Any]:
    """Decrypt all tokens of a piece.

    Raises LookupError or one of ``value_codec.DECODING_ERRORS`` if the piece must be decrypted row
    by row.
    """
    if not header:
        return _decrypt_texts(field, tokens, columns)
    if isinstance(header, list) and len(header) != len(tokens):
        raise ValueError  # because not all of them are keyring tokens
    alike = isinstance(header, bytes)
    ciphers = keys[header] if isinstance(header, bytes) else list(map(keys.__getitem__, header))
    authenticated = list(compute_aads(field.binding, header, columns, len(tokens)))
    nonces, sealed = list(map(_nonce_of, tokens)), list(map(_ciphertext_of, tokens))
    work: Any = (ciphers,) if alike else (call, ciphers)
    plain: list[bytes] = list(map(*work, nonces, sealed, authenticated))
    return list(map(value_codec.DECODERS[field.code], plain))


def _decrypt_texts(field: FieldCore, tokens: Sequence[Any], columns: _Columns) -> list[Any]:
    """Decrypt all tokens of a piece, if they are texts of one data key. See :func:`_decrypt_piece`.

    A piece under several data keys is decrypted row by row.
    """
    cipher = field.cipher
    size = cipher.text_start
    if set(map(type, tokens)) != {str} or max(map(len, tokens)) > LARGEST:
        raise ValueError
    (start,) = set(map(itemgetter(slice(size)), tokens))
    cached, unseal, decode, code, aad, _, layout = cipher.keyring.constants[start]
    if code != field.code or cipher.clock() >= cached.expires_at:
        raise ValueError
    cached.was_used = True
    before, place, nonce, sealed = layout
    raw = list(map(envelope.decode_part, map(itemgetter(slice(size, None)), tokens)))
    if set(map(itemgetter(place), raw)) != {before}:
        raise ValueError
    authenticated = list(compute_aads(field.binding, aad, columns, len(tokens)))
    nonces, ciphertexts = map(itemgetter(nonce), raw), map(itemgetter(sealed), raw)
    return list(map(decode, list(map(unseal, nonces, ciphertexts, authenticated))))


def _decrypt_row(decrypt_one: Callable[..., Any], token: Any, *context: Any) -> Any:
    try:
        return decrypt_one(token, *context)
    except DecryptionFailed:
        return _FAILED


def _raise_for_first_invalid(
    field: FieldCore, start: int, piece: Sequence[Any], columns: _Columns
) -> None:
    """Raise the error of the first invalid row, with its index; return if no row is invalid."""
    for row, (item, *context) in enumerate(zip(piece, *columns, strict=True)):
        try:
            if item is not None:
                field.encode_value(item)
            field.binding.entries(context)
        except EncryptionError as error:
            raise type(error)(f"item {start + row}: {error}") from None
