"""Report of the night: ``python -m examples.plain_script.report``."""

from __future__ import annotations

import hmac
import os

from dotenv import load_dotenv

from app_integration import database_pool, get_secret

load_dotenv()
key = get_secret("signing-key").reveal()
pool = database_pool(min_size=1, max_size=1)

with pool, pool.connection() as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS reports (title text, made timestamptz)")
    connection.execute("INSERT INTO reports VALUES (%s, now())", (os.environ["REPORT_TITLE"],))
    count, user = connection.execute("SELECT count(*), session_user FROM reports").fetchone()

signature = hmac.new(key.encode(), str(count).encode(), "sha256").hexdigest()
print(f"{count} reports by {user}, signed {signature[:8]}")  # noqa: T201 (what a script is for)
