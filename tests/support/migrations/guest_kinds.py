"""Ways in which the columns of guests are migrated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.support.migrations.decrypted_guests import DecryptedGuestKeys
from tests.support.migrations.guests import GuestKeys
from tests.support.migrations.reencrypted_guests import ReencryptedGuestKeys

#: Keys of guests by how their columns are migrated.
KINDS: Final[Mapping[str, type[GuestKeys]]] = {
    "plaintext": GuestKeys,
    "tokens": ReencryptedGuestKeys,
    "decrypted": DecryptedGuestKeys,
}
