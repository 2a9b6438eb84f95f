"""Context of a migration on the database and the keys of a service's client."""

from __future__ import annotations

import logging
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import event

from app_integration._internal.environment_variable import environment_variables
from app_integration.client import Client
from app_integration.settings import from_environment
from migration import error_text, session_limits
from migration.errors import MigrationFailed
from migration.migration_context import MigrationContext
from migration.pace import DEFAULT_DUTY
from migration.rows import service_keys
from migration.table.table_lock import Pacing
from vault.declare.schema.migration import MigrationPlan
from vault.service_database import driver_connection, read_url

if TYPE_CHECKING:
    from sqlalchemy import Engine


@contextmanager
def open_client(service: str, environment: str) -> Iterator[Client]:
    """Open a client of *service*, with the variables of this process as its application's."""
    own = {"STRONGROOM_SERVICE": service, **environment_variables(environment)}
    with closing(Client(from_environment({**os.environ, **own}))) as client:
        yield client


@contextmanager
def open_context(
    plan: MigrationPlan,
    client: Client,
    role: str | None = None,
    *,
    duty: float = DEFAULT_DUTY,
    free: int | None = None,
    ask_free: Callable[[], int | None] = lambda: None,
) -> Iterator[MigrationContext]:
    """Yield what each step of the migration of *plan* needs.

    Errors of the database become errors of the migration, without values. See
    :class:`MigrationContext` for the rest.
    """
    with _database_errors(plan):
        url = read_url(client).render_as_string()
        # Keys are stored in transactions of SQLAlchemy, and the rest commits each statement.
        engine, keys = (_open_engine(client, role, url, plan) for _ in range(2))
        yield MigrationContext(
            plan,
            partial(_connect, engine),
            lambda table: service_keys.open_cipher(client, keys, plan, table),
            Pacing(time.monotonic, time.sleep, random.random),
            duty,
            free,
            ask_free,
        )


def _open_engine(client: Client, role: str | None, url: str, plan: MigrationPlan) -> Engine:
    """Return an engine whose sessions ``pg_stat_activity`` shows with this machine and process."""
    name = f"migrate {plan.migration} {socket.gethostname()}:{os.getpid()}"
    options = {**session_limits.OPTIONS, "application_name": name}
    engine = client.databases.engine(role, url, connect_args=options)
    event.listen(engine, "connect", session_limits.apply)
    return engine


@contextmanager
def _database_errors(plan: MigrationPlan) -> Iterator[None]:
    try:
        with _quiet_driver():
            yield
    except psycopg.errors.UndefinedTable:
        raise MigrationFailed(
            f"migration {plan.migration}: its database has no table {plan.table}, or this user may"
            " not see it; check table and schema in the plan, and --role"
        ) from None
    except psycopg.Error as error:
        if error_text.is_lost(error):
            raise MigrationFailed(
                f"migration {plan.migration}: the connection to the database was lost. What was"
                " finished stays; see that the server runs, and repeat the command"
            ) from None
        reason = error_text.describe(error)
        raise MigrationFailed(
            f"migration {plan.migration}: the database: {reason}; correct that, and repeat the "
            "command"
        ) from None


@contextmanager
def _quiet_driver() -> Iterator[None]:
    """Let the driver log no rollback on a lost connection, because the error says enough."""
    log = logging.getLogger("psycopg")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def _connect(engine: Engine) -> Iterator[psycopg.Connection]:
    try:
        with driver_connection(engine) as connection:
            connection.autocommit = True
            yield connection
    except session_limits.LOST:
        # Else the next one might be another broken one of the pool.
        engine.dispose()
        raise
