"""A new value between its creation and its promotion, in an entry that no service can read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import VALUE_KEY
from app_integration.observability import redaction
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.reconcile.resources import read_data
from vault.reconcile.resources.kv import data_path, destroy_versions, metadata_path
from vault.reconcile.server_time import parse_time

_ID: Final = "rotation"


@dataclass(frozen=True, slots=True)
class PendingValue:
    """The pending value of one rotation."""

    session: Session
    path: str
    mount: str

    def read(self, rotation: str) -> Secret | None:
        """Return the value, None if the rotation with the id *rotation* has none."""
        data = read_data(self.session, data_path(self.path, self.mount))
        found = (data or {}).get("data") or {}
        if found.get(_ID) != rotation:
            return None
        value = Secret(found[VALUE_KEY])
        redaction.live.add(value)
        return value

    def require(self, rotation: str) -> Secret:
        """Return the value."""
        value = self.read(rotation)
        if value is None:
            raise ConfigurationError(
                f"the new value of the rotation in {self.path} does not exist any more; undo the "
                "rotation with --undo, and begin it again"
            )
        return value

    def written(self) -> datetime | None:
        """Return when a value was last written, by the server's clock, None if there was none."""
        metadata = read_data(self.session, metadata_path(self.path, self.mount)) or {}
        versions = metadata.get("versions") or {}
        last = versions.get(str(metadata.get("current_version")))
        return None if last is None else parse_time(last["created_time"])

    def write(self, rotation: str, value: Secret) -> None:
        """Store *value* for the rotation with the id *rotation*."""
        redaction.live.add(value)
        body = {"data": {VALUE_KEY: value.reveal(), _ID: rotation}}
        self.session.post(data_path(self.path, self.mount), body, retry=False)

    def destroy(self) -> None:
        """Destroy all versions of the value; the record stays."""
        destroy_versions(self.session, self.path, self.mount)
