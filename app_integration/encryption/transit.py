"""Encryption done by the server, for callers that must never hold a data key.

Keys are derived: each item carries a context, and opens under no other. Items travel in batches;
one bad item is reported by its index and doesn't spoil the others.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeAlias, TypeVar

from app_integration import names, permissions
from app_integration.encryption.batch import Batch
from app_integration.encryption.transit_ciphertext import is_canonical
from app_integration.errors import (
    DecryptionFailed,
    EncryptionError,
    InvalidName,
    RequestRefused,
    ServerFault,
)
from app_integration.settings import Limits

MAX_CONTEXT: Final = 4096  # bytes
MAX_PLAINTEXT: Final = 8 * 2**20  # bytes of one item
_MAX_REQUEST: Final = 16 * 2**20  # characters of items in one request; the server takes 32 MiB
_TOO_COMPLEX: Final = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}

_T = TypeVar("_T")

#: The ``post`` of a session: path and body → the decoded answer.
Post: TypeAlias = Callable[[str, Mapping[str, Any]], dict[str, Any]]


class Transit:
    """One derived Transit key. Bytes in and out; every item has a context of 1 to 4096 bytes.

    All methods raise what the session raises: ``AccessDenied``, ``RequestRefused`` (there is no
    such key), or a ``ServerError``.
    """

    def __init__(self, post: Post, name: str, limits: Limits | None = None) -> None:
        """Args: *name* is the key's full name, as ``Scope.key`` gives it.

        Raises:
            InvalidName: *name* can't be the name of a key.

        """
        if "/" in names.check_secret_name(name):
            raise InvalidName(f"{name!r} can't name a Transit key: it contains '/'")
        self.name = name
        self._request = post
        self._batch_items = (limits or Limits()).batch_items

    def encrypt(self, plaintext: bytes, context: bytes) -> str:
        """The ciphertext, ``vault:v<key version>:<base64>``.

        Raises:
            EncryptionError: an argument out of bounds, or the server refused the item.

        """
        return _only(self.encrypt_many([(plaintext, context)]))

    def decrypt(self, ciphertext: str, context: bytes) -> bytes:
        """The plaintext.

        Raises:
            DecryptionFailed: not authentic for this key and *context*, or made by a key version
                below the key's ``min_decryption_version``.

        """
        return _only_authentic(self.decrypt_many([(ciphertext, context)]))

    def rewrap(self, ciphertext: str, context: bytes) -> str:
        """The ciphertext under the newest key version; the plaintext doesn't travel.

        Raises:
            DecryptionFailed: as :meth:`decrypt`.

        """
        return _only_authentic(self.rewrap_many([(ciphertext, context)]))

    def encrypt_many(self, items: Sequence[tuple[bytes, bytes]]) -> Batch[str]:
        """Encrypt each (plaintext, context).

        Raises:
            EncryptionError: an item out of bounds; nothing was sent.

        """
        for index, (plaintext, context) in enumerate(items):
            _check(index, "plaintext", plaintext, minimum=0, maximum=MAX_PLAINTEXT)
            _check(index, "context", context, minimum=1, maximum=MAX_CONTEXT)
        return self._run(
            "encrypt",
            [{"plaintext": _base64(plain), "context": _base64(bound)} for plain, bound in items],
            _ciphertext,
        )

    def decrypt_many(self, items: Sequence[tuple[str, bytes]]) -> Batch[bytes]:
        """Decrypt each (ciphertext, context); an item that isn't authentic is a failed one.

        Raises:
            EncryptionError: a context out of bounds; nothing was sent.

        """
        return self._run("decrypt", _ciphertext_items(items), _plaintext)

    def rewrap_many(self, items: Sequence[tuple[str, bytes]]) -> Batch[str]:
        """Rewrap each (ciphertext, context); raises as :meth:`decrypt_many`."""
        return self._run("rewrap", _ciphertext_items(items), _ciphertext)

    def _run(
        self,
        operation: str,
        items: list[dict[str, str] | None],
        read: Callable[[object], _T | None],
    ) -> Batch[_T]:
        """Send the items that aren't None, and put the answers back in their places."""
        path = permissions.need(operation, self.name).path
        places = [index for index, item in enumerate(items) if item is not None]
        results: list[_T | None] = [None] * len(items)
        answers = self._send_all(path, [item for item in items if item is not None])
        for index, answer in zip(places, answers, strict=True):
            results[index] = read(answer)
        failed = tuple(index for index, result in enumerate(results) if result is None)
        return Batch(results, failed, path)

    def _send_all(self, path: str, items: list[dict[str, str]]) -> Iterator[object]:
        position = 0
        while position < len(items):
            chunk = _chunk(items, position, self._batch_items)
            yield from self._send(path, chunk)
            position += len(chunk)

    def _send(self, path: str, items: list[dict[str, str]]) -> list[object]:
        """The answers to *items*; in halves when the server finds the request too complex.

        The server says so with a 400 like any other, so a request that is wrong in itself is
        halved too, until a single item shows it.
        """
        answers = self._post(path, items)
        if answers is not None:
            return answers
        middle = len(items) // 2
        first = self._send(path, items[:middle])
        self._batch_items = min(self._batch_items, middle)
        return [*first, *self._send_all(path, items[middle:])]

    def _post(self, path: str, items: list[dict[str, str]]) -> list[object] | None:
        """The answers; None when the request was refused as a whole and can be halved.

        A batch in which every item failed is a 400 that holds their answers.
        """
        body = {"batch_input": items, "partial_failure_response_code": 200}
        try:
            data = self._request(path, body).get("data")
        except RequestRefused as refused:
            data = refused.data
            if data is None:
                if refused.status in _TOO_COMPLEX and len(items) > 1:
                    return None
                raise
        answers = data.get("batch_results") if isinstance(data, Mapping) else None
        if not isinstance(answers, list) or len(answers) != len(items):
            del data, answers  # plaintexts, which no traceback shows
            raise ServerFault(f"{path}: the answer doesn't match the {len(items)} items sent")
        return answers


