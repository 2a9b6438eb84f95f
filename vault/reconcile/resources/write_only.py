"""Values that the server takes and never gives back: whether one has changed all the same.

What is noted beside the thing is the value's HMAC under a Transit key of this server. Whoever reads
the note can't try guesses on it elsewhere, as the key never leaves the server.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from app_integration.names import TRANSIT_MOUNT
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.reconcile.resources import Fields, Reader
from vault.reconcile.resources.ownership import note

#: No service's key has this name: those end in an environment and a key's own name.
FINGERPRINT_KEY: Final = "strongroom-fingerprint"
AS_GIVEN: Final = "as given"
ANOTHER: Final = "another"


@dataclass(frozen=True, slots=True)
class WriteOnly:
    """A password, or the like, and the record that holds its fingerprint.

    Attributes:
        record: path below the KV mount.
        value: what was given this time; None when nobody did, and then nothing is compared.
        field: what the server calls it.
    """

    record: str
    value: Secret | None
    field: str = "password"

    def desired(self) -> Fields:
        """That the server has what was given."""
        return {} if self.value is None else {self.field: AS_GIVEN}

    def read(self, reader: Reader) -> Fields:
        """Compares fingerprints; a password whose fingerprint nobody noted is "unknown"."""
        if self.value is None:
            return {}
        noted = note(reader, self.record).get(self._note)
        if noted is None:
            return {self.field: "unknown"}
        same = noted == fingerprint(reader, self.value)
        return {self.field: AS_GIVEN if same else ANOTHER}

    def notes(self, session: Session) -> dict[str, str]:
        """What to note once it is written."""
        return {} if self.value is None else {self._note: fingerprint(session, self.value)}

    @property
    def _note(self) -> str:
        return f"{self.field}_hmac"


def fingerprint(reader: Reader, value: Secret) -> str:
    """The HMAC of *value* under this server's own key."""
    encoded = base64.b64encode(value.reveal().encode()).decode()
    answer = reader.post(f"{TRANSIT_MOUNT}/hmac/{FINGERPRINT_KEY}", {"input": encoded})
    made: str = answer["data"]["hmac"]
    return made
