"""Keys of login tokens: the delivered key signs, and those before and after it verify, too."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from pydantic import SecretStr

from app_integration import verification_keys
from app_integration.config.loader import ConfigFile
from app_integration.errors import StrongroomError
from examples.gaara_store import tokens
from examples.gaara_store.config import StoreConfig

log = logging.getLogger(__name__)

NAME: Final = "jwt-secret"
#: A previous key stays valid this long: it signs tokens until the new key is delivered, and those
#: expire after their lifetime.
GRACE: Final = tokens.LIFETIME + timedelta(minutes=10)
#: Seconds until the server is asked again after an error. Otherwise any client could make the store
#: wait for the server by sending invalid tokens.
RETRY_INTERVAL: Final = 30.0


class SigningKeys:
    """Keys that sign and verify login tokens. Thread-safe."""

    def __init__(self, config_file: ConfigFile[StoreConfig]) -> None:
        self._config_file = config_file
        self._retry_at = float("-inf")  # on the monotonic clock

    def signing_key(self) -> SecretStr:
        """Return the delivered key, which signs new tokens."""
        return self._config_file.current().jwt.secret

    def verification_keys(self) -> Iterator[SecretStr]:
        """Yield the delivered key, then the next, the current and the previous one of the server.

        The server is only asked if the delivered key does not suffice: another process may have the
        next one already. It does not return a destroyed version, so that destroying a leaked key
        invalidates its tokens.
        """
        yield self.signing_key()
        if time.monotonic() < self._retry_at:
            return
        try:
            found = verification_keys(NAME, grace=GRACE.total_seconds())
        except StrongroomError as error:
            log.warning("tokens of another than the delivered key are not accepted now: %s", error)
            self._retry_at = time.monotonic() + RETRY_INTERVAL
            return
        yield from (SecretStr(key.reveal()) for key in found)
