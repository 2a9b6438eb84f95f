"""Worker: ``python -m examples.asyncio_worker.worker [RECIPIENT...]``."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import Any

from dotenv import load_dotenv
from psycopg_pool import AsyncConnectionPool

from app_integration import aget_secret, async_database_pool, redaction
from examples.asyncio_worker import mails

load_dotenv()
log = logging.getLogger("worker")


async def work(pool: AsyncConnectionPool[Any], stopping: asyncio.Event) -> None:
    """Send mails until the process is to stop."""
    while not stopping.is_set():
        token = (await aget_secret("carrier-token")).reveal()
        if sent := await mails.send_next(pool, token):
            log.info("mail %s sent to %s by %s", *sent)
        else:
            await asyncio.sleep(0.2)


async def main(recipients: list[str]) -> None:
    """Add mails to *recipients*, or send mails until SIGTERM if there are none."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with async_database_pool(min_size=1, max_size=4) as pool:
        await mails.create_table(pool)
        for each in recipients:
            await mails.add(pool, each)
        if not recipients:
            await work(pool, stopping)


if __name__ == "__main__":
    logging.basicConfig(level=os.environ["LOG_LEVEL"])
    redaction.install()
    asyncio.run(main(sys.argv[1:]))
