"""Metrics of cached values: their freshness, versions and replacements."""

from __future__ import annotations

from collections.abc import Iterable

from app_integration.names import VALUE_KEY
from app_integration.observability import metrics
from app_integration.secret_store.cache_entry import Entry, Key, is_newer


def record_cached(service: str, key: Key, entry: Entry, previous: Entry | None) -> None:
    """Record that *entry*, which was fetched now, was cached in place of *previous*, if any."""
    name, recorder = key[0], metrics.get_recorder()
    recorder.record_staleness(name, 0.0)
    if previous is not None and is_newer(entry.fetched, previous.fetched):
        recorder.record_rotation("secret", name)
    if (version := _current_version(key, entry)) is not None:
        recorder.record_version(service, name, version)


def record_versions(service: str, entries: Iterable[tuple[Key, Entry]]) -> None:
    """Record the versions of current values."""
    for key, entry in entries:
        if (version := _current_version(key, entry)) is not None:
            metrics.get_recorder().record_version(service, key[0], version)


def _current_version(key: Key, entry: Entry) -> int | None:
    """Return the version of *entry* if that is the current one of its name, and a number.

    Another version or field, or a fallback, says nothing about the value in use.
    """
    is_current = key[1] is None and key[2] in {None, VALUE_KEY}
    version = entry.fetched.version
    return version if is_current and not entry.is_fallback and isinstance(version, int) else None
