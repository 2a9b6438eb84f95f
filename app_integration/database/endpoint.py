"""Where a database is, without the user that connects."""

from __future__ import annotations

from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from app_integration.database.url_options import has_part_of_login, parse_options


def parse_url(url: str) -> dict[str, Any]:
    """Return the parameters in *url* for libpq, without SQLAlchemy's driver, user and password.

    Raises:
        ConfigurationError: If it cannot be read. The message has nothing of it.

    """
    parts = parse_options(url, _read, ProgrammingError, "the database")
    return {name: parts[name] for name in parts if name not in {"user", "password"}}


def _read(url: str) -> dict[str, Any]:
    """Return the parameters in *url*.

    It is a function of its own, because a traceback may show the local variables of each frame.

    Raises:
        ProgrammingError: If it cannot be read.

    """
    scheme, _, rest = url.partition("://")
    parts: dict[str, Any] = conninfo_to_dict(f"{scheme.partition('+')[0]}://{rest}")
    if any(has_part_of_login(parts.get(name)) for name in ("host", "port")):
        raise ProgrammingError
    return parts
