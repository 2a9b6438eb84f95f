"""History of one value: its versions on the server, and its last rotation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app_integration.session.session import Session
from vault.declare.schema.model import EnvironmentDeclaration
from vault.reconcile.resources.ownership import Owner
from vault.rotation.inventory import Item
from vault.rotation.record import Record, RecordStore
from vault.rotation.server_versions import Version, read_versions


@dataclass(frozen=True, slots=True)
class ValueHistory:
    """What the server knows of a value's past."""

    versions: tuple[Version, ...]
    record: Record | None


def read_value_history(
    session: Session, declared: EnvironmentDeclaration, item: Item, now: datetime
) -> ValueHistory:
    """Return the history of *item*."""
    versions = read_versions(session, item, declared.mounts, now)
    return ValueHistory(versions, RecordStore(session, Owner.of(declared), item).read())
