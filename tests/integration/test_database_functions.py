"""The SDK's functions for engines and pools, as an application calls them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from app_integration import (
    async_database_engine,
    async_database_pool,
    database_engine,
    database_pool,
)
from tests.support.databases.query_load import SESSION_USER

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

LEASED = "v-approle-gaara-st-"


def test_engine_and_pool_log_in_as_leased_users() -> None:
    engine = database_engine()
    with engine.connect() as connection:
        first = connection.scalar(text(SESSION_USER))
    engine.dispose()
    with database_pool(min_size=1) as pool, pool.connection() as connection:
        second = connection.execute(SESSION_USER).fetchone()
    assert str(first).startswith(LEASED)
    assert str(second[0]).startswith(LEASED)


def test_engine_and_pool_of_an_event_loop_log_in_as_leased_users() -> None:
    async def ask() -> tuple[Any, Any]:
        engine = async_database_engine()
        async with engine.connect() as connection:
            first = await connection.scalar(text(SESSION_USER))
        await engine.dispose()
        async with async_database_pool(min_size=1) as pool, pool.connection() as connection:
            second = await (await connection.execute(SESSION_USER)).fetchone()
        return first, second[0]

    first, second = asyncio.run(ask())
    assert str(first).startswith(LEASED)
    assert str(second).startswith(LEASED)
