"""FastAPI service with SQLAlchemy and Alembic. ``docs/howto/FastAPI.md`` moves it off its .env."""
