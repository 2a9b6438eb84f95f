"""Secret store for asyncio. A fetch runs in a thread, so that it does not block the event loop.

A cached value is served in the event loop itself, with its access record, one short write.
Cancelling a task does not cancel a request, because other tasks and threads may share it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from app_integration._internal import fork_safety
from app_integration.errors import StrongroomError
from app_integration.secret import REQUIRED, Secret
from app_integration.secret_store.fetcher import WAIT_FACTOR, no_thread_error
from app_integration.secret_store.store import SecretStore

_T = TypeVar("_T")


class AsyncSecretStore:
    """Coroutines for the methods of :class:`SecretStore` that may send a request.

    They return and raise the same as those methods.
    """

    def __init__(self, store: SecretStore) -> None:
        self.store = store
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Drop the thread pool, because threads do not survive a fork."""
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Start no further fetches. Running ones finish by their deadline."""
        if self._threads is not None:
            # Queued fetches still run, because a thread that joined one would otherwise wait until
            # its own time limit.
            self._threads.shutdown(wait=False)

    async def get(
        self,
        name: str,
        *,
        force_refresh: bool = False,
        default: Any = REQUIRED,
        version: int | str | None = None,
        field: str | None = None,
        as_type: type[Any] | None = None,
    ) -> Any:
        """Return the secret *name*, or *default* without a value. See the public function."""
        store = self.store
        store.check(name, version, field)
        key = (name, version, field)
        try:
            result = None if force_refresh else store.fetcher.find(key)
            if result is None:
                future = store.fetcher.fetch_future(key, force=force_refresh, spawn=self._spawn)
                result = await self._wait_for(future)
        except StrongroomError as error:
            return store.access_recorder.default_or_raise(key, error, default)
        return store.access_recorder.release(key, result, as_type)

    async def require(self, wanted: Iterable[str]) -> None:
        """Check that all secrets in *wanted* can be read. See :meth:`SecretStore.require`."""
        await asyncio.to_thread(self.store.require, wanted)

    async def current_and_previous(
        self, name: str, *, grace: float | None = None
    ) -> tuple[Secret, Secret | None]:
        """Return what :meth:`SecretStore.current_and_previous` returns."""
        return await asyncio.to_thread(self.store.current_and_previous, name, grace=grace)

    async def verification_keys(
        self, name: str, *, grace: float | None = None
    ) -> tuple[Secret, ...]:
        """Return what :meth:`SecretStore.verification_keys` returns."""
        return await asyncio.to_thread(self.store.verification_keys, name, grace=grace)

    # The pool runs fetches only. If a thread of the pool waited for a fetch, it could occupy the
    # thread that the fetch needs.
    def _spawn(self, run: Callable[[], None]) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(
                self.store.limits.fetch_threads, thread_name_prefix="strongroom-fetch"
            )
        # In the caller's context, which has the current trace.
        self._threads.submit(copy_context().run, run)

    async def _wait_for(self, future: Future[_T]) -> _T:
        """Return the result of *future*, which other tasks may share.

        The future is shielded, so that cancelling one task does not cancel it for the others.
        """
        limits = self.store.limits
        try:
            async with asyncio.timeout(limits.deadline * WAIT_FACTOR):
                return await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError:
            raise no_thread_error(limits) from None
