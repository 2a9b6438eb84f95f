"""Transport of kombu whose connections use leased Redis users.

It is kombu's own, with other pools. A worker waits for messages on one connection that it never
returns to a pool: ``BRPOP`` with a timeout of a second, again and again. That connection is
replaced between two of them, because a message that the server has sent would be lost with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from kombu.transport import redis
from kombu.utils.functional import retry_over_time

from app_integration.errors import OUTAGE
from app_integration.integrations.celery.source import RedisSource

#: Attempts to record a received message, and the seconds before the second, which double up to the
#: maximum: 15 s in all.
_ATTEMPTS: Final = 10
_FIRST_INTERVAL: Final = 0.1
_INTERVAL_STEP: Final = 0.4
_MAX_INTERVAL: Final = 2.0


def leased_transport(source: RedisSource) -> type[redis.Transport]:
    """Return the class of transport for the setting ``broker_transport``."""
    channel = type("LeasedChannel", (_LeasedChannel,), {"source": source})
    own = {"Channel": channel, "source": source}
    return type("LeasedTransport", (_LeasedTransport,), own)


class _LeasedQoS(redis.QoS):  # type: ignore[misc] # kombu has no types
    """Record of the messages that the worker has received and not acknowledged."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Record *message*; try again if the connection breaks.

        The server has removed it from its queue, so nothing else would deliver it again. The two
        commands may be repeated, because they set values.
        """
        retry_over_time(
            super().append,
            self.channel.connection_errors,
            (message, delivery_tag),
            max_retries=_ATTEMPTS,
            interval_start=_FIRST_INTERVAL,
            interval_step=_INTERVAL_STEP,
            interval_max=_MAX_INTERVAL,
        )


class _LeasedChannel(redis.Channel):  # type: ignore[misc] # as above
    """Channel whose pools lease users."""

    source: ClassVar[RedisSource]
    QoS = _LeasedQoS
    keyprefix_fanout: str
    _options: Mapping[str, Any] | None = None

    def close_outdated(self) -> None:
        """Close the connections to wait on whose user was replaced, unless a reply is due.

        The poller opens them again as the current user.
        """
        # Only what exists: an attribute of the class would connect.
        client, subscriber = (self.__dict__.get(name) for name in ("client", "subclient"))
        if not self._in_poll:
            _disconnect_outdated(client)
        _disconnect_outdated(subscriber)

    def _get_pool(self, asynchronous: bool = False) -> Any:
        # Kept, because a worker that has lost its connection uses the channel once more, when kombu
        # no longer knows the options: to return messages to their queue.
        if self._options is None:
            self._options = self._connparams()
        pool = self.source.build_pool(self._options)
        if asynchronous:
            pool.connection_class = _reporting_class(pool.connection_class, self)
        database = pool.connection_kwargs.get("db", 0)
        self.keyprefix_fanout = self.keyprefix_fanout.format(db=database)
        return pool


class _LeasedPoller(redis.MultiChannelPoller):  # type: ignore[misc] # as above
    """Poller that replaces the connections that it waits on."""

    def on_poll_start(self) -> None:
        """Send what is to be waited for, on connections of the current user."""
        for channel in self._channels:
            channel.close_outdated()
        super().on_poll_start()


class _LeasedTransport(redis.Transport):  # type: ignore[misc] # as above
    """Transport whose channels lease users. It has no use for the setting ``broker_url``."""

    source: ClassVar[RedisSource]
    can_parse_url = True  # so that it is not parsed, and as_uri() is called
    default_connection_params: ClassVar[dict[str, object]] = {}
    #: The secrets server is needed to connect, so its outage is one of the broker.
    connection_errors = (*redis.Transport.connection_errors, *OUTAGE)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cycle = _LeasedPoller()

    @classmethod
    def __json__(cls) -> str:
        """Return what ``celery inspect stats`` shows: kombu encodes the class itself."""
        return cls.source.title

    def as_uri(self, *_arguments: object, **_options: object) -> str:
        """Return what logs and the worker's banner show."""
        return self.source.title


def _reporting_class(base: type[Any], channel: _LeasedChannel) -> type[Any]:
    """Return a subclass of *base* whose connections report to *channel* that they are closed."""

    class ReportingConnection(base):  # type: ignore[misc] # known at run time only
        def disconnect(self, *args: Any, **options: Any) -> None:
            super().disconnect(*args, **options)
            if channel._registered:  # noqa: SLF001 (as kombu's own class does)
                channel._on_connection_disconnect(self)  # noqa: SLF001 (as above)

    return ReportingConnection


def _disconnect_outdated(holder: Any) -> None:
    """Close the connection of a client or ``PubSub`` if its user was replaced."""
    connection = getattr(holder, "connection", None)
    if connection is not None and connection.is_outdated():
        connection.disconnect()
