"""Access records: each access is written to the audit log before the value is released.

It is counted in the metrics after the record is written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from app_integration.errors import AccessDenied, AuditFailed, SecretNotFound, StrongroomError
from app_integration.observability import metrics
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import REQUIRED
from app_integration.secret_store.cache_entry import Entry, FetchResult, Hit, Key, current
from app_integration.secret_store.conversion import convert
from app_integration.sources import FetchedSecret

log = logging.getLogger(__name__)

_OPERATION: Final = "get_secret"


class AccessRecorder:
    """Recorder of accesses, in the audit log and in the metrics.

    An access whose record cannot be written is counted as ``AuditFailed``, and the error is raised.
    """

    def __init__(self, audit: AuditLog, *, has_fallback: bool = False) -> None:
        """Create the recorder. With *has_fallback*, a default may answer for a denied name."""
        self._audit = audit
        self._has_fallback = has_fallback
        self._warned: set[str] = set()

    def release(self, key: Key, result: FetchResult, as_type: type[Any] | None) -> Any:
        """Convert the value of *result*, record the access, and return the value."""
        name, fetched = key[0], result.entry.fetched
        value = fetched.value
        try:
            released = value if as_type is None else convert(value, as_type, name)
        except StrongroomError as error:
            self.record_failure(name, type(error).__name__)
            raise
        record = self._prepare(key, fetched, result.outcome)
        self._write_and_count(record, name, result.outcome)
        return released

    def default_or_raise(self, key: Key, error: StrongroomError, default: Any) -> Any:
        """Record the failed access, and return *default* if it applies; otherwise raise *error*."""
        name = key[0]
        is_missing = isinstance(error, SecretNotFound)
        is_denied = self._has_fallback and isinstance(error, AccessDenied)
        if (is_missing or is_denied) and default is not REQUIRED:
            self.record_failure(name, "default")
            if is_denied and name not in self._warned:
                self._warned.add(name)  # once, because it may only be undeclared
                log.warning(
                    "%s is denied or not declared, so its default is used; outside dev that is an "
                    "error, so declare it for the service: %s",
                    name,
                    error,
                )
            return default
        self.record_failure(name, "not-found" if is_missing else type(error).__name__)
        raise error

    def record_failure(self, name: str, outcome: str) -> None:
        """Record an access that released no value."""
        self._write_and_count(self._audit.prepare(_OPERATION, name, outcome), name, outcome)

    def record_change(self, name: str, fetched: FetchedSecret) -> None:
        """Record that a callback is about to receive a new value."""
        self._write_and_count(self._prepare(current(name), fetched, "change"), name, "change")

    def record_kept(self, name: str, place: str) -> None:
        """Record that this process keeps the value of *name* in *place* until it exits."""
        self._audit.record("keep", name, "kept", kept_in=place)

    def record_hit(self, key: Key, entry: Entry) -> None:
        """Record that the value of *entry*, a cache hit, is about to be released.

        The record is prepared at the first hit and reused, so that later hits cost less than
        :meth:`release`.
        """
        hit = entry.hit
        if hit is None or hit.recorder is not metrics.state.recorder:
            recorder, name = metrics.get_recorder(), key[0]
            record = self._prepare(key, entry.fetched, "hit")
            entry.hit = hit = Hit(record, recorder.bind_access(name, "hit"), recorder)
        try:
            hit.record()
        except AuditFailed:
            hit.recorder.record_access(key[0], "AuditFailed")
            raise
        hit.count()

    def _prepare(self, key: Key, fetched: FetchedSecret, outcome: str) -> Callable[[], None]:
        # A value is served stale because no request was answered, so its record names none.
        request_id = None if outcome == "stale" else fetched.request_id
        return self._audit.prepare(
            *(_OPERATION, key[0], outcome),
            source=fetched.source,
            version=fetched.version,
            request_id=request_id,
            field=key[2],
        )

    def _write_and_count(self, record: Callable[[], None], name: str, outcome: str) -> None:
        try:
            record()
        except AuditFailed:
            metrics.get_recorder().record_access(name, "AuditFailed")
            raise
        metrics.get_recorder().record_access(name, outcome)
