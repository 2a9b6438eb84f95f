"""The keys of login tokens: the delivered one signs, the version before counts for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from pydantic import SecretStr

from app_integration import current_and_previous
from app_integration.config.loader import ConfigFile
from app_integration.errors import StrongroomError
from examples.gaara_store import tokens
from examples.gaara_store.config import StoreConfig

log = logging.getLogger(__name__)

NAME: Final = "jwt-secret"
#: The old key signs until the new one is delivered, and what it signed then lives this long.
GRACE: Final = tokens.LIFETIME + timedelta(minutes=10)
#: Seconds in which the server isn't asked again once it gave no answer: anybody can send a token.
PAUSE: Final = 30.0


class SigningKeys:
    """What signs tokens now, and what they may be signed with. Thread-safe."""

    def __init__(
        self, config_file: ConfigFile[StoreConfig], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Args: *clock* in seconds, monotonic."""
        self._config_file = config_file
        self._clock = clock
        self._ask_again = float("-inf")  # on the clock

    def newest(self) -> SecretStr:
        """The delivered key."""
        return self._config_file.current().jwt.secret

    def accepted(self) -> Iterator[SecretStr]:
        """The delivered key; if that isn't the one, those that the server holds.

        A destroyed version isn't among them: that is how a leaked key ends.
        """
        yield self.newest()
        if self._clock() < self._ask_again:
            return
        try:
            found = current_and_previous(NAME, grace=GRACE.total_seconds())
        except StrongroomError as error:
            log.warning("tokens of the last rotation aren't accepted now: %s", error)
            self._ask_again = self._clock() + PAUSE
            return
        yield from (SecretStr(key.reveal()) for key in found if key is not None)
