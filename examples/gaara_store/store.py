"""State that all routes of the running store share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import current_app

from app_integration.config.loader import ConfigFile
from examples.gaara_store.attempts import LoginAttempts
from examples.gaara_store.config import StoreConfig
from examples.gaara_store.database import Users
from examples.gaara_store.orders import OrderQueue, Orders
from examples.gaara_store.signing import SigningKeys

EXTENSION: Final = "gaara_store"


@dataclass(frozen=True, slots=True)
class Store:
    """Shared state of one store.

    Call ``config_file.current()`` at each use and keep no part of the result, so that a changed
    secret needs no restart.
    """

    config_file: ConfigFile[StoreConfig]
    users: Users
    signing: SigningKeys
    orders: Orders

    @property
    def config(self) -> StoreConfig:
        """Return the current config."""
        return self.config_file.current()

    @property
    def attempts(self) -> LoginAttempts:
        """Return the login counters."""
        return LoginAttempts(self.config.redis.url)

    @property
    def order_queue(self) -> OrderQueue:
        """Return the queue of order messages."""
        return OrderQueue(self.config.redis.url)


def current_store() -> Store:
    """Return the store of the current request."""
    store: Store = current_app.extensions[EXTENSION]
    return store
