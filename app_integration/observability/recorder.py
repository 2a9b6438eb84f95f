"""Base class of metrics recorders, which records nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from app_integration.errors import ConfigurationError

#: Where a process has a version of a secret: in the cache of the SDK, or in a delivered file.
CACHE: Final = "cache"
FILE: Final = "file"
#: Version of a secret in a delivered file if it is not known. A KV version is at least 1.
UNKNOWN_VERSION: Final = 0


class Recorder:
    """Base of a metrics recorder. Thread-safe; recording never raises and never waits.

    This base records nothing. A subclass overrides the methods that it needs.
    """

    def record_access(self, name: str, outcome: str) -> None:
        """Record one access of a secret.

        Args:
            name: The name of the secret.
            outcome: The outcome as in the access record.

        """

    def bind_access(self, name: str, outcome: str) -> Callable[[], object]:
        """Return a function that records one access of *name* per call.

        It is faster than :meth:`record_access` for a recurring pair.

        Args:
            name: The name of the secret.
            outcome: The outcome as in the access record.

        """
        return partial(self.record_access, name, outcome)

    def count_accesses(self) -> Counter[str]:
        """Return the accesses that were recorded in this process, by their outcome.

        Raises:
            ConfigurationError: If the recorder does not count them.

        """
        raise ConfigurationError(
            f"STRONGROOM_EMF_INTERVAL needs accesses, which the recorder {type(self).__name__} does"
            " not count; install strongroom-sdk[metrics], or override count_accesses"
        )

    def record_staleness(self, name: str, age: float) -> None:
        """Record whether a secret is served stale.

        Args:
            name: The name of the secret.
            age: Seconds since the value was fetched, or 0.0 if it is fresh.

        """

    def record_version(self, service: str, name: str, version: int, source: str = CACHE) -> None:
        """Record the version of a secret that the process has fetched or loaded last.

        Args:
            service: The service that the secret belongs to.
            name: The name of the secret.
            version: Its KV version, or :data:`UNKNOWN_VERSION`.
            source: :data:`CACHE` or :data:`FILE`.

        """

    def record_operation(self, operation: str, outcome: str) -> None:
        """Record the outcome of one operation.

        Args:
            operation: ``request``, ``login``, ``renewal``, ``unwrapping``, ``orphan-lease``,
                ``data-key-check`` or ``database-connection``.
            outcome: ``ok``, or the name of the error class.

        """

    def record_duration(self, seconds: float) -> None:
        """Record how long a successful request took, with its retries.

        Args:
            seconds: From the call to the decoded response.

        """

    def record_certificate(self, server: str, expires: float) -> None:
        """Record the expiry of the certificate that a server has shown.

        Args:
            server: ``host:port`` of the server.
            expires: Seconds since the epoch.

        """

    def record_delivery(self, file: str, delivered: float, *, is_live: bool) -> None:
        """Record the outcome of the last delivery of a config.

        Args:
            file: Name of the delivered file.
            delivered: Time of the delivery, in seconds since the epoch.
            is_live: Whether the file has what the agent rendered last.

        """

    def record_ttl(self, holder: str, seconds: float) -> None:
        """Record the TTL of a new or renewed token or lease.

        Args:
            holder: ``token``, or the name of a database role.
            seconds: The TTL from now.

        """

    def record_rotation(self, kind: str, name: str) -> None:
        """Record that a newer value replaced another.

        Args:
            kind: ``secret``, ``database`` or ``config``.
            name: The name of the secret, database role or config.

        """

    def render(self) -> tuple[bytes, str] | None:
        """Return body and content type of a ``/metrics`` page, or None if nothing is recorded."""
        return None


class NullRecorder(Recorder):
    """A recorder that records nothing."""
