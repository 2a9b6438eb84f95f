"""Engine of a table that holds wrapped keys."""

from __future__ import annotations

from sqlalchemy import Engine

from app_integration.errors import ConfigurationError


def check_engine(engine: object) -> Engine:
    """Return *engine* if a store in a table can use it."""
    if not isinstance(engine, Engine):
        raise ConfigurationError(
            f"a table of keys cannot use a value of type {type(engine).__name__}; pass a"
            " sqlalchemy.Engine, such as database_engine(), in an asyncio application too"
        )
    return engine
