"""Data keys wrapped by a symmetric KMS key of AWS.

The process generates data keys and wraps them by ``Encrypt``, not by ``GenerateDataKey``, because
files, blind indexes and the move from another service wrap keys that exist already. CloudTrail
shows the encryption context in clear, so it consists of the scope alone; the context of a field
stays in the associated data of its token.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from app_integration._internal.arns import KMS_KEYS
from app_integration._internal.tracing import span
from app_integration.encryption import kms_ciphertext
from app_integration.encryption.kms_ciphertext import KmsCiphertext
from app_integration.errors import OUTAGE, KeyUnavailable, RequestRefused

log = logging.getLogger(__name__)

_THREADS: Final = 8  # requests in flight, because KMS has no batches
_NOT_AUTHENTIC: Final = {"InvalidCiphertextException", "IncorrectKeyException"}
_NOT_FOUND: Final = "NotFoundException"

#: Sends an operation of KMS: its name, its parameters, and the keys that the response must have.
Call: TypeAlias = Callable[[str, Mapping[str, Any], Sequence[str]], Mapping[str, Any]]
#: Returns the entries of an encoded scope, as ``tokens.encryption_context.decode`` does.
ReadScope: TypeAlias = Callable[[bytes], Mapping[str, object]]

_T = TypeVar("_T")
_R = TypeVar("_R")


class KmsKeyService:
    """A :class:`~app_integration.encryption.keys.services.KeyService` that uses one KMS alias.

    KMS has no versions that can be rejected one by one, so each version is a key of its own. The
    alias decides which of them wraps.
    """

    def __init__(self, call: Call, name: str, keys: Sequence[str], read_scope: ReadScope) -> None:
        """Create the service for one alias. No request is sent.

        A stored key that names an ARN outside *keys* is rejected without a request, or a writer of
        the store could have it unwrapped by a key of their own.
        """
        self._call = call
        self._read_scope = read_scope
        self._alias = f"alias/{name}"
        self._versions = {key: version for version, key in enumerate(keys, 1)}

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        """Wrap each data key under the key that the alias stands for."""
        with self._span("wrap", data_keys):
            return _run_each(partial(self._wrap, self._context(scope)), data_keys)

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Unwrap each data key; return None for an invalid one."""
        with self._span("unwrap", wrapped):
            return _run_each(partial(self._unwrap, self._context(scope)), wrapped)

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Rewrap each data key under the key that the alias stands for; None for an invalid one.

        The plaintext stays in KMS.
        """
        with self._span("rewrap", wrapped):
            return _run_each(partial(self._rewrap, self._context(scope)), wrapped)

    def version(self, wrapped: bytes) -> int:
        """Return the position of the KMS key in the declared list, from 1; 0 for any other key."""
        parsed = kms_ciphertext.parse(wrapped)
        return 0 if parsed is None else self._versions.get(parsed.key, 0)

    def _span(self, operation: str, keys: Sequence[bytes]) -> AbstractContextManager[object]:
        return span("kms", operation=operation, key=self._alias, items=len(keys))

    def _wrap(self, context: Mapping[str, str], data_key: bytes) -> bytes:
        parameters = {"KeyId": self._alias, "Plaintext": data_key, "EncryptionContext": context}
        with self._translate_errors("wrap"):
            response = self._call("Encrypt", parameters, ("CiphertextBlob", "KeyId"))
        return self._encode(response)

    def _unwrap(self, context: Mapping[str, str], wrapped: bytes) -> bytes | None:
        found = self._parse(wrapped)
        if found is None:
            return None
        parameters = {
            "KeyId": found.key,
            "CiphertextBlob": found.ciphertext,
            "EncryptionContext": context,
        }
        with self._translate_errors("unwrap"):
            response = self._send_authentic("Decrypt", parameters, ("Plaintext", "KeyId"))
        # KMS guarantees it, other servers with its API do not.
        if response is None or response["KeyId"] != found.key:
            return None
        plaintext: bytes = response["Plaintext"]
        return plaintext

    def _rewrap(self, context: Mapping[str, str], wrapped: bytes) -> bytes | None:
        found = self._parse(wrapped)
        if found is None:
            return None
        parameters = {
            "SourceKeyId": found.key,
            "CiphertextBlob": found.ciphertext,
            "SourceEncryptionContext": context,
            "DestinationKeyId": self._alias,
            "DestinationEncryptionContext": context,
        }
        required = ("CiphertextBlob", "KeyId", "SourceKeyId")
        with self._translate_errors("rewrap"):
            response = self._send_authentic("ReEncrypt", parameters, required)
        if response is None or response["SourceKeyId"] != found.key:
            return None
        return self._encode(response)

    def _context(self, scope: bytes) -> dict[str, str]:
        """Return the encryption context for *scope*; KMS takes text only."""
        return {name: str(value) for name, value in self._read_scope(scope).items()}

    def _parse(self, wrapped: bytes) -> KmsCiphertext | None:
        """Return the parts of *wrapped*, or None if no declared key wrapped it."""
        found = kms_ciphertext.parse(wrapped)
        if found is not None and found.key not in self._versions:
            log.warning(
                "a data key names the KMS key %s, which %s does not list, so what it encrypted "
                "counts as not authentic",
                found.key,
                KMS_KEYS,
            )
            return None
        return found

    def _encode(self, response: Mapping[str, Any]) -> bytes:
        key = response["KeyId"]
        if key not in self._versions:
            raise KeyUnavailable(
                f"{self._alias} stands for {key}, which {KMS_KEYS} does not list; add it there in "
                "every process, and move the alias afterwards"
            )
        return KmsCiphertext(key, response["CiphertextBlob"]).encode()

    def _send_authentic(
        self, operation: str, parameters: Mapping[str, Any], required: Sequence[str]
    ) -> Mapping[str, Any] | None:
        """Return the response, or None if KMS rejects the ciphertext as not authentic."""
        try:
            return self._call(operation, parameters, required)
        except RequestRefused as refused:
            if _code(refused) in _NOT_AUTHENTIC:
                return None
            raise

    @contextmanager
    def _translate_errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except (*OUTAGE, RequestRefused) as error:
            remedy = ""
            if isinstance(error, RequestRefused) and _code(error) == _NOT_FOUND:
                remedy = "; check also that the declaration was applied"
            raise KeyUnavailable(
                f"{self._alias} cannot {what} a data key now: {error}{remedy}"
            ) from None


def _code(refused: RequestRefused) -> object:
    """Return the error code of KMS."""
    return (refused.data or {}).get("code")


def _run_each(operation: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """Return the result of *operation* for each of *items*, several at a time.

    After a failure no further one begins, otherwise an outage would last for several deadlines.
    """
    if len(items) <= 1:
        return [operation(item) for item in items]
    failures: list[BaseException] = []

    def run(item: _T) -> _R:
        if failures:
            raise failures[0]
        try:
            return operation(item)
        except BaseException as error:
            failures.append(error)
            raise

    with ThreadPoolExecutor(min(_THREADS, len(items)), "strongroom-kms") as pool:
        return list(pool.map(run, items))
