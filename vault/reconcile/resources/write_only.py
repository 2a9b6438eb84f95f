"""Write-only values: detect a changed value that the server never returns.

The ownership metadata has the value's HMAC under a Transit key of this server, its fingerprint. A
reader of the metadata cannot try guesses elsewhere, because the key never leaves the server. A user
of the plan policy can try some ten thousand guesses a second here, so a password that a person
chose is stretched with scrypt before.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.reconcile.resources import Fields, ReadSession
from vault.reconcile.resources.ownership import OwnershipEntry, other_deployment

AS_PROVIDED: Final = "as provided"
DIFFERENT: Final = "different"

#: 32 MiB and about 0.1 s for each guess (RFC 7914).
_SCRYPT: Final = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26, "dklen": 32}
_SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class WriteOnly:
    """A password or another write-only value, and the path of its fingerprint."""

    ownership: OwnershipEntry
    value: Secret | None
    field: str = "password"
    low_entropy: bool = False

    def desired(self) -> Fields:
        """Return ``as provided`` for the field, or no field if no value is provided."""
        return {} if self.value is None else {self.field: AS_PROVIDED}

    def read(self, reader: ReadSession) -> Fields:
        """Return ``as provided`` for the field, or ``different`` if the fingerprints differ.

        The state is ``unknown`` if the server has no fingerprint, or one of another deployment's
        key. There is no field if no value is provided.
        """
        if self.value is None:
            return {}
        noted, deployment = self.ownership.read(reader), self.ownership.owner.deployment
        stored = noted.get(self._metadata_key)
        if stored is None or other_deployment(noted, deployment) is not None:
            return {self.field: "unknown"}
        matches = stored == self._fingerprint(reader, self.value, stored.partition(":")[0])
        return {self.field: AS_PROVIDED if matches else DIFFERENT}

    def fingerprint_metadata(self, session: Session) -> dict[str, str]:
        """Return the ownership metadata to store after writing the value."""
        if self.value is None:
            return {}
        salt = secrets.token_hex(_SALT_BYTES)
        return {self._metadata_key: self._fingerprint(session, self.value, salt)}

    @property
    def _metadata_key(self) -> str:
        return f"{self.field}_hmac"

    def _fingerprint(self, reader: ReadSession, value: Secret, salt: str) -> str:
        """Return the HMAC of *value*; for a low-entropy one its salt, a colon and the HMAC."""
        plain = value.reveal().encode()
        if not self.low_entropy:
            return self._hmac(reader, plain)
        stretched = hashlib.scrypt(plain, salt=salt.encode(), **_SCRYPT)
        return f"{salt}:{self._hmac(reader, stretched)}"

    def _hmac(self, reader: ReadSession, value: bytes) -> str:
        """Return the HMAC of *value* under the deployment's own key, as ``vault:v1:…``."""
        encoded = base64.b64encode(value).decode()
        response = reader.post(self.ownership.owner.fingerprint_path, {"input": encoded})
        digest: str = response["data"]["hmac"]
        return digest
