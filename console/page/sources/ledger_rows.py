"""Rows of the ledger, from the server's metadata alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Final

from app_integration.names import Environment
from app_integration.session.session import Session
from vault.declare.declaration import Declaration
from vault.reconcile.resources.ownership import Owner
from vault.rotation.inventory import Item, declared_items
from vault.rotation.ledger.ledger import Row, build_ledger
from vault.rotation.record import Record, RecordStore
from vault.rotation.server_ages import Age, read_ages

#: Requests at a time; less than the connections that a session keeps open.
_WORKERS: Final = 8


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

    found = dict(zip(items, _map(read, items), strict=True))
    rows = build_ledger(items, lambda item: found[item][0], None, now, lambda item: found[item][1])
    return tuple(rows)


def _map(
    read: Callable[[Item], tuple[list[Age], Record | None]], items: list[Item]
) -> list[tuple[list[Age], Record | None]]:
    with ThreadPoolExecutor(_WORKERS, "ledger") as pool:
        try:
            return list(pool.map(read, items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
