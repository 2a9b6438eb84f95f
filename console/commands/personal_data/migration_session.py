"""Access of the command ``migrate`` to the database and the keys of a service."""

from __future__ import annotations

import logging
import os
import random
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
import typer
from sqlalchemy import event

from app_integration.client import Client
from app_integration.errors import StrongroomError
from console.target.service_client import open_service_client
from console.target.service_database import driver_connection, read_url
from console.target.target import Target
from console.views.questions import has_terminal
from migration import error_text, session_limits
from migration import plan as plans
from migration.migration_context import MigrationContext
from migration.pace import DEFAULT_DUTY
from migration.rows import service_keys
from migration.table.table_lock import Pacing
from vault.declare.schema.migration import MigrationPlan

if TYPE_CHECKING:
    from sqlalchemy import Engine


_MEGABYTE: Final = 1_000_000


class MigrationFailed(StrongroomError):
    """The database rejected a statement, or is not reachable. Repeat the command."""


@contextmanager
def open_migration(
    file: Path,
    target: Target,
    role: str | None,
    free: int | None = None,
    duty: float = DEFAULT_DUTY,
) -> Iterator[MigrationContext]:
    """Yield what each step of the migration in *file* needs.

    *free* are megabytes at the database, or None to measure them; *duty* is the share of its time
    that a worker works. Errors of the database become errors of the migration, without values.
    """
    plan = plans.read(file, target.checkout.find_declaration())
    with open_service_client(target, plan.service) as client, _database_errors(plan):
        url = read_url(client).render_as_string()
        # Keys are stored in transactions of SQLAlchemy, and the rest commits each statement.
        engine, keys = (_open_engine(client, role, url, plan) for _ in range(2))
        yield MigrationContext(
            plan,
            partial(_connect, engine),
            lambda table: service_keys.open_cipher(client, keys, plan, table),
            Pacing(time.monotonic, time.sleep, random.random),
            duty,
            _find_free(target, plan.service) if free is None else free * _MEGABYTE,
            _ask_free,
        )


def _open_engine(client: Client, role: str | None, url: str, plan: MigrationPlan) -> Engine:
    """Return an engine whose sessions ``pg_stat_activity`` shows with this machine and process."""
    name = f"migrate {plan.migration} {socket.gethostname()}:{os.getpid()}"
    options = {**session_limits.OPTIONS, "application_name": name}
    engine = client.databases.engine(role, url, connect_args=options)
    event.listen(engine, "connect", session_limits.apply)
    return engine


def _find_free(target: Target, service: str) -> int | None:
    """Return the bytes that are free at the local deployment's PostgreSQL, or None elsewhere.

    A leased user may not ask PostgreSQL for its folder. In containers it is none of this machine.
    """
    if not target.is_local or not (data := target.layout.postgres / "data").is_dir():
        return None
    is_own = target.local_deployment().service(service).access.own_server is not None
    return None if is_own else shutil.disk_usage(data).free


def _ask_free() -> int | None:
    if not has_terminal():
        return None
    text = "Megabytes that are free where the database keeps its files, which it does not say"
    megabytes: int = typer.prompt(text, type=int)
    return megabytes * _MEGABYTE


@contextmanager
def _database_errors(plan: MigrationPlan) -> Iterator[None]:
    # It warns of a rollback on a lost connection. The error says enough.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    try:
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
def _connect(engine: Engine) -> Iterator[psycopg.Connection]:
    try:
        with driver_connection(engine) as connection:
            connection.autocommit = True
            yield connection
    except session_limits.LOST:
        # Else the next one might be another broken one of the pool.
        engine.dispose()
        raise
