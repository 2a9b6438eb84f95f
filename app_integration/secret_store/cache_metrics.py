"""Metrics of cached values: their freshness, versions and replacements."""

from __future__ import annotations

from collections.abc import Iterable

from app_integration.names import VALUE_KEY
from app_integration.observability import metrics
from app_integration.secret_store.cache_entry import Entry, Key, is_newer, name_of, split_key


def record_cached(service: str, key: Key, entry: Entry, previous: Entry | None) -> None:
    """Record that *entry* was cached in place of *previous*.

    Args:
        service: The service that the secret belongs to.
        key: The key of *entry*.
        entry: A value that was fetched now.
        previous: The entry that it replaces, None if there was none.

    """
    name, recorder = name_of(key), metrics.get_recorder()
    recorder.record_staleness(name, 0.0)
    if previous is not None and is_newer(entry.fetched, previous.fetched):
        recorder.record_rotation("secret", name)
    record_versions(service, [(key, entry)])


def record_versions(service: str, entries: Iterable[tuple[Key, Entry]]) -> None:
    """Record the versions of current values.

    A value of a named version, of another field or of a fallback says nothing about the current
    value that the application uses.

    Args:
        service: The service that the secrets belong to.
        entries: Cached entries with their keys.

    """
    for key, entry in entries:
        name, version, field = split_key(key)
        is_current = version is None and field in {None, VALUE_KEY} and not entry.is_fallback
        # An id is no measurement.
        if is_current and isinstance(entry.fetched.version, int):
            metrics.get_recorder().record_version(service, name, entry.fetched.version)
