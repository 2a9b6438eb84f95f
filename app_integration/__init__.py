"""Secrets, leased database users, field encryption and delivered config for a Python service.

>>> from app_integration import get_secret, encrypt_field, decrypt_field
>>> get_secret("jwt-secret")                          # doctest: +SKIP
[REDACTED]
>>> token = encrypt_field("a@b.c", context={"user_id": 7})   # doctest: +SKIP
>>> decrypt_field(token, context={"user_id": 7})      # doctest: +SKIP
'a@b.c'

Where the process finds its server and identity: ``docs/Env.md``. What can go wrong:
:mod:`app_integration.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from app_integration import errors, redaction, wiring
from app_integration.access import (
    acurrent_and_previous,
    aget_secret,
    arequire,
    current_and_previous,
    get_secret,
    get_secret_info,
    on_change,
    require,
)
from app_integration.secret import Secret

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from app_integration.config_watch import WatchedConfig
    from app_integration.database import AsyncLeasedPool, LeasedPool
    from app_integration.encryption.blind_index import BlindIndex
    from app_integration.encryption.bound_field import BoundField
    from app_integration.encryption.data_keys import DataKeyStore
    from app_integration.encryption.index_keys import IndexKeyStore
    from app_integration.encryption.transit import Transit

__all__ = [
    "Secret",
    "acurrent_and_previous",
    "adecrypt_field",
    "aencrypt_field",
    "aget_secret",
    "arequire",
    "async_database_engine",
    "async_database_pool",
    "blind_index",
    "close",
    "current_and_previous",
    "database_engine",
    "database_pool",
    "declare_index",
    "decrypt_field",
    "encrypt_field",
    "errors",
    "field",
    "get_secret",
    "get_secret_info",
    "load_config",
    "on_change",
    "redaction",
    "require",
    "transit",
    "use_data_keys",
    "use_index_keys",
    "watch_config",
]

_Model = TypeVar("_Model")


def encrypt_field(value: Any, *, context: Mapping[str, Any] | None = None, key: str = "pii") -> Any:
    """*value* as a token: text, which carries its wrapped data key; bytes after use_data_keys.

    Args:
        value: str, bytes, int, bool, Decimal, date, datetime, UUID, dict or list; None stays None.
        context: what the token is bound to, such as the row's key; decryption needs the same.
        key: the service's Transit key.

    Raises:
        EncryptionError: a value or context of another type, or no data key can be had.
    """
    return wiring.current().cipher(key).encrypt_field(value, context)


def decrypt_field(
    token: str | bytes | None, *, context: Mapping[str, Any] | None = None, key: str = "pii"
) -> Any:
    """The value in *token*, with its own type.

    Raises:
        DecryptionFailed: the token isn't authentic for this key and *context*.
        KeyUnavailable: its data key can't be unwrapped now.
    """
    return wiring.current().cipher(key).decrypt_field(token, context)


async def aencrypt_field(
    value: Any, *, context: Mapping[str, Any] | None = None, key: str = "pii"
) -> Any:
    """As :func:`encrypt_field`, for asyncio: what needs a request waits in a thread."""
    return await wiring.current().cipher(key).aencrypt_field(value, context)


async def adecrypt_field(
    token: str | bytes | None, *, context: Mapping[str, Any] | None = None, key: str = "pii"
) -> Any:
    """As :func:`decrypt_field`, for asyncio: what needs a request waits in a thread."""
    return await wiring.current().cipher(key).adecrypt_field(token, context)


def field(
    field_id: str, context: Sequence[str] = (), kind: type = str, *, key: str = "pii"
) -> BoundField:
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
    return wiring.current().cipher(key).field(field_id, context, kind)


def use_data_keys(store: DataKeyStore | None) -> None:
    """Write keyring tokens of 33 bytes beside the value, and keep wrapped data keys in *store*.

    Call it before the first token is written: ``use_data_keys(TableDataKeys(engine))``. Tokens of
    either kind are read with and without.

    Args:
        store: a ``TableDataKeys``, a ``FileDataKeys``, or another ``DataKeyStore``.
    """
    wiring.current().use_data_keys(store)


def use_index_keys(store: IndexKeyStore) -> None:
    """Keep the wrapped keys of blind indexes in *store*.

    >>> use_index_keys(TableIndexKeys(engine))                    # doctest: +SKIP

    Args:
        store: a ``TableIndexKeys``, or another ``IndexKeyStore``.
    """
    wiring.current().use_index_keys(store)


def declare_index(name: str, **options: Any) -> BlindIndex:
    """Declare the blind index *name*, once, at start-up.

    >>> declare_index("users.email", rows=1_000_000, normalise="email")       # doctest: +SKIP

    Args:
        name: a stable id, such as ``users.email``.
        options: as ``BlindIndexes.index`` has them: *rows*, *distinct*, *normalise*, *low_entropy*.
    """
    return wiring.current().indexes.index(name, **options)


def blind_index(name: str, *values: Any) -> bytes | None:
    """What to store beside *values*, so that they are found by equality; None for a None.

    Args:
        name: of an index that was declared.
        values: one for each value that the index is over.

    Raises:
        ConfigurationError: no such index was declared.
        KeyUnavailable: its key isn't held and can't be had now.
    """
    return wiring.current().indexes[name].value(*values)


def transit(key: str = "pii") -> Transit:
    """Encrypt, decrypt and rewrap at the server, for callers that must never hold a data key."""
    return wiring.current().transit(key)


def database_engine(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: Path | None = None,
    **options: Any,
) -> Engine:
    """A SQLAlchemy engine whose connections use leased users.

    At most one of *role*, *secret* and *credentials* says whose connections they are.

    Args:
        role: a named database role of the service, which leases users for this process; None for
            its default one.
        url: driver, host and database, without credentials. By default those of *secret*, or else
            of the secret ``database-url``.
        secret: name of a secret that is a URL: connect as the user in it, and follow its password.
        credentials: a file with ``username`` and ``password`` that the agent delivers: connect as
            that user, whose lease is the agent's.
        options: passed to ``sqlalchemy.create_engine``.

    Raises:
        ConfigurationError: more than one of them is given; nothing was sent.
        AccessDenied: the secret isn't granted, or is absent. A role that isn't granted is told at
            the first connection.
    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    engine: Engine = wiring.current().database("engine", url, options, **user)
    return engine


