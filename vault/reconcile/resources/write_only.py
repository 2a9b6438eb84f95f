"""Values that the server takes and never gives back: whether one has changed all the same.

What is noted beside the thing is the value's HMAC under a Transit key of this server. Whoever reads
the note can't try guesses on it elsewhere, as the key never leaves the server. Who may plan can try
them here, some ten thousand a second: so a password that a person chose is stretched before.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
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

#: 32 MiB and about 0.1 s for each guess (RFC 7914).
_SCRYPT: Final = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26, "dklen": 32}
_SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class WriteOnly:
    """A password, or the like, and the record that holds its fingerprint.

    Attributes:
        record: path below the KV mount.
        value: what was given this time; None when nobody did, and then nothing is compared.
        field: what the server calls it.
        chosen: whether a person chose it, so that it may be guessed.

    """

    record: str
    value: Secret | None
    field: str = "password"
    chosen: bool = False

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
        same = noted == self._fingerprint(reader, self.value, noted.partition(":")[0])
        return {self.field: AS_GIVEN if same else ANOTHER}

    def notes(self, session: Session) -> dict[str, str]:
        """What to note once it is written."""
        if self.value is None:
            return {}
        salt = secrets.token_hex(_SALT_BYTES)
        return {self._note: self._fingerprint(session, self.value, salt)}

    @property
    def _note(self) -> str:
        return f"{self.field}_hmac"

    def _fingerprint(self, reader: Reader, value: Secret, salt: str) -> str:
        """As it is noted: the HMAC of *value*, after its salt if it was chosen."""
        plain = value.reveal().encode()
        if not self.chosen:
            return _hmac(reader, plain)
        stretched = hashlib.scrypt(plain, salt=salt.encode(), **_SCRYPT)
        return f"{salt}:{_hmac(reader, stretched)}"


def _hmac(reader: Reader, value: bytes) -> str:
    """The HMAC of *value* under this server's own key, as ``vault:v1:…``."""
    encoded = base64.b64encode(value).decode()
    answer = reader.post(f"{TRANSIT_MOUNT}/hmac/{FINGERPRINT_KEY}", {"input": encoded})
    made: str = answer["data"]["hmac"]
    return made
