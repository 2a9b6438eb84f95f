"""Test databases, which a leased user may not create."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql.creation import DatabaseCreation


class LeasedDatabaseCreation(DatabaseCreation):  # type: ignore[misc] # Django has no types
    """A creation that uses an existing test database, and creates and drops none."""

    def _get_test_db_name(self) -> str:
        self.connection.locate()  # because the name in the settings may be the deployment's
        name: str = super()._get_test_db_name()
        return name

    def _create_test_db(self, verbosity: int, autoclobber: bool, keepdb: bool = False) -> str:  # noqa: ARG002 (Django's signature)
        name = self._get_test_db_name()
        self._require(name, keepdb=keepdb)
        return name

    def _clone_test_db(self, suffix: Any, verbosity: int, keepdb: bool = False) -> None:  # noqa: ARG002 (as above)
        self._require(self.get_test_db_clone_settings(suffix)["NAME"], keepdb=keepdb)

    def _require(self, name: str, *, keepdb: bool) -> None:
        """Raise an error unless the database *name* exists and is to be kept."""
        if keepdb:
            with self._nodb_cursor() as cursor:
                if self._database_exists(cursor, name):
                    return
        raise ImproperlyConfigured(
            f"the leased user of DATABASES[{self.connection.alias!r}] may not create the test "
            f"database {name!r}. Use another ENGINE in the settings of tests, such as "
            "django.db.backends.postgresql with a server of your own; or let an administrator "
            f"create {name!r} with the service's owner role as its owner, and run the tests with "
            "--keepdb"
        )