def async_database_engine(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: Path | None = None,
    **options: Any,
) -> AsyncEngine:
    """As :func:`database_engine`, for asyncio: the server is asked without holding up the loop.

    *options* go to ``create_async_engine``. Dispose of it in the loop that it was used in.
    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    engine: AsyncEngine = wiring.current().database("async engine", url, options, **user)
    return engine


def database_pool(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: Path | None = None,
    **options: Any,
) -> LeasedPool:
    """As :func:`database_engine`, a ``psycopg_pool.ConnectionPool``; it is opened.

    *options* go to ``ConnectionPool``. A child of a fork makes one of its own.
    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    pool: LeasedPool = wiring.current().database("pool", url, options, **user)
    return pool


def async_database_pool(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: Path | None = None,
    **options: Any,
) -> AsyncLeasedPool:
    """As :func:`database_pool`, for asyncio; open it by ``async with`` or ``await pool.open()``."""
    user = {"role": role, "secret": secret, "credentials": credentials}
    pool: AsyncLeasedPool = wiring.current().database("async pool", url, options, **user)
    return pool


def load_config(model: type[_Model], path: Path | None = None) -> _Model:
    """The delivered config file, validated by the pydantic *model*.

    Args:
        model: a pydantic model class.
        path: the file; by default the one that ``STRONGROOM_CONFIG`` names.

    Raises:
        ConfigRejected: missing, half-written, wrong mode or owner, or not valid.
    """
    load: Any = wiring.load("app_integration.config:load_config")
    loaded: _Model = load(model, path)
    return loaded


def watch_config(
    model: type[_Model],
    path: Path | None = None,
    on_change: Callable[[frozenset[str]], None] | None = None,
) -> WatchedConfig[Any]:
    """The delivered config, followed from now on; ``current()`` gives what is in effect.

    Args:
        model: a pydantic model class.
        path: the file; by default the one that ``STRONGROOM_CONFIG`` names.
        on_change: called with the dotted names of the fields that changed.

    Raises:
        ConfigRejected: as :func:`load_config`. A bad file that comes later changes nothing.
    """
    watch: Any = wiring.load("app_integration.config_watch:watch_config")
    watched: WatchedConfig[Any] = watch(model, path, on_change)
    return watched


def close() -> None:
    """Give back leases and token, and close connections. Safe to call more than once."""
    wiring.close()
