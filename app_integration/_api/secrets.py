"""Public functions for secrets, which use the process's secret store, and their coroutines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from app_integration import default_client
from app_integration.secret import REQUIRED, Secret

if TYPE_CHECKING:
    from app_integration.secret_store.async_store import AsyncSecretStore
    from app_integration.secret_store.cache_entry import SecretInfo

_T = TypeVar("_T")
_Default = TypeVar("_Default")


@overload
def get_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    version: int | str | None = ...,
    field: str | None = ...,
) -> Secret: ...
@overload
def get_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    default: _Default,
    version: int | str | None = ...,
    field: str | None = ...,
) -> Secret | _Default: ...
@overload
def get_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    version: int | str | None = ...,
    field: str | None = ...,
    as_type: type[_T],
) -> _T: ...
@overload
def get_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    default: _Default,
    version: int | str | None = ...,
    field: str | None = ...,
    as_type: type[_T],
) -> _T | _Default: ...
def get_secret(
    name: str,
    *,
    force_refresh: bool = False,
    default: Any = REQUIRED,
    version: int | str | None = None,
    field: str | None = None,
    as_type: type[Any] | None = None,
) -> Any:
    """Return the secret *name* as a :class:`Secret`; it is cached for five minutes.

    Args:
        name: Lower-case letters, digits, ``-``, ``_`` and ``/``: ``"smtp-password"``.
        force_refresh: Return only the answer to a new request, never a cached value.
        default: Returned unchanged if the server holds no value under *name*. It is not used if the
            server is unavailable, nor if the name is denied. In development a denied name, which
            may only be undeclared, has its default, with a warning, if neither the environment nor
            ``.env`` has it.
        version: An older version, counted from 1; None for the current one. AWS has no numbers,
            but ids, of 32 characters and more, and labels, such as ``AWSPENDING``.
        field: A key of the entry other than ``value``, for entries that other tools write.
        as_type: Type to convert the text to: int, float, bool, or for JSON dict, list or a pydantic
            model. A bool is true, yes, on, 1 or false, no, off, 0.

    Raises:
        InvalidName: If *name* is outside the grammar. No request is sent.
        UndeclaredSecret: If ``STRONGROOM_DECLARATION`` is set and does not list *name*. No request
            is sent.
        ConfigurationError: If *version*, *field* or *as_type* is invalid.
        SecretNotFound: If there is no value, and no *default*.
        AccessDenied: If the name is denied or absent; the message has the policy rule to add.
        WrongType: If the value cannot be converted to *as_type*; the message does not contain it.
        ServerError: If the server is unavailable, and *force_refresh* is set or no cached value may
            be served.
        AuditFailed: If the access cannot be recorded, so that nothing was released.

    """
    client = default_client.current or default_client.get_default_client()
    store = client.built_secrets or client.secrets
    return store.get(
        name,
        force_refresh=force_refresh,
        default=default,
        version=version,
        field=field,
        as_type=as_type,
    )


@overload
async def aget_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    version: int | str | None = ...,
    field: str | None = ...,
) -> Secret: ...
@overload
async def aget_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    default: _Default,
    version: int | str | None = ...,
    field: str | None = ...,
) -> Secret | _Default: ...
@overload
async def aget_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    version: int | str | None = ...,
    field: str | None = ...,
    as_type: type[_T],
) -> _T: ...
@overload
async def aget_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    default: _Default,
    version: int | str | None = ...,
    field: str | None = ...,
    as_type: type[_T],
) -> _T | _Default: ...
async def aget_secret(name: str, **options: Any) -> Any:
    """Return the secret *name* without blocking the event loop.

    Tasks and threads that need the same name share one request; cancelling one of them does not
    cancel it for the others.

    Args:
        name: Lower-case letters, digits, ``-``, ``_`` and ``/``: ``"smtp-password"``.
        options: The keyword arguments of :func:`get_secret`.

    Raises:
        StrongroomError: One of the errors of :func:`get_secret`.

    """
    # A shortcut for the common call, because a coroutine more costs time on each call.
    secrets, key = _peek_async_secrets(), (name, None, None)
    if not options and secrets and (cached := secrets.store.get_cached(key)) is not None:
        return cached
    return await (await get_async_secrets()).get(name, **options)


def get_secret_info(name: str) -> SecretInfo | None:
    """Return source, version, age and staleness of a cached secret; None if it is not cached."""
    return default_client.get_default_client().secrets.get_info(name)


def require(names: Iterable[str]) -> None:
    """Check at start-up that all of *names* can be read, one after the other, and cache them.

    Raises:
        SecretsMissing: If some cannot be read. It lists each name without a value, and each one
            that is denied or absent (a client cannot distinguish them) with the policy rule to add.
        ServerError: If the server is unavailable.

    """
    default_client.get_default_client().secrets.require(names)


async def arequire(names: Iterable[str]) -> None:
    """Check that all of *names* can be read, and cache them, without blocking the event loop.

    Raises:
        SecretsMissing: If some cannot be read. See :func:`require`.
        ServerError: If the server is unavailable.

    """
    await (await get_async_secrets()).require(names)


def _peek_async_secrets() -> AsyncSecretStore | None:
    client = default_client.current
    return None if client is None else client.peek_async_secrets()


async def get_async_secrets() -> AsyncSecretStore:
    """Return the async store; build it in a thread, because that reads files."""
    if (secrets := _peek_async_secrets()) is not None:
        return secrets
    import asyncio  # noqa: PLC0415 (a coroutine has imported it already, other callers need not)

    return await asyncio.to_thread(lambda: default_client.get_default_client().async_secrets)
