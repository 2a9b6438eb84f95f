"""``manage.py dbshell`` as a leased user."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from django.db.backends.postgresql.client import DatabaseClient

from app_integration._internal.private_file import write_private


class LeasedDatabaseClient(DatabaseClient):  # type: ignore[misc] # Django has no types
    """A client that runs ``psql`` with the user of an open connection.

    That connection stays open, so the user is not revoked before its lease expires.
    """

    def runshell(self, parameters: Iterable[str]) -> None:
        """Run ``psql`` until it exits. The password is in a private file, not in a variable."""
        with self.connection.temporary_connection():
            info = self.connection.connection.info
            with _password_file(info.user, info.password) as passfile:
                settings = self.connection.settings_dict
                options = {**settings["OPTIONS"], "passfile": passfile}
                shell = {**settings, "USER": info.user, "OPTIONS": options}
                DatabaseClient(SimpleNamespace(settings_dict=shell)).runshell(parameters)


@contextmanager
def _password_file(user: str, password: str) -> Iterator[Path]:
    """Write a password file for libpq, and remove it afterwards."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pgpass"
        write_private(path, f"*:*:*:{_escaped(user)}:{_escaped(password)}\n")
        yield path


def _escaped(text: Any) -> str:
    return re.sub(r"([:\\])", r"\\\1", text)
