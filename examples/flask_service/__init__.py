"""Flask service with SQLAlchemy, Alembic and RQ. ``docs/howto/Flask.md`` moves it off its .env."""
