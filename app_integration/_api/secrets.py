"""The front door to secrets: functions over the process's one store, and their coroutines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from app_integration import default_client
from app_integration.secret import REQUIRED, Secret

if TYPE_CHECKING:
    from app_integration.secret_store.async_store import AsyncSecretStore
    from app_integration.secret_store.cache_entry import SecretInfo
    from app_integration.secret_store.watchers import Callback, Watch

_T = TypeVar("_T")
_Default = TypeVar("_Default")


@overload
def get_secret(
    name: str, *, force_refresh: bool = ..., version: int | None = ..., field: str | None = ...
) -> Secret: ...
@overload
def get_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    default: _Default,
    version: int | None = ...,
    field: str | None = ...,
) -> Secret | _Default: ...
@overload
def get_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    version: int | None = ...,
    field: str | None = ...,
    as_type: type[_T],
) -> _T: ...
@overload
def get_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    default: _Default,
    version: int | None = ...,
    field: str | None = ...,
    as_type: type[_T],
) -> _T | _Default: ...
def get_secret(
    name: str,
    *,
    force_refresh: bool = False,
    default: Any = REQUIRED,
    version: int | None = None,
    field: str | None = None,
    as_type: type[Any] | None = None,
) -> Any:
    """The secret *name*, as a :class:`Secret`; cached for five minutes.

    Args:
        name: lower-case letters, digits, ``-``, ``_`` and ``/``: ``"smtp-password"``.
        force_refresh: ask the server even though a cached value is fresh.
        default: returned as it is when no value is held under *name*. It doesn't answer for a
            denied name or for a server that is away.
        version: a version of the past, counted from 1; the current one when None.
        field: a key of the entry other than ``value``, for entries that others write.
        as_type: int, float, bool, or for JSON dict, list or a pydantic model: what the text is
            turned into. A switch is true, yes, on, 1 or false, no, off, 0.

    Raises:
        InvalidName: before any request.
        UndeclaredSecret: likewise, when ``STRONGROOM_DECLARATION`` is given and doesn't list it.
        SecretNotFound: no value, and no *default*.
        AccessDenied: denied or absent; the message gives the policy rule to add.
        WrongType: the value isn't of *as_type*; the message doesn't hold it.
        ServerError: the server is away and no value is held that may still be served.
        AuditFailed: the access couldn't be recorded, so nothing was released.

    """
    store = default_client.get_default_client().secrets
    # The common call, which a hundred others wait behind, is spared the passing of every option.
    if not force_refresh and version is None and field is None and as_type is None:
        held = store.get_cached(name)
        if held is not None:
            return held
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
    name: str, *, force_refresh: bool = ..., version: int | None = ..., field: str | None = ...
) -> Secret: ...
@overload
async def aget_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    default: _Default,
    version: int | None = ...,
    field: str | None = ...,
) -> Secret | _Default: ...
@overload
async def aget_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    version: int | None = ...,
    field: str | None = ...,
    as_type: type[_T],
) -> _T: ...
@overload
async def aget_secret(
    name: str,
    *,
    force_refresh: bool = ...,
    default: _Default,
    version: int | None = ...,
    field: str | None = ...,
    as_type: type[_T],
) -> _T | _Default: ...
async def aget_secret(name: str, **options: Any) -> Any:
    """As :func:`get_secret`, for coroutines: the loop goes on while a server is asked.

    Tasks and threads that miss the same name share one request; cancelling one leaves it to the
    others.
    """
    return await (await _async_secrets()).get(name, **options)


def get_secret_info(name: str) -> SecretInfo | None:
    """Source, version, age and staleness of a cached secret; None when it isn't cached."""
    return default_client.get_default_client().secrets.info(name)


def require(names: Iterable[str]) -> None:
    """See at start-up that all of *names* can be had, one after the other; they are cached then.

    Raises:
        SecretsMissing: some can't: it lists each that has no value, and each that is denied or
            absent (a client can't tell the two apart) with the policy rule to add.
        ServerError: the server can't be asked.

    """
    default_client.get_default_client().secrets.require(names)


async def arequire(names: Iterable[str]) -> None:
    """As :func:`require`, for coroutines."""
    await (await _async_secrets()).require(names)


def current_and_previous(name: str, *, grace: float | None = None) -> tuple[Secret, Secret | None]:
    """The value of *name*, and that of the version before it: to accept what was made under that.

    Args:
        name: as for :func:`get_secret`.
        grace: seconds since the current version was written after which the previous counts no
            more; None: it always counts.

    Returns:
        The current value and the previous one. The latter is None when there is none, when it was
        deleted or destroyed, past *grace*, or while the server can't be asked for it.

    Raises:
        StrongroomError: as :func:`get_secret`, for the current value.

    """
    return default_client.get_default_client().secrets.current_and_previous(name, grace=grace)


async def acurrent_and_previous(
    name: str, *, grace: float | None = None
) -> tuple[Secret, Secret | None]:
    """As :func:`current_and_previous`, for coroutines."""
    return await (await _async_secrets()).current_and_previous(name, grace=grace)


def on_change(name: str, callback: Callback) -> Watch:
    """Call *callback* with each new value of *name*, until the result's ``cancel()``.

    It is called in a background thread, each call recorded first; what it raises is logged without
    the value. A change is noticed within five minutes, or when anybody forces a refresh. What is
    cached now counts as known, else the first value that arrives.

    Raises:
        InvalidName: nothing is watched.

    """
    return default_client.get_default_client().secrets.on_change(name, callback)


async def _async_secrets() -> AsyncSecretStore:
    """The process's; the first one in a thread, as that reads files and loads modules."""
    client = default_client.peek_default_client()
    made = None if client is None else client.async_secrets_if_made
    if made is not None:
        return made
    import asyncio  # noqa: PLC0415 (only those who have it loaded come here)

    return await asyncio.to_thread(lambda: default_client.get_default_client().async_secrets)
