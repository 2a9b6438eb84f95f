"""Release of values to callers, each after it is converted and its access is recorded."""

from __future__ import annotations

import logging
from typing import Any

from app_integration.errors import AccessDenied, SecretNotFound, StrongroomError
from app_integration.secret import REQUIRED, Secret
from app_integration.secret_store.access_recorder import AccessRecorder
from app_integration.secret_store.cache_entry import Entry, Key, name_of
from app_integration.secret_store.conversion import convert

log = logging.getLogger(__name__)


class Releaser:
    """Releaser of values, defaults and errors, each after its access record."""

    def __init__(self, access_recorder: AccessRecorder, *, has_fallback: bool) -> None:
        """Create the releaser.

        Args:
            access_recorder: Records each access.
            has_fallback: Whether a later source was tried for a denied name before its error is
                passed, so that a default may answer.

        """
        self._access_recorder = access_recorder
        self._has_fallback = has_fallback
        self._warned: set[str] = set()

    def release(self, key: Key, entry: Entry, outcome: str, as_type: type[Any] | None) -> Any:
        """Record the access, and return the value of *entry*.

        Args:
            key: The key of *entry*.
            entry: The entry to release.
            outcome: How it was served: ``hit``, ``miss`` or ``stale``.
            as_type: The type to convert to; None for a :class:`Secret`.

        Raises:
            WrongType: If the value is not of *as_type*.
            AuditFailed: If the access cannot be recorded. Nothing is released.

        """
        value: Any = entry.fetched.value
        if as_type is not None:
            value = self._convert(name_of(key), value, as_type)
        self._access_recorder.record_release(key, entry, outcome)
        return value

    def _convert(self, name: str, value: Secret, as_type: type[Any]) -> Any:
        try:
            return convert(value, as_type, name)
        except StrongroomError as error:
            self._access_recorder.record_failure(name, type(error).__name__)
            raise

    def default_or_raise(self, key: Key, error: StrongroomError, default: Any) -> Any:
        """Record the failed access, and return *default* if it applies; otherwise raise.

        Args:
            key: The requested key.
            error: The error of the fetch.
            default: Returned if *error* is a :class:`SecretNotFound`, or in development an
                :class:`AccessDenied`; REQUIRED for no default.

        Raises:
            StrongroomError: If *default* does not apply. It is *error*.
            AuditFailed: If the access cannot be recorded.

        """
        name = name_of(key)
        is_missing = isinstance(error, SecretNotFound)
        is_denied = self._has_fallback and isinstance(error, AccessDenied)
        if (is_missing or is_denied) and default is not REQUIRED:
            self._access_recorder.record_failure(name, "default")
            if is_denied:
                self._warn_of_default(name, error)
            return default
        self._access_recorder.record_failure(
            name, "not-found" if is_missing else type(error).__name__
        )
        raise error

    def _warn_of_default(self, name: str, error: StrongroomError) -> None:
        """Log, once for each name, that its default is used although it may only be undeclared."""
        if name not in self._warned:
            self._warned.add(name)
            log.warning("%s is denied or not declared, so its default is used: %s", name, error)
