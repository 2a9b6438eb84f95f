"""Each ORM in turn, on a database in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from app_integration.testing import MemoryApplication
from tests.support.databases.memory_keys import memory_key_tables
from tests.support.orms.orms import ORMS, Orm


@pytest.fixture
def key_engine(vault: MemoryApplication) -> Iterator[Engine]:
    with memory_key_tables(vault) as engine:
        yield engine


@pytest.fixture(params=[*ORMS])
def orm(request: pytest.FixtureRequest, key_engine: Engine) -> Iterator[Orm]:
    with ORMS[request.param].connected(key_engine) as orm:
        yield orm
