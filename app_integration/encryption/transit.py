"""Encryption by the server's Transit engine, for callers that must never hold a data key.

The keys are derived: each item carries a context and decrypts under no other context. Items are
sent in batches; an item that fails is reported by its index and does not fail the others.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeAlias, TypeVar

from app_integration import names, permissions
from app_integration._internal.tracing import span
from app_integration.encryption.batch import Batch
from app_integration.encryption.transit_ciphertext import is_canonical, to_text
from app_integration.errors import (
    DecryptionFailed,
    EncryptionError,
    InvalidName,
    RequestRefused,
    ServerFault,
)
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.settings import Limits

MAX_CONTEXT: Final = 4096  # bytes
MAX_PLAINTEXT: Final = 8 * 2**20  # bytes of one item
# Characters of items in one request. The local deployment's server accepts 12 MiB of them.
_MAX_REQUEST: Final = 11 * 2**20
_MAYBE_TOO_COMPLEX: Final = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}

_T = TypeVar("_T")

#: The ``post`` method of a session: path and body → the decoded response.
Post: TypeAlias = Callable[[str, Mapping[str, Any]], dict[str, Any]]


class Transit:
    """One derived Transit key, which encrypts bytes under a context of 1 to 4096 bytes.

    All methods also raise what the session raises: ``AccessDenied``, ``RequestRefused`` if there is
    no such key, or a ``ServerError``.
    """

    def __init__(
        self,
        post: Post,
        name: str,
        limits: Limits | None = None,
        mounts: Mounts = DEFAULT_MOUNTS,
    ) -> None:
        """Create a client for one Transit key. No request is sent."""
        if "/" in names.check_secret_name(name):
            raise InvalidName(
                f"{name!r} cannot name a Transit key: it contains '/'; pass the key's own name"
            )
        self.name = name
        self._request = post
        self._mounts = mounts
        self._batch_items = (limits or Limits()).batch_items

    def encrypt(self, plaintext: bytes, context: bytes) -> str:
        """Encrypt *plaintext* and return the ciphertext, ``vault:v<key version>:<base64>``.

        Raises:
            EncryptionError: If an argument is not bytes or is out of bounds, or the server rejected
                the item.

        """
        return _single_result(self.encrypt_many([(plaintext, context)]))

    def decrypt(self, ciphertext: str, context: bytes) -> bytes:
        """Decrypt *ciphertext* and return the plaintext.

        Raises:
            DecryptionFailed: If *ciphertext* is not authentic for this key and *context*, or its
                key version is below the key's ``min_decryption_version``.
            EncryptionError: If *context* is not bytes or is out of bounds.

        """
        return _single_authentic_result(self.decrypt_many([(ciphertext, context)]))

    def rewrap(self, ciphertext: str, context: bytes) -> str:
        """Return *ciphertext* under the newest key version; the plaintext stays on the server.

        Raises:
            DecryptionFailed: If *ciphertext* is not authentic for this key and *context*, or its
                key version is below the key's ``min_decryption_version``.
            EncryptionError: If *context* is not bytes or is out of bounds.

        """
        return _single_authentic_result(self.rewrap_many([(ciphertext, context)]))

    def encrypt_many(self, items: Sequence[tuple[bytes, bytes]]) -> Batch[str]:
        """Encrypt each (plaintext, context).

        Raises:
            EncryptionError: If an item is not bytes or is out of bounds; nothing was sent.

        """
        for index, (plaintext, context) in enumerate(items):
            _check_size(index, "plaintext", plaintext, minimum=0, maximum=MAX_PLAINTEXT)
            _check_size(index, "context", context, minimum=1, maximum=MAX_CONTEXT)
        return self._run(
            "encrypt",
            [{"plaintext": to_text(plain), "context": to_text(bound)} for plain, bound in items],
            _read_ciphertext,
        )

    def decrypt_many(self, items: Sequence[tuple[str, bytes]]) -> Batch[bytes]:
        """Decrypt each (ciphertext, context); an item that is not authentic is listed as failed.

        Raises:
            EncryptionError: If a context is not bytes or is out of bounds; nothing was sent.

        """
        return self._run("decrypt", _ciphertext_items(items), _read_plaintext)

    def rewrap_many(self, items: Sequence[tuple[str, bytes]]) -> Batch[str]:
        """Rewrap each (ciphertext, context); an item that is not authentic is listed as failed.

        Raises:
            EncryptionError: If a context is not bytes or is out of bounds; nothing was sent.

        """
        return self._run("rewrap", _ciphertext_items(items), _read_ciphertext)

    def _run(
        self,
        operation: str,
        items: list[dict[str, str] | None],
        read: Callable[[object], _T | None],
    ) -> Batch[_T]:
        """Send the items that are not None, and put each result in the place of its item."""
        path = permissions.need(operation, self.name, self._mounts).path
        places = [index for index, item in enumerate(items) if item is not None]
        results: list[_T | None] = [None] * len(items)
        responses = self._send_all(path, [item for item in items if item is not None])
        for index, response in zip(places, responses, strict=True):
            results[index] = read(response)
        failed = tuple(index for index, result in enumerate(results) if result is None)
        return Batch(results, failed, path)

    def _send_all(self, path: str, items: list[dict[str, str]]) -> Iterator[object]:
        position = 0
        while position < len(items):
            chunk = _take_chunk(items, position, self._batch_items)
            yield from self._send(path, chunk)
            position += len(chunk)

    def _send(self, path: str, items: list[dict[str, str]]) -> list[object]:
        """Return the server's result for each of *items*, in halves if the request is too complex.

        The server reports that with a 400 like any other. So a request that is invalid in itself is
        halved too, until a single item is rejected.
        """
        responses = self._post(path, items)
        if responses is not None:
            return responses
        middle = len(items) // 2
        first = self._send(path, items[:middle])
        self._batch_items = min(self._batch_items, middle)
        return [*first, *self._send_all(path, items[middle:])]

    def _post(self, path: str, items: list[dict[str, str]]) -> list[object] | None:
        """Return the server's result for each of *items*, or None if the request must be halved.

        If every item failed, the server responds with a 400 whose body contains their results.
        """
        body = {"batch_input": items, "partial_failure_response_code": 200}
        try:
            with span("transit", path=path, items=len(items)):
                data = self._request(path, body).get("data")
        except RequestRefused as rejected:
            data = rejected.data
            if data is None:
                if rejected.status in _MAYBE_TOO_COMPLEX and len(items) > 1:
                    return None
                raise
        responses = data.get("batch_results") if isinstance(data, Mapping) else None
        if not isinstance(responses, list) or len(responses) != len(items):
            del data, responses  # so that no traceback with locals shows plaintexts
            raise ServerFault(
                f"{path}: the response does not match the {len(items)} items sent; check proxies"
            )
        return responses


def _ciphertext_items(items: Sequence[tuple[str, bytes]]) -> list[dict[str, str] | None]:
    """Return the request body of each item, or None for a ciphertext that no server writes."""
    for index, (_, context) in enumerate(items):
        _check_size(index, "context", context, minimum=1, maximum=MAX_CONTEXT)
    return [
        {"ciphertext": text, "context": to_text(context)} if is_canonical(text) else None
        for text, context in items
    ]


def _take_chunk(items: list[dict[str, str]], start: int, count: int) -> list[dict[str, str]]:
    """Return the items from *start* that fit into one request: at least one."""
    size = 0
    for end in range(start, min(start + count, len(items))):
        size += sum(map(len, items[end].values()))
        if size > _MAX_REQUEST and end > start:
            return items[start:end]
    return items[start : start + count]


def _check_size(index: int, what: str, value: object, *, minimum: int, maximum: int) -> None:
    if not isinstance(value, bytes):
        raise EncryptionError(f"item {index}: {what} is of type {type(value).__name__}; pass bytes")
    if not minimum <= len(value) <= maximum:
        raise EncryptionError(
            f"item {index}: {what} has {len(value)} bytes; pass {minimum} to {maximum}"
        )


def _read_ciphertext(response: object) -> str | None:
    """Return the ciphertext in *response*, or None unless the server would accept it again.

    The caller stores the result in place of its value, so anything else must count as failed.
    """
    text = _get_result(response, "ciphertext")
    return text if text is not None and is_canonical(text) else None


def _read_plaintext(response: object) -> bytes | None:
    text = _get_result(response, "plaintext")
    try:
        return None if text is None else base64.b64decode(text, validate=True)
    except ValueError:  # not base64, or not ASCII
        return None


def _get_result(response: object, name: str) -> str | None:
    """Return one item's result, or None if the server returned an error for it."""
    if not isinstance(response, Mapping) or response.get("error"):
        return None
    text = response.get(name)
    return text if isinstance(text, str) else None


def _single_result(batch: Batch[_T]) -> _T:
    (result,) = batch.results
    if result is None:
        raise EncryptionError(
            f"{batch.operation}: the server rejected the item; read its audit log for the reason"
        )
    return result


def _single_authentic_result(batch: Batch[_T]) -> _T:
    (result,) = batch.results
    if result is None:
        raise DecryptionFailed(
            f"{batch.operation}: the ciphertext is not authentic for this key and context, "
            "or its key version is no longer allowed; pass those that it was encrypted with"
        )
    return result
