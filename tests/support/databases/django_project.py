"""Django's settings, which a process has once, and its connection to a database of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.conf import settings
from django.db import connection, connections


def set_up() -> None:
    """Configure Django for this process, with an empty database in memory, unless it is."""
    if settings.configured:
        return
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[],
    )
    django.setup()


@contextmanager
def tables(*owners: Any) -> Iterator[None]:
    """Create the tables of models, and delete them when the block ends."""
    with connection.schema_editor() as editor:
        for each in owners:
            editor.create_model(each)
    yield
    with connection.schema_editor() as editor:
        for each in reversed(owners):
            editor.delete_model(each)


@contextmanager
def connected(info: Any) -> Iterator[Any]:
    """Let Django use a PostgreSQL database during the block."""
    from django.db.backends.postgresql.base import DatabaseWrapper  # noqa: PLC0415 (after set_up)

    settings = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": info.host,
        "PORT": info.port,
        "USER": info.user,
        "PASSWORD": info.password,
        "NAME": info.dbname,
    }
    known = connections["default"]
    connections.databases["postgres"] = settings
    connections.configure_settings({"default": {}, "postgres": settings})
    wrapper = DatabaseWrapper(settings, "default")
    connections["default"] = wrapper
    try:
        yield wrapper
    finally:
        wrapper.close()
        connections["default"] = known
        connections.databases.pop("postgres", None)  # another thread may have removed it