def _ciphertext_items(items: Sequence[tuple[str, bytes]]) -> list[dict[str, str] | None]:
    """What is sent for each item; None for a ciphertext that no server would have written."""
    for index, (_, context) in enumerate(items):
        _check(index, "context", context, minimum=1, maximum=MAX_CONTEXT)
    return [
        {"ciphertext": text, "context": _base64(context)} if is_canonical(text) else None
        for text, context in items
    ]


def _chunk(items: list[dict[str, str]], start: int, count: int) -> list[dict[str, str]]:
    """The items from *start* that fit one request: at least one."""
    size = 0
    for end in range(start, min(start + count, len(items))):
        size += sum(map(len, items[end].values()))
        if size > _MAX_REQUEST and end > start:
            return items[start:end]
    return items[start : start + count]


def _check(index: int, what: str, value: object, *, minimum: int, maximum: int) -> None:
    if not isinstance(value, bytes):
        raise EncryptionError(f"item {index}: {what} of type {type(value).__name__}; use bytes")
    if not minimum <= len(value) <= maximum:
        raise EncryptionError(
            f"item {index}: {what} of {len(value)} bytes; use {minimum} to {maximum}"
        )


def _base64(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def _ciphertext(answer: object) -> str | None:
    """One that the server opens again: what is none must not be stored in its place."""
    text = _answered(answer, "ciphertext")
    return text if text is not None and is_canonical(text) else None


def _plaintext(answer: object) -> bytes | None:
    text = _answered(answer, "plaintext")
    try:
        return None if text is None else base64.b64decode(text, validate=True)
    except ValueError:  # no base64, or no ASCII
        return None


def _answered(answer: object, name: str) -> str | None:
    """One item's result; None when the server answered with an error instead."""
    if not isinstance(answer, Mapping) or answer.get("error"):
        return None
    text = answer.get(name)
    return text if isinstance(text, str) else None


def _only(batch: Batch[_T]) -> _T:
    (result,) = batch.results
    if result is None:
        raise EncryptionError(f"{batch.operation}: the server refused; its audit log says why")
    return result


def _only_authentic(batch: Batch[_T]) -> _T:
    (result,) = batch.results
    if result is None:
        raise DecryptionFailed(
            f"{batch.operation}: not authentic for this key and context, "
            "or of a key version that is no longer allowed"
        )
    return result
