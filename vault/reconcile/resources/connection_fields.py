"""Fields of a connection of the database engine, as the server returns them."""

from __future__ import annotations

from collections.abc import Callable

from vault.reconcile.resources import Fields, ReadSession, read_data, select_fields


def read_connection(
    reader: ReadSession, path: str, desired: Fields, recorded: Callable[[], Fields]
) -> Fields | None:
    """Return the desired fields of the connection at *path*, None if it does not exist.

    The server nests the plugin's fields under ``connection_details``; this flattens them.
    """
    data = read_data(reader, path)
    if data is None:
        return None
    allowed = sorted(data["allowed_roles"])
    flat = {**data, **data["connection_details"], "allowed_roles": allowed, **recorded()}
    return select_fields(desired, flat)
