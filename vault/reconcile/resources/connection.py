"""Connections of the database engine, of any plugin."""

from __future__ import annotations

from typing import ClassVar

from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, StoredObject
from vault.reconcile.resources.ownership import OwnershipEntry
from vault.reconcile.resources.write_only import WriteOnly


class Connection(StoredObject):
    """A connection with a password that the operator provides."""

    __slots__ = ()
    kind: ClassVar[str] = "database-connection"
    depends_on: ClassVar[tuple[str, ...]] = ("transit-key", "password-policy")
    listed_at: ClassVar[str] = "{database}/config"

    name: str
    inputs: Inputs
    ownership: OwnershipEntry
    mount: str

    @property
    def _path(self) -> str:
        return f"{self.mount}/config/{self.name}"

    @property
    def _password(self) -> WriteOnly:
        return WriteOnly(self.ownership, self.inputs.get(self._path))


def flatten(data: Fields) -> Fields:
    """Return the fields of a connection, whose plugin's the server nests."""
    return {**data, **data["connection_details"], "allowed_roles": sorted(data["allowed_roles"])}
