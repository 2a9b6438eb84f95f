"""Queue of mails in a table."""

from __future__ import annotations

from typing import Any

from psycopg_pool import AsyncConnectionPool

_CREATE = """
    CREATE TABLE IF NOT EXISTS mails (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, recipient text, sent_by text
    )
"""
_SEND = """
    UPDATE mails SET sent_by = session_user WHERE id = (
        SELECT id FROM mails WHERE sent_by IS NULL ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1
    ) RETURNING id, recipient, sent_by
"""


async def create_table(pool: AsyncConnectionPool[Any]) -> None:
    """Create the table, unless it exists."""
    async with pool.connection() as connection:
        await connection.execute(_CREATE)


async def add(pool: AsyncConnectionPool[Any], recipient: str) -> None:
    """Add a mail to the queue."""
    async with pool.connection() as connection:
        await connection.execute("INSERT INTO mails (recipient) VALUES (%s)", (recipient,))


async def send_next(pool: AsyncConnectionPool[Any], token: str) -> tuple[int, str, str] | None:
    """Send the oldest mail; return its number, its recipient, and the database user.

    None if there is no mail. It stays in the queue if it cannot be sent.
    """
    async with pool.connection() as connection:
        cursor = await connection.execute(_SEND)
        sent: tuple[int, str, str] | None = await cursor.fetchone()
        if sent and not token:
            raise ValueError("the carrier needs a token")
        return sent
