"""Stores of wrapped keys: those that an application chose, or that its settings name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app_integration.errors import ConfigurationError
from app_integration.settings import DATABASE

# Imported on first use, because not every application keeps keys in a store.
if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app_integration.encryption.blind_index.stores import IndexKeyStore
    from app_integration.encryption.keys.stores import DataKeyStore


class KeyStores:
    """The stores of one application, each opened on first use. The caller holds a lock.

    Attributes:
        data_keys: The store of data keys in use; None if there is none yet.
        index_keys: The store of the keys of blind indexes in use; None if there is none yet.

    """

    def __init__(self, where: str, engine: Callable[[], Engine]) -> None:
        """Open nothing yet.

        Args:
            where: The setting ``data_keys``.
            engine: Returns an engine for the service's own database.

        """
        self._where = where
        self._engine = engine
        self.data_keys: DataKeyStore | None = None
        self.index_keys: IndexKeyStore | None = None

    def get_data_keys(self) -> DataKeyStore | None:
        """Return the store in use, or the one that the settings name, if any."""
        if self.data_keys is None and self._where:
            self.data_keys = self._open_data_keys()
        return self.data_keys

    def _open_data_keys(self) -> DataKeyStore:
        if self._where == DATABASE:
            from app_integration.encryption.keys.stores.table import TableDataKeys

            return TableDataKeys(self._engine())
        from app_integration.encryption.keys.stores.file import FileDataKeys

        return FileDataKeys(self._where)

    def get_index_keys(self) -> IndexKeyStore:
        """Return the store in use, or the table beside the data keys.

        Raises:
            ConfigurationError: If there is neither.

        """
        if self.index_keys is None and self._where == DATABASE:
            from app_integration.encryption.blind_index.stores.table import TableIndexKeys

            self.index_keys = TableIndexKeys(self._engine())
        if self.index_keys is None:
            raise ConfigurationError(
                "no store for the keys of blind indexes is configured: call "
                "use_index_keys(TableIndexKeys(engine)) first"
            )
        return self.index_keys
