"""Connections of the server to Redis, as a user that creates and deletes users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app_integration.names import DATABASE_MOUNT
from app_integration.session.session import Session
from vault.declare.schema.field_types import Endpoint
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, ReadSession
from vault.reconcile.resources.connection import Connection, flatten
from vault.reconcile.resources.denial import explain_denial
from vault.reconcile.resources.ownership import OwnershipEntry
from vault.reconcile.resources.write_only import AS_PROVIDED

PLUGIN = "redis-database-plugin"


@dataclass(frozen=True, slots=True)
class RedisConnection(Connection):
    """A connection of the server to Redis.

    The server never rotates the password: Redis keeps a changed one in memory only, so that after
    a restart of Redis the server could not log in any more.
    """

    name: str
    endpoint: Endpoint
    ca: str
    username: str
    allowed_roles: tuple[str, ...]
    password_policy: str
    inputs: Inputs
    ownership: OwnershipEntry
    mount: str = DATABASE_MOUNT
    is_fixed: bool = False

    def desired(self) -> Fields:
        """Return the fields that the server returns, and whether the password is as provided."""
        return {**self._config(), **self._password.desired()}

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:
        return {**flatten(data), **self._password.read(reader)}

    def check(self, before: Fields | None) -> None:
        """Check that the operator provides the password, if it is needed."""
        if self._needs_password(before):
            self.inputs.get_required(self._path)

    def write(self, session: Session, before: Fields | None) -> None:
        """Write the connection. The server logs in to verify it, and rejects it on failure."""
        body = self.body()
        # Nothing changes the password, so that it may be sent again when it is not known.
        if self._needs_password(before):
            body["password"] = self.inputs.get_required(self._path).reveal()
        with explain_denial(self, is_fixed=self.is_fixed):
            session.post(self._path, body, retry=False)
        if before is None or "password" in before:
            self.ownership.write(session, self._password.fingerprint_metadata(session))

    def body(self) -> dict[str, Any]:
        """Return what is written, but the password.

        The port is text, because the policy of a scoped apply role cannot list a number.
        """
        return {**self._config(), "port": str(self.endpoint.port), "verify_connection": True}

    @staticmethod
    def _needs_password(before: Fields | None) -> bool:
        return before is None or before.get("password", AS_PROVIDED) != AS_PROVIDED

    def _config(self) -> dict[str, Any]:
        return {
            "plugin_name": PLUGIN,
            "host": self.endpoint.host,
            "port": self.endpoint.port,
            "tls": bool(self.ca),
            "insecure_tls": False,
            **({"ca_cert": self.ca} if self.ca else {}),
            "username": self.username,
            "password_policy": self.password_policy,
            "allowed_roles": sorted(self.allowed_roles),
        }
