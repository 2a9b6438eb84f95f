"""Result backend of Celery whose connections use leased Redis users."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from celery.backends import base, redis

from app_integration.database.redis_pool import LeasedRedisPool
from app_integration.errors import OUTAGE
from app_integration.integrations.celery.source import RedisSource

#: Seconds to wait for the confirmation of a subscription.
_CONFIRMATION: Final = 1.0


def leased_backend(source: RedisSource) -> type[redis.RedisBackend]:
    """Return the class of backend for the setting ``result_backend``."""
    return type("LeasedBackend", (_LeasedBackend,), {"source": source})


class _LeasedResultConsumer(redis.ResultConsumer):  # type: ignore[misc] # Celery has no types
    """Subscription to results that misses none when its connection is replaced or fails."""

    _login: object = None  # the last one whose states were read

    def drain_events(self, timeout: float | None = None) -> None:
        """Wait for a result; first subscribe as the current user."""
        with self._locked():
            self._renew_subscription()
        super().drain_events(timeout)

    def _flush_pending_unsubscribe(self) -> None:
        """Unsubscribe from what is no longer awaited, if connected as the current user.

        Else :meth:`drain_events` or the next subscription does so, on another connection. An
        application that is about to exit, and has closed the SDK, leases no user for that.
        """
        connection = self._pubsub and self._pubsub.connection
        if not self._pubsub or (connection and connection.login and not connection.is_outdated()):
            super()._flush_pending_unsubscribe()

    def _renew_subscription(self) -> None:
        """Subscribe to all awaited results as the current user; read those published before that.

        An attempt that fails, as during an outage of the secrets server, leaves its results in
        ``subscribed_to``, so that Celery would never subscribe to them. redis-py replaces the
        connection of a replaced user too, when it subscribes to another result.
        """
        awaited = self.subscribed_to - self._pending_unsubscribe
        if not awaited:
            return
        with self.reconnect_on_error():
            if self._pubsub is None:  # Celery's own attempt to replace it has failed
                self._reconnect_pubsub()
            if missing := awaited - set(map(self._pubsub.encoder.encode, self._pubsub.channels)):
                self._pubsub.subscribe(*missing)
            connection = self._pubsub.connection
            connection.connect()  # does nothing if it is open and its user is current
            if connection.login is not self._login:
                self._read_states(connection)

    def _read_states(self, connection: Any) -> None:
        """Read the states of all awaited tasks, once the server has the subscription."""
        connection.can_read(timeout=_CONFIRMATION)
        self._login = connection.login
        for meta in filter(None, self.backend.mget(self.subscribed_to)):
            self.on_state_change(self._decode_result(meta), None)


class _LeasedBackend(redis.RedisBackend):  # type: ignore[misc] # as above
    """Backend whose pool leases users."""

    source: ClassVar[RedisSource]
    ResultConsumer = _LeasedResultConsumer
    connection_errors: tuple[type[Exception], ...]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: The secrets server is needed to connect, so its outage is one of the backend.
        self.connection_errors = (*self.connection_errors, *OUTAGE)

    def get(self, key: str) -> Any:
        """Return the value of *key*; repeat that if the connection breaks, as :meth:`set` does.

        A worker reads a result before it stores another, and a task fails if either does.
        """
        return self.ensure(super().get, (key,))

    def mget(self, keys: Iterable[str]) -> Any:
        """Return the values of *keys*. See :meth:`get`."""
        return self.ensure(super().mget, (keys,))

    def as_uri(self, include_password: bool = False) -> str:  # noqa: ARG002 (Celery's signature)
        """Return what logs and the worker's banner show."""
        return self.source.title

    def __reduce__(self, args: Any = (), kwargs: Any = None) -> tuple[Any, ...]:
        """Return what rebuilds the backend: its class, which has no name, from its source."""
        _, (_, arguments, options) = super().__reduce__(args, kwargs)
        return _rebuild_backend, (self.source, arguments, options)

    def _get_pool(self, **options: Any) -> LeasedRedisPool:
        return self.source.build_pool(options)


def _rebuild_backend(source: RedisSource, arguments: Any, options: Any) -> redis.RedisBackend:
    return base.unpickle_backend(leased_backend(source), arguments, options)
