"""Each access of a secret is recorded, then counted, before its value is released."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from app_integration.errors import AuditFailed
from app_integration.observability import metrics
from app_integration.observability.audit_log import AuditLog
from app_integration.secret_store.cache_entry import Entry, Hit, Key
from app_integration.sources import Fetched

_OPERATION: Final = "get_secret"


class AccessRecorder:
    """Where accesses are told. What can't be recorded is counted as just that, and raised."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def record_failure(self, name: str, outcome: str) -> None:
        """An access of *name* that released no value.

        Raises:
            AuditFailed: the record couldn't be written.

        """
        self._count(self._audit.prepared(_OPERATION, name, outcome), name, outcome)

    def record_release(self, key: Key, entry: Entry, outcome: str) -> None:
        """Record that the value of *entry* is about to be released.

        Raises:
            AuditFailed: the record couldn't be written.

        """
        self._count(self._prepared(key, entry, outcome), _name(key), outcome)

    def record_change(self, name: str, fetched: Fetched) -> None:
        """A new value that is about to be given to a callback; raises as :meth:`record_failure`."""
        self._count(self._recording(name, fetched, "change"), name, "change")

    def record_hit(self, key: Key, entry: Entry) -> None:
        """As :meth:`record_release`, for a value from the cache: its record is prepared once."""
        hit, recorder = entry.hit, metrics.current()
        if hit is None or hit.recorder is not recorder:
            count = recorder.counter(_name(key), "hit")
            entry.hit = hit = Hit(self._prepared(key, entry, "hit"), count, recorder)
        try:
            hit.record()
        except AuditFailed:
            recorder.access(_name(key), "AuditFailed")
            raise
        hit.count()

    def _prepared(self, key: Key, entry: Entry, outcome: str) -> Callable[[], None]:
        details = {} if isinstance(key, str) else {"field": key[2]}
        return self._recording(_name(key), entry.fetched, outcome, **details)

    def _recording(
        self, name: str, fetched: Fetched, outcome: str, **details: Any
    ) -> Callable[[], None]:
        return self._audit.prepared(
            *(_OPERATION, name, outcome),
            source=fetched.source,
            version=fetched.version,
            request_id=fetched.request_id,
            **details,
        )

    def _count(self, record: Callable[[], None], name: str, outcome: str) -> None:
        try:
            record()
        except AuditFailed:
            metrics.current().access(name, "AuditFailed")
            raise
        metrics.current().access(name, outcome)


def _name(key: Key) -> str:
    return key if isinstance(key, str) else key[0]
