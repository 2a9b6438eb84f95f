"""Access records: each access is written to the audit log before the value is released.

It is counted in the metrics after the record is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from app_integration.errors import AuditFailed
from app_integration.observability import metrics
from app_integration.observability.audit_log import AuditLog
from app_integration.secret_store.cache_entry import Entry, Hit, Key, name_of
from app_integration.sources import FetchedSecret

_OPERATION: Final = "get_secret"


class AccessRecorder:
    """Recorder of accesses, in the audit log and in the metrics.

    An access whose record cannot be written is counted as ``AuditFailed``, and the error is raised.
    """

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def record_failure(self, name: str, outcome: str) -> None:
        """Record an access that released no value.

        Args:
            name: The secret.
            outcome: The reason, such as ``not-found`` or the class of an error.

        Raises:
            AuditFailed: If the record cannot be written.

        """
        self._write_and_count(self._audit.prepare(_OPERATION, name, outcome), name, outcome)

    def record_release(self, key: Key, entry: Entry, outcome: str) -> None:
        """Record that the value of *entry* is about to be released.

        Args:
            key: The key of *entry*.
            entry: The entry to release.
            outcome: How it was served: ``hit``, ``miss`` or ``stale``.

        Raises:
            AuditFailed: If the record cannot be written.

        """
        self._write_and_count(self._prepare_release(key, entry, outcome), name_of(key), outcome)

    def record_change(self, name: str, fetched: FetchedSecret) -> None:
        """Record that a callback is about to receive a new value.

        Raises:
            AuditFailed: If the record cannot be written.

        """
        self._write_and_count(self._prepare(name, fetched, "change"), name, "change")

    def record_kept(self, name: str, place: str) -> None:
        """Record that this process keeps the value of *name* in *place* until it ends.

        Raises:
            AuditFailed: If the record cannot be written.

        """
        self._audit.record("keep", name, "kept", kept_in=place)

    def record_hit(self, key: Key, entry: Entry) -> None:
        """Record that the value of *entry*, a cache hit, is about to be released.

        The record is prepared at the first hit and reused, so that later hits cost less than
        :meth:`record_release`.

        Raises:
            AuditFailed: If the record cannot be written.

        """
        hit, recorder = entry.hit, metrics.get_recorder()
        if hit is None or hit.recorder is not recorder:
            count = recorder.bind_access(name_of(key), "hit")
            entry.hit = hit = Hit(self._prepare_release(key, entry, "hit"), count, recorder)
        try:
            hit.record()
        except AuditFailed:
            recorder.record_access(name_of(key), "AuditFailed")
            raise
        hit.count()

    def _prepare_release(self, key: Key, entry: Entry, outcome: str) -> Callable[[], None]:
        details = {} if isinstance(key, str) else {"field": key[2]}
        return self._prepare(name_of(key), entry.fetched, outcome, **details)

    def _prepare(
        self, name: str, fetched: FetchedSecret, outcome: str, **details: Any
    ) -> Callable[[], None]:
        # A value is served stale because no request was answered, so its record names none.
        request_id = None if outcome == "stale" else fetched.request_id
        return self._audit.prepare(
            *(_OPERATION, name, outcome),
            source=fetched.source,
            version=fetched.version,
            request_id=request_id,
            **details,
        )

    def _write_and_count(self, record: Callable[[], None], name: str, outcome: str) -> None:
        try:
            record()
        except AuditFailed:
            metrics.get_recorder().record_access(name, "AuditFailed")
            raise
        metrics.get_recorder().record_access(name, outcome)
