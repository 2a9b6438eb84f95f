"""Ledger of an environment on AWS: the ages of its secrets, and how many are overdue."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from aws.monitoring.watched import Watched, find_watched
from console.aws_environment import open_checked_connection, open_connection
from vault.declare.declaration import Declaration
from vault.rotation.inventory import Item, Kind, declared_items
from vault.rotation.ledger.ledger import (
    IN_CLOUDTRAIL,
    LastRead,
    ReadState,
    Row,
    State,
    build_ledger,
)
from vault.rotation.server_ages import Age

#: Kinds of items that are secrets on AWS.
KINDS: Final = (Kind.SECRET, Kind.USER_PAIR)


def read_aws_ledger(
    declaration: Declaration, environment: Environment, service: str | None, now: datetime
) -> list[Row]:
    """Return a row for each secret. KMS rotates its keys by itself, so they have none.

    Args:
        declaration: The loaded declaration.
        environment: An environment on AWS.
        service: The only service to return rows of, or None for all.
        now: The current time.

    Raises:
        ConfigurationError: If the service does not run there, or the identity belongs to another
            account.
        AccessDenied: If the identity may not list the versions of a secret.

    """
    items = [
        item for item in declared_items(declaration, environment, service) if item.kind in KINDS
    ]
    with open_checked_connection(declaration, environment) as connection:
        from aws.reader import AwsReader  # noqa: PLC0415 (it loads boto3)
        from aws.secret_ages import read_age  # noqa: PLC0415 (it loads boto3)

        reader = AwsReader(connection)

        def read(item: Item) -> list[Age]:
            return [read_age(reader, item.server_name)]

        rows = build_ledger(items, read, None, now)
    unknown = LastRead(ReadState.UNKNOWN, IN_CLOUDTRAIL)
    return [replace(row, last_read=unknown) for row in rows]


def require_watched(declaration: Declaration, environment: Environment) -> Watched:
    """Return what watches an environment, for :func:`publish`.

    Raises:
        ConfigurationError: If the environment is not on AWS, or has no monitoring.

    """
    watched = find_watched(declaration, environment)
    if watched is None:
        raise ConfigurationError(
            f"{environment} has no monitoring, so that nothing reads the metric; declare"
            " 'monitoring' under 'aws' in its file"
        )
    return watched


def publish(declaration: Declaration, watched: Watched, rows: Sequence[Row], now: datetime) -> None:
    """Write the number of overdue rows as a metric of CloudWatch.

    Args:
        declaration: The loaded declaration.
        watched: The environment.
        rows: The rows of all its services.
        now: The current time.

    """
    from aws.monitoring.overdue import publish_overdue  # noqa: PLC0415 (it loads boto3)

    overdue = sum(row.state is State.OVERDUE for row in rows)
    with closing(open_connection(declaration, watched.environment)) as connection:
        publish_overdue(connection, watched, overdue, now)
