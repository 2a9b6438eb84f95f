"""The front door to encryption: functions over the process's ciphers and blind indexes."""

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
    """*value* as a token: text, which carries its wrapped data key; bytes after use_data_keys.

    Args:
        value: str, bytes, int, bool, Decimal, date, datetime, UUID, dict or list; None stays None.
        context: what the token is bound to, such as the row's key; decryption needs the same.
        key: the service's Transit key.

    Raises:
        EncryptionError: a value or context of another type, or no data key can be had.

    """
    return default_client.get_default_client().cipher(key).encrypt_field(value, context)


def decrypt_field(
    token: str | bytes | None, *, context: Mapping[str, Any] | None = None, key: str = "pii"
) -> Any:
    """The value in *token*, with its own type.

    Raises:
        DecryptionFailed: the token isn't authentic for this key and *context*.
        KeyUnavailable: its data key can't be unwrapped now.

    """
    return default_client.get_default_client().cipher(key).decrypt_field(token, context)


async def aencrypt_field(
    value: Any, *, context: Mapping[str, Any] | None = None, key: str = "pii"
) -> Any:
    """As :func:`encrypt_field`, for asyncio: what needs a request waits in a thread."""
    return await (await _cipher(key)).aencrypt_field(value, context)


async def adecrypt_field(
    token: str | bytes | None, *, context: Mapping[str, Any] | None = None, key: str = "pii"
) -> Any:
    """As :func:`decrypt_field`, for asyncio: what needs a request waits in a thread."""
    return await (await _cipher(key)).adecrypt_field(token, context)


def field(
    field_id: str, context: Sequence[str] = (), kind: type = str, *, key: str = "pii"
) -> DeclaredField:
    """The declared field *field_id*: encrypts and decrypts many values of one column quickly.

    >>> email = field("users.email", context=["user_id"])         # doctest: +SKIP
    >>> email.decrypt(email.encrypt("ada@example.com", 7), 7)     # doctest: +SKIP
    'ada@example.com'

    Args:
        field_id: bound to each token; keep it when a table or column is renamed.
        context: names of what else a token is bound to; their values come with each call.
        kind: the type of every value.
        key: the service's Transit key.

    """
    return default_client.get_default_client().cipher(key).field(field_id, context, kind)


def use_data_keys(store: DataKeyStore | None) -> None:
    """Write keyring tokens of 33 bytes beside the value, and keep wrapped data keys in *store*.

    Call it before the first token is written: ``use_data_keys(TableDataKeys(engine))``. Tokens of
    either kind are read with and without.

    Args:
        store: a ``TableDataKeys``, a ``FileDataKeys``, or another ``DataKeyStore``.

    """
    default_client.get_default_client().use_data_keys(store)


def use_index_keys(store: IndexKeyStore) -> None:
    """Keep the wrapped keys of blind indexes in *store*.

    >>> use_index_keys(TableIndexKeys(engine))                    # doctest: +SKIP

    Args:
        store: a ``TableIndexKeys``, or another ``IndexKeyStore``.

    """
    default_client.get_default_client().use_index_keys(store)


def declare_index(name: str, **options: Any) -> BlindIndex:
    """Declare the blind index *name*, once, at start-up.

    >>> declare_index("users.email", rows=1_000_000, normalise="email")       # doctest: +SKIP

    Args:
        name: a stable id, such as ``users.email``.
        options: as ``BlindIndexes.index`` has them: *rows*, *distinct*, *normalise*, *low_entropy*.

    """
    return default_client.get_default_client().indexes.index(name, **options)


def blind_index(name: str, *values: Any) -> bytes | None:
    """What to store beside *values*, so that they are found by equality; None for a None.

    Args:
        name: of an index that was declared.
        values: one for each value that the index is over.

    Raises:
        ConfigurationError: no such index was declared.
        KeyUnavailable: its key isn't held and can't be had now.

    """
    return default_client.get_default_client().indexes[name].value(*values)


def transit(key: str = "pii") -> Transit:
    """Encrypt, decrypt and rewrap at the server, for callers that must never hold a data key."""
    return default_client.get_default_client().transit(key)


async def _cipher(key: str) -> FieldCipher:
    """That of *key*; the first one in a thread, as it may ask for the address of a database."""
    client = default_client.peek_default_client()
    made = None if client is None else client.cipher_if_made(key)
    if made is not None:
        return made
    import asyncio  # noqa: PLC0415 (only those who have it loaded come here)

    return await asyncio.to_thread(lambda: default_client.get_default_client().cipher(key))
