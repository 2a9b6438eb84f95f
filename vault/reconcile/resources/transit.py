"""Transit keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from app_integration.names import TRANSIT_MOUNT
from app_integration.session.session import Session
from vault.reconcile.resources import Fields, StoredObject, check_immutable

_AT_CREATION: Final = ("type", "derived", "exportable", "allow_plaintext_backup")


@dataclass(frozen=True, slots=True)
class TransitKey(StoredObject):
    """A key that never leaves the server: derived, not exportable, no plaintext backup.

    It is rotated every *rotate_every* seconds; 0 is never.
    """

    kind: ClassVar[str] = "transit-key"
    depends_on: ClassVar[tuple[str, ...]] = ("kv-config",)
    listed_at: ClassVar[str] = "{transit}/keys"

    name: str
    rotate_every: int = 0
    mount: str = TRANSIT_MOUNT

    def desired(self) -> Fields:
        """Return the key's type and switches, and the rotation period in seconds."""
        return {
            "type": "aes256-gcm96",
            "derived": True,
            "exportable": False,
            "allow_plaintext_backup": False,
            "deletion_allowed": False,
            "auto_rotate_period": self.rotate_every,
        }

    def check(self, before: Fields | None) -> None:
        """Check that an existing key has the type, and cannot leave the server."""
        check_immutable(self, before, _AT_CREATION, "use another name for the key")

    def write(self, session: Session, before: Fields | None) -> None:
        """Create the key if it does not exist, and configure it.

        Creating an existing key would succeed without changing anything, so this checks it first.
        """
        self.check(before)
        desired: dict[str, Any] = dict(self.desired())
        if before is None:
            session.post(self._path, {key: desired[key] for key in _AT_CREATION})
        config = {key: value for key, value in desired.items() if key not in _AT_CREATION}
        session.post(f"{self._path}/config", config)

    @property
    def _path(self) -> str:
        return f"{self.mount}/keys/{self.name}"
