"""Ledger of an environment: the age, due date and last read of all that is rotated there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from aws.environment import open_checked_connection
from console.target.audit_logs.response_log import open_response_log
from console.target.sessions import open_job_session
from console.target.target import Target
from vault.declare.declaration import Declaration
from vault.declare.server_names import AUDITOR_JOB
from vault.reconcile.resources.ownership import Owner
from vault.rotation.inventory import Item, declared_items
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.last_reads import AuditLogs, read_audit_logs
from vault.rotation.ledger.ledger import IN_CLOUDTRAIL, LastRead, ReadState, Row, build_ledger
from vault.rotation.record import RecordStore
from vault.rotation.server_ages import Age, read_ages

#: Kinds of items that are secrets on AWS.
KINDS_ON_AWS: Final = (Kind.SECRET, Kind.USER_PAIR)


def read_ledger(
    target: Target,
    service: str | None,
    audit_logs: Sequence[Path],
    store: Path | None,
    now: datetime,
) -> tuple[list[Row], AuditLogs | None]:
    """Return the rows of an environment, and what its audit logs say, None if there is none."""
    declared = target.declared
    if target.is_on_aws:
        if audit_logs or store is not None:
            raise ConfigurationError(
                f"{target.environment} is on AWS, where reads are in CloudTrail; leave out "
                "--audit-log and --store"
            )
        return read_aws_ledger(target.declaration, target.environment, service, now), None
    items = declared_items(target.declaration, target.environment, service)
    # Before the login, so that a wrong file is rejected first and this login is not in the log.
    log = open_response_log(target, audit_logs, store)
    logs = None if log is None else read_audit_logs(log, items, declared.mounts)
    with open_job_session(target, AUDITOR_JOB) as session:
        ages = partial(read_ages, session, mounts=declared.mounts, now=now)
        owner = Owner.of(declared)
        return build_ledger(
            items, ages, logs, now, lambda item: RecordStore(session, owner, item).read()
        ), logs


def read_aws_ledger(
    declaration: Declaration, environment: Environment, service: str | None, now: datetime
) -> list[Row]:
    """Return a row for each secret. KMS rotates its keys by itself, so they have none."""
    where = declaration, environment
    items = [item for item in declared_items(*where, service) if item.kind in KINDS_ON_AWS]
    with open_checked_connection(*where) as connection:
        from aws.reader import AwsReader  # noqa: PLC0415 (it loads boto3)
        from aws.secret_ages import read_age  # noqa: PLC0415 (it loads boto3)

        reader = AwsReader(connection)

        def read(item: Item) -> list[Age]:
            return [read_age(reader, item.server_name)]

        rows = build_ledger(items, read, None, now)
    unknown = LastRead(ReadState.UNKNOWN, IN_CLOUDTRAIL)
    return [replace(row, last_read=unknown) for row in rows]
