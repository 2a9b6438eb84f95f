"""Public functions for encryption, which use the process's ciphers and blind indexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app_integration import default_client

if TYPE_CHECKING:
    from app_integration.encryption.blind_index.index import BlindIndex
    from app_integration.encryption.blind_index.stores import IndexKeyStore
    from app_integration.encryption.cipher import FieldCipher
    from app_integration.encryption.declared_field import DeclaredField
    from app_integration.encryption.keys.stores import DataKeyStore
    from app_integration.encryption.transit import Transit


def encrypt_field(value: Any, *, context: Mapping[str, Any] | None = None, key: str = "pii") -> Any:
    """Return *value* as an encrypted token.

    It is text that contains its wrapped data key, or bytes after :func:`use_data_keys`.

    Args:
        value: A str, bytes, int, bool, Decimal, date, datetime, UUID, dict or list. None stays
            None.
        context: Values that the token is bound to, such as the row's key. Decryption needs the
            same.
        key: The service's Transit key.

    Raises:
        EncryptionError: If *value* or *context* has another type, or no data key is available.

    """
    client = default_client.current  # in line here and below: two calls are 5 % of the time
    cipher = None if client is None else client.ciphers.get(key)
    if cipher is None:
        cipher = default_client.get_default_client().cipher(key)
    return cipher.encrypt_field(value, context)


def decrypt_field(
    token: str | bytes | None, *, context: Mapping[str, Any] | None = None, key: str = "pii"
) -> Any:
    """Return the value of *token*, with its original type; None for None.

    Args:
        token: An encrypted token.
        context: The values that it was encrypted with.
        key: The service's Transit key.

    Raises:
        DecryptionFailed: If the token is not authentic for this key and *context*.
        KeyUnavailable: If its data key cannot be unwrapped now.

    """
    client = default_client.current
    cipher = None if client is None else client.ciphers.get(key)
    if cipher is None:
        cipher = default_client.get_default_client().cipher(key)
    return cipher.decrypt_field(token, context)


async def aencrypt_field(
    value: Any, *, context: Mapping[str, Any] | None = None, key: str = "pii"
) -> Any:
    """Return *value* as an encrypted token, without blocking the event loop.

    If a request is needed, it runs in a thread. See :func:`encrypt_field` for the arguments and
    the errors.
    """
    return await (await _get_cipher(key)).aencrypt_field(value, context)


async def adecrypt_field(
    token: str | bytes | None, *, context: Mapping[str, Any] | None = None, key: str = "pii"
) -> Any:
    """Return the value of *token*, without blocking the event loop.

    If a request is needed, it runs in a thread. See :func:`decrypt_field` for the arguments and
    the errors.
    """
    return await (await _get_cipher(key)).adecrypt_field(token, context)


def field(
    field_id: str, context: Sequence[str] = (), kind: type = str, *, key: str = "pii"
) -> DeclaredField:
    """Return the declared field *field_id*, which encrypts and decrypts the values of one column.

    It is faster than :func:`encrypt_field` for many values.

    >>> email = field("users.email", context=["user_id"])         # doctest: +SKIP
    >>> email.decrypt(email.encrypt("ada@example.com", 7), 7)     # doctest: +SKIP
    'ada@example.com'

    Args:
        field_id: Id that is bound to each token; keep it when a table or column is renamed.
        context: Names of the other values that a token is bound to. Each call passes these values.
        kind: The type of every value.
        key: The service's Transit key.

    """
    return default_client.get_default_client().cipher(key).field(field_id, context, kind)


def use_data_keys(store: DataKeyStore | None) -> None:
    """Keep wrapped data keys in *store*, so that new tokens are keyring tokens.

    A keyring token is 33 bytes longer than its value, and can be decrypted only with the store.
    Self-contained tokens, which contain their wrapped data key, can be decrypted in any case. Call
    this before the first token is written: ``use_data_keys(TableDataKeys(engine))``.

    Args:
        store: A ``TableDataKeys``, a ``FileDataKeys``, or another ``DataKeyStore``; None to write
            self-contained tokens again, unless the settings name a store.

    Raises:
        ConfigurationError: If *store* is no such store, but an engine or a path, say.

    """
    default_client.get_default_client().use_data_keys(store)


def use_index_keys(store: IndexKeyStore) -> None:
    """Keep the wrapped keys of blind indexes in *store*.

    >>> use_index_keys(TableIndexKeys(engine))                    # doctest: +SKIP

    Args:
        store: A ``TableIndexKeys``, or another ``IndexKeyStore``.

    Raises:
        ConfigurationError: If *store* is no such store, but an engine, say.

    """
    default_client.get_default_client().use_index_keys(store)


def declare_index(name: str, **options: Any) -> BlindIndex:
    """Declare the blind index *name*. Call it once, at start-up.

    >>> declare_index("users.email", rows=1_000_000, normalise="email")       # doctest: +SKIP

    Args:
        name: A stable id, such as ``users.email``.
        options: Passed to ``BlindIndexes.index``: *rows*, *distinct*, *normalise*, *low_entropy*.

    """
    return default_client.get_default_client().indexes.index(name, **options)


def blind_index(name: str, *values: Any) -> bytes | None:
    """Return the bytes to store beside *values*, so that a query can find rows with equal ones.

    Args:
        name: Name of an index that was declared.
        values: One for each value that the index covers.

    Returns:
        The index value; None if one of *values* is None.

    Raises:
        ConfigurationError: If no such index was declared.
        KeyUnavailable: If its key is not cached and cannot be unwrapped now.

    """
    return default_client.get_default_client().indexes[name].value(*values)


def transit(key: str = "pii") -> Transit:
    """Return a client of the Transit engine, for callers that must never hold a data key.

    It encrypts, decrypts and rewraps at the server.

    Args:
        key: The service's Transit key.

    """
    return default_client.get_default_client().key_services.open_transit(key)


async def _get_cipher(key: str) -> FieldCipher:
    """Return the cipher of *key*; build it in a thread, because that may send a request."""
    client = default_client.peek_default_client()
    cipher = None if client is None else client.ciphers.get(key)
    if cipher is not None:
        return cipher
    import asyncio  # noqa: PLC0415 (a coroutine has imported it already, other callers need not)

    return await asyncio.to_thread(lambda: default_client.get_default_client().cipher(key))
