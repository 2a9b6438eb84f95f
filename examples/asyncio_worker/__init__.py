"""Worker for asyncio with psycopg. ``docs/howto/Asyncio.md`` moves it off its .env."""
