"""Pool of sources: one for each key, and the least recently used is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from console.page.sources.cached_source import CachedSource
from console.page.sources.sources import SourcePool


def build(key: str) -> CachedSource[str]:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    return CachedSource(key, lambda: key, timedelta(), lambda: now, lambda run: run())


def test_pool_has_one_source_for_each_key() -> None:
    pool = SourcePool(build, 2)
    assert pool.get("a") is pool.get("a")
    assert pool.get("a") is not pool.get("b")


def test_pool_forgets_the_source_that_was_not_used_for_longest() -> None:
    pool = SourcePool(build, 2)
    first, second = pool.get("a"), pool.get("b")
    assert pool.get("a") is first
    pool.get("c")
    assert pool.get("a") is first
    assert pool.get("b") is not second
