"""Engine and sessions of the service."""

from __future__ import annotations

from sqlalchemy.orm import scoped_session, sessionmaker

from app_integration import database_engine

engine = database_engine(pool_size=5)
session = scoped_session(sessionmaker(engine))
