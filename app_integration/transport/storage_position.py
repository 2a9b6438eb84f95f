"""Position in a cluster's storage up to which a session has written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app_integration.transport.raw_call import READS

_INDEX: Final = "X-Vault-Index"


class StoragePosition:
    """Position of a session's last write, which its later requests must see. Thread-safe.

    A standby answers reads from a copy of the storage that may lack a write which it has just
    passed to the leader. With the position, a standby that lacks the write passes the read on, too.
    A server without such a copy sends no position.
    """

    def __init__(self) -> None:
        """Start without a write."""
        self._index: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers of a request that must see the last write."""
        if self._index is None:
            return {}
        return {_INDEX: self._index, "X-Vault-Inconsistent": "forward-active-node"}

    def record(self, method: str, headers: Mapping[str, str]) -> None:
        """Take the position from the *headers* of a response, unless *method* only reads.

        A login counts as a write: what was there before it is seen, too.
        """
        if method not in READS:
            self._index = headers.get(_INDEX, self._index)
