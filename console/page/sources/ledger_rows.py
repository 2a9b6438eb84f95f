"""Rows of the ledger, from the server's metadata alone."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from app_integration.names import Environment
from app_integration.session.session import Session
from console.page.sources.parallel import read_all
from vault.declare.declaration import Declaration
from vault.reconcile.resources.ownership import Owner
from vault.rotation.inventory import Item, declared_items
from vault.rotation.ledger.ledger import Row, build_ledger
from vault.rotation.record import Record, RecordStore
from vault.rotation.server_ages import Age, read_ages


def read_ledger_rows(
    session: Session, declaration: Declaration, environment: Environment, now: datetime
) -> tuple[Row, ...]:
    """Return the rows of an environment. Their last reads are unknown, because no log is read.

    Args:
        session: Session of the auditor.
        declaration: The declaration.
        environment: The environment.
        now: The current time.

    Raises:
        AccessDenied: If the credential may not read the metadata.
        ServerError: If the server is unreachable or sealed.

    """
    declared = declaration.environment(environment)
    owner, items = Owner.of(declared), declared_items(declaration, environment)
    read_age = partial(read_ages, session, mounts=declared.mounts, now=now)

    def read(item: Item) -> tuple[list[Age], Record | None]:
        return read_age(item), RecordStore(session, owner, item).read()

    found = dict(zip(items, read_all(read, items), strict=True))
    rows = build_ledger(items, lambda item: found[item][0], None, now, lambda item: found[item][1])
    return tuple(rows)
