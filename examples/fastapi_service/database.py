"""Engine and sessions of the service."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app_integration import database_engine

engine = database_engine(pool_size=5)


def get_session() -> Iterator[Session]:
    """Yield the session of one request."""
    with Session(engine) as session:
        yield session
