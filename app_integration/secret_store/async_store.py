"""The store for asyncio: what must be fetched is fetched in a thread, and the loop goes on.

What is cached is served in the loop itself, its record included: that is one short write. Tasks and
threads that miss the same name share one request. A task that is cancelled leaves the request to
those who still wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from app_integration._internal import fork_safety
from app_integration.errors import StrongroomError
from app_integration.secret import REQUIRED, Secret
from app_integration.secret_store.fetcher import PATIENCE, no_thread
from app_integration.secret_store.store import SecretStore

_T = TypeVar("_T")


class AsyncSecretStore:
    """The methods of :class:`SecretStore` that may wait, as coroutines; they raise as it does."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """No threads yet: in a forked child the parent's are gone."""
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Begin nothing more; what is under way ends by its deadline."""
        if self._threads is not None:
            # What waits for a thread is let run: a thread that joined it would wait for ever.
            self._threads.shutdown(wait=False)

    async def get(
        self,
        name: str,
        *,
        force_refresh: bool = False,
        default: Any = REQUIRED,
        version: int | None = None,
        field: str | None = None,
        as_type: type[Any] | None = None,
    ) -> Any:
        """As :meth:`SecretStore.get`."""
        store = self._store
        key = name if version is None and field is None else (name, version, field)
        store.check(key)
        try:
            entry, outcome = None if force_refresh else store.fetcher.ready(key), "hit"
            if entry is None:
                flight = store.fetcher.board(key, force=force_refresh, spawn=self._spawn)
                entry, outcome = (await self._landed(flight)).entry, "miss"
        except StrongroomError as error:
            return store.without(key, error, default)
        return store.release(key, entry, store.outcome(entry, outcome), as_type)

    async def require(self, wanted: Iterable[str]) -> None:
        """As :meth:`SecretStore.require`."""
        await asyncio.to_thread(self._store.require, wanted)

    async def current_and_previous(
        self, name: str, *, grace: float | None = None
    ) -> tuple[Secret, Secret | None]:
        """As :meth:`SecretStore.current_and_previous`."""
        return await asyncio.to_thread(self._store.current_and_previous, name, grace=grace)

    # Of flights alone: whoever waits for one in a thread of this pool could keep it from its turn.
    def _spawn(self, fly: Callable[[], None]) -> None:
        self._pool().submit(fly)

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(
                self._store.limits.fetch_threads, thread_name_prefix="strongroom-fetch"
            )
        return self._threads

    async def _landed(self, flight: Future[_T]) -> _T:
        """What *flight* gives. Shielded: the cancelling of one task must not reach the others."""
        limits = self._store.limits
        try:
            async with asyncio.timeout(limits.deadline * PATIENCE):
                return await asyncio.shield(asyncio.wrap_future(flight))
        except TimeoutError:
            raise no_thread(limits) from None
