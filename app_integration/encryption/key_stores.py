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
    """The stores of one application, each opened on first use. The caller holds a lock."""

    def __init__(self, where: str, engine: Callable[[], Engine]) -> None:
        """Open nothing yet."""
        self._where = where
        self._engine = engine
        self.data_keys: DataKeyStore | None = None
        self.index_keys: IndexKeyStore | None = None

    def use_data_keys(self, store: DataKeyStore | None) -> None:
        """Use *store* from now on; None for the one that the settings name."""
        from app_integration.encryption.keys.stores import DataKeyStore

        if store is not None and not _implements(store, DataKeyStore):
            raise ConfigurationError(
                f"use_data_keys cannot take {_describe(store)}; pass a store of data keys, such as"
                " TableDataKeys(engine) or FileDataKeys(path)"
            )
        self.data_keys = store

    def use_index_keys(self, store: IndexKeyStore) -> None:
        """Use *store* from now on."""
        from app_integration.encryption.blind_index.stores import IndexKeyStore

        if not _implements(store, IndexKeyStore):
            raise ConfigurationError(
                f"use_index_keys cannot take {_describe(store)}; pass a store of index keys, such"
                " as TableIndexKeys(engine)"
            )
        self.index_keys = store

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
        """Return the store in use, or the table beside the data keys."""
        if self.index_keys is None and self._where == DATABASE:
            from app_integration.encryption.blind_index.stores.table import TableIndexKeys

            self.index_keys = TableIndexKeys(self._engine())
        if self.index_keys is None:
            raise ConfigurationError(
                "no store for the keys of blind indexes is configured: call "
                "use_index_keys(TableIndexKeys(engine)) first"
            )
        return self.index_keys


def _implements(store: object, protocol: type) -> bool:
    """Return whether *store*, which is no class, has the methods of *protocol*."""
    return not isinstance(store, type) and isinstance(store, protocol)


def _describe(store: object) -> str:
    """Return how an error names *store*, whose text may hold a password."""
    if isinstance(store, type):
        return f"the class {store.__name__}"
    return f"a value of type {type(store).__name__}"
