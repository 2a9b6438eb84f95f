"""Transit keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from app_integration.names import TRANSIT_MOUNT
from app_integration.session.session import Session
from vault.reconcile.resources import Fields, Reader, pick, read_data, refuse_change

_AT_CREATION: Final = ("type", "derived", "exportable", "allow_plaintext_backup")


@dataclass(frozen=True, slots=True)
class TransitKey:
    """A key that never leaves the server: derived, not exportable, no plaintext backup.

    Attributes:
        rotate_every: seconds between automatic rotations; 0 for none.

    """

    kind: ClassVar[str] = "transit-key"

    name: str
    rotate_every: int = 0

    def desired(self) -> Fields:
        """The switches that matter, and the rotation period in seconds."""
        return {
            "type": "aes256-gcm96",
            "derived": True,
            "exportable": False,
            "allow_plaintext_backup": False,
            "deletion_allowed": False,
            "auto_rotate_period": self.rotate_every,
        }

    def read(self, reader: Reader) -> Fields | None:
        """The same of the key on the server."""
        data = read_data(reader, self._path)
        return pick(self.desired(), data) if data is not None else None

    def write(self, session: Session, before: Fields | None) -> None:
        """Create or configure it. Creating an existing key would change nothing, silently."""
        refuse_change(self, before, _AT_CREATION)
        desired: dict[str, Any] = dict(self.desired())
        if before is None:
            session.post(self._path, {key: desired[key] for key in _AT_CREATION})
        later = {key: value for key, value in desired.items() if key not in _AT_CREATION}
        session.post(f"{self._path}/config", later)

    @property
    def _path(self) -> str:
        return f"{TRANSIT_MOUNT}/keys/{self.name}"
