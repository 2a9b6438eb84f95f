"""Tables of data keys and index keys in a database in memory, for the keys of an application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine

from app_integration import use_data_keys, use_index_keys
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.testing import MemoryApplication


@contextmanager
def memory_key_tables(vault: MemoryApplication) -> Iterator[Engine]:
    """Yield an engine on a new database, whose tables of keys the default client uses."""
    vault.make_key("index")
    engine = create_engine("sqlite://")
    keys, indexes = TableDataKeys(engine), TableIndexKeys(engine)
    keys.create()
    indexes.create()
    use_data_keys(keys)
    use_index_keys(indexes)
    yield engine
    engine.dispose()
