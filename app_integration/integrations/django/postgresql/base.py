"""Connections of Django that use the current credentials of a :class:`CredentialProvider`.

Django keeps a connection in each thread, for one request, for ``CONN_MAX_AGE``, or from a pool.
Before each query, the connection of a user that is not current any longer is replaced, unless a
transaction or a cursor is open on it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from weakref import WeakSet

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from app_integration import default_client
from app_integration._internal import fork_safety
from app_integration.client import Client
from app_integration.database.credentials import CredentialProvider, Credentials
from app_integration.integrations.django.credential_options import (
    SOURCE_OPTIONS,
    credential_source,
)
from app_integration.integrations.django.pools import PoolRegistry
from app_integration.integrations.django.postgresql import database_options
from app_integration.integrations.django.postgresql.client import LeasedDatabaseClient
from app_integration.integrations.django.postgresql.creation import LeasedDatabaseCreation

#: A URL without parameters, for settings that need none of the deployment's.
_NO_PARAMETERS: Final = "postgresql://"
#: States of a connection that can be closed without loss: it is idle, or broken.
_REPLACEABLE: Final = (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc] # Django has no types
    """A connection of one thread to one database, as a leased user."""

    client_class = LeasedDatabaseClient
    creation_class = LeasedDatabaseCreation
    _pools = PoolRegistry()

    connection: Any
    run_on_commit: list[Any]
    settings_dict: dict[str, Any]

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        """Check the settings; nothing is requested yet."""
        super().__init__(settings_dict, alias)
        database_options.check_settings(alias, settings_dict)
        database_options.check_databases()
        self._provider: CredentialProvider | None = None
        self._user = ""  # the username that the connection was opened with
        self._cursors: WeakSet[Any] = WeakSet()  # those of the connection
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Drop the parent's connection in a forked child without closing it."""
        if self.connection is None:
            return
        self.connection = None
        self.run_on_commit = []
        if self.in_atomic_block:  # so that the block fails, instead of going on elsewhere
            self.closed_in_transaction = self.needs_rollback = True

    def locate(self) -> None:
        """Complete the settings from the deployment's URL."""
        if not database_options.has_place(self.settings_dict):
            databases = default_client.get_default_client().databases
            source = credential_source(self.settings_dict["OPTIONS"])
            parameters = databases.find_parameters(**source)
            # A new dict, because the threads share Django's.
            self.settings_dict = database_options.add_place(self.settings_dict, parameters)

    def get_connection_params(self) -> dict[str, Any]:
        """Return the parameters of the next connection, without user and password."""
        self.locate()
        parameters = super().get_connection_params()
        return {name: parameters[name] for name in parameters if name not in SOURCE_OPTIONS}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open a connection as the current user, or take one from the pool; remember its user."""
        source = credential_source(self.settings_dict["OPTIONS"])
        provider = default_client.get_default_client().databases.find_provider(**source)
        connect = super().get_new_connection

        def open_(credentials: Credentials) -> Any:
            return connect({**conn_params, **credentials.parameters()})

        if self._has_pool():
            self._get_pool()  # because the registered one may be that of a closed client
            connection = connect(conn_params)
        else:
            connection = provider.connect(open_)
        self._provider, self._user = provider, connection.info.user
        self._cursors.clear()
        # Whatever the settings say, because the server drops a revoked user's sessions at any time.
        self.health_check_enabled = True
        return connection

    @property
    def pool(self) -> Any:
        """Return this process's pool, or None if the settings ask for none."""
        return (self._pools.find(self.alias) or self._get_pool()) if self._has_pool() else None

    def close_pool(self) -> None:
        """Close this process's pool, if there is one."""
        self._pools.close(self.alias)

    def ensure_connection(self) -> None:
        """Open a connection if there is none, or if that of another user can be replaced."""
        if self._is_outdated() and all(cursor.closed for cursor in self._cursors):
            self.close()
        super().ensure_connection()

    def close_if_unusable_or_obsolete(self) -> None:
        """Close the connection at the end of a request also if its user is not current.

        The lease of that user can be revoked once its last connection is closed. A cursor that the
        request left open does not keep it.
        """
        if self._is_outdated():
            self.close()
        super().close_if_unusable_or_obsolete()

    def create_cursor(self, name: str | None = None) -> Any:
        """Return a cursor of the driver. The connection stays until the cursor is closed."""
        cursor = super().create_cursor(name)
        self._cursors.add(cursor)
        return cursor

    def _is_outdated(self) -> bool:
        """Return whether the user of the connection is not current, and no state would be lost."""
        if self.connection is None or self.in_atomic_block or self._provider is None:
            return False
        return (
            not self._provider.is_current(self._user)
            and self.autocommit == self.settings_dict["AUTOCOMMIT"]
            and self.connection.info.transaction_status in _REPLACEABLE
        )

    def _has_pool(self) -> bool:
        return self.alias != NO_DB_ALIAS and bool(self.settings_dict["OPTIONS"].get("pool"))

    def _get_pool(self) -> Any:
        client = default_client.get_default_client()
        return self._pools.get(self.alias, client, partial(self._build_pool, client))

    def _build_pool(self, client: Client) -> Any:
        """Return a pool that is not open yet. *client* closes it."""
        options = self.settings_dict["OPTIONS"]["pool"]
        kwargs = {**self.get_connection_params(), "autocommit": True}
        own = dict(
            kwargs=kwargs,
            open=False,
            configure=self._configure_connection,
            **({} if options is True else options),
        )
        source = credential_source(self.settings_dict["OPTIONS"])
        return client.databases.create("pool", _NO_PARAMETERS, own, **source)
